package ottla.suite;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import kafka.server.SharedServer;

import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.message.DeleteRecordsRequestData;
import org.apache.kafka.common.message.DescribeConfigsRequestData;
import org.apache.kafka.common.message.DescribeQuorumResponseData;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsPartition;
import org.apache.kafka.common.message.ListOffsetsRequestData.ListOffsetsTopic;
import org.apache.kafka.common.message.ListOffsetsResponseData.ListOffsetsPartitionResponse;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.ApiVersionsRequest;
import org.apache.kafka.common.requests.ApiVersionsResponse;
import org.apache.kafka.common.requests.DeleteRecordsRequest;
import org.apache.kafka.common.requests.DeleteRecordsResponse;
import org.apache.kafka.common.requests.DescribeConfigsRequest;
import org.apache.kafka.common.requests.DescribeConfigsResponse;
import org.apache.kafka.common.requests.DescribeQuorumRequest;
import org.apache.kafka.common.requests.DescribeQuorumResponse;
import org.apache.kafka.common.requests.FetchRequest;
import org.apache.kafka.common.requests.FetchResponse;
import org.apache.kafka.common.requests.ListOffsetsRequest;
import org.apache.kafka.common.requests.ListOffsetsResponse;
import org.apache.kafka.common.requests.MetadataRequest;
import org.apache.kafka.common.requests.MetadataResponse;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.requests.RequestHeader;

/**
 * Questions to one broker, each on a connection of its own: an answer is what this broker knows, and no thread
 * of a client is left behind in the test.
 */
public final class Wire {
    private static final int LIMIT_MS = 30_000;

    private final SharedServer server;

    public Wire(SharedServer server) {
        this.server = server;
    }

    private <T extends AbstractResponse> T ask(Class<T> type, AbstractRequest.Builder<?> builder, int version)
            throws IOException {
        String listener = server.plainListener().orElseThrow(
            () -> new UnsupportedOperationException("look-ups need a PLAINTEXT listener"));
        AbstractRequest request = builder.build((short) version);
        RequestHeader header = new RequestHeader(request.apiKey(), (short) version, "suite", 1);
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress("localhost", server.node.port(listener)), LIMIT_MS);
            socket.setSoTimeout(LIMIT_MS);
            ByteBuffer bytes = request.serializeWithHeader(header);
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            byte[] framed = new byte[4 + bytes.remaining()];
            ByteBuffer.wrap(framed).putInt(bytes.remaining()).put(bytes);
            out.write(framed);
            out.flush();
            DataInputStream in = new DataInputStream(socket.getInputStream());
            byte[] answer = new byte[in.readInt()];
            in.readFully(answer);
            return type.cast(AbstractResponse.parseResponse(ByteBuffer.wrap(answer), header));
        }
    }

    private MetadataResponse metadata(List<String> topics) throws IOException {
        return ask(MetadataResponse.class, new MetadataRequest.Builder(topics, false), 12);
    }

    public Map<Integer, Node> aliveBrokers() throws IOException {
        return metadata(List.of()).brokersById();
    }

    /** Who leads the controllers, and how far the leader knows each node's log of the metadata to be. */
    public record Quorum(int leader, int epoch, Map<Integer, Long> endOffsets) {
    }

    /** Fails at a controller that does not lead; a broker asks the one that does. */
    public Quorum quorum() throws IOException {
        var request = new DescribeQuorumRequest.Builder(
            DescribeQuorumRequest.singletonRequest(new TopicPartition("__cluster_metadata", 0)));
        DescribeQuorumResponseData answer = ask(DescribeQuorumResponse.class, request, 2).data();
        requireNone(answer.errorCode());
        DescribeQuorumResponseData.PartitionData quorum = answer.topics().get(0).partitions().get(0);
        requireNone(quorum.errorCode());
        Map<Integer, Long> endOffsets = new HashMap<>();
        quorum.observers().forEach(replica -> endOffsets.put(replica.replicaId(), replica.logEndOffset()));
        quorum.currentVoters().forEach(replica -> endOffsets.put(replica.replicaId(), replica.logEndOffset()));
        return new Quorum(quorum.leaderId(), quorum.leaderEpoch(), endOffsets);
    }

    private static void requireNone(short errorCode) throws IOException {
        if (errorCode != Errors.NONE.code()) {
            throw new IOException("DescribeQuorum: " + Errors.forCode(errorCode));
        }
    }

    /** The topics that exist, all of them for no name. */
    public Map<String, MetadataResponse.TopicMetadata> topics(String... names) throws IOException {
        Map<String, MetadataResponse.TopicMetadata> found = new HashMap<>();
        for (MetadataResponse.TopicMetadata topic : metadata(names.length == 0 ? null : List.of(names)).topicMetadata()) {
            if (topic.error() == Errors.NONE) {
                found.put(topic.topic(), topic);
            }
        }
        return found;
    }

    public Optional<MetadataResponse.PartitionMetadata> partition(TopicPartition wanted) throws IOException {
        MetadataResponse.TopicMetadata topic = topics(wanted.topic()).get(wanted.topic());
        return topic == null ? Optional.empty() : topic.partitionMetadata().stream()
            .filter(each -> each.partition() == wanted.partition()).findFirst();
    }

    /** Any replica's, leader or not. */
    public long highWatermark(TopicPartition partition) throws IOException {
        Uuid topicId = topics(partition.topic()).get(partition.topic()).topicId();
        long start = offset(partition, ListOffsetsRequest.EARLIEST_TIMESTAMP);
        FetchRequest.Builder request = FetchRequest.Builder.forConsumer((short) 13, 0, 0, Map.of(partition,
            new FetchRequest.PartitionData(topicId, start, FetchRequest.INVALID_LOG_START_OFFSET, 1, Optional.empty())));
        var answer = ask(FetchResponse.class, request, 13).data().responses().get(0).partitions().get(0);
        Errors.forCode(answer.errorCode()).maybeThrow();
        return answer.highWatermark();
    }

    /** The offset at a timestamp or one of ListOffsets' special ones: any replica's, leader or not. */
    public long offset(TopicPartition partition, long timestamp) throws IOException {
        return offsetAndTimestamp(partition, timestamp).offset();
    }

    public ListOffsetsPartitionResponse offsetAndTimestamp(TopicPartition partition, long timestamp) throws IOException {
        ListOffsetsRequest.Builder request = ListOffsetsRequest.Builder
            .forReplica((short) 7, ListOffsetsRequest.DEBUGGING_REPLICA_ID)
            .setTargetTimes(List.of(new ListOffsetsTopic().setName(partition.topic()).setPartitions(List.of(
                new ListOffsetsPartition().setPartitionIndex(partition.partition()).setTimestamp(timestamp)))));
        var answer = ask(ListOffsetsResponse.class, request, 7).topics().get(0).partitions().get(0);
        Errors.forCode(answer.errorCode()).maybeThrow();
        return answer;
    }

    public void produce(TopicPartition partition, MemoryRecords records) throws IOException {
        ProduceRequestData.TopicProduceData topic = new ProduceRequestData.TopicProduceData().setName(partition.topic())
            .setPartitionData(List.of(new ProduceRequestData.PartitionProduceData()
                .setIndex(partition.partition()).setRecords(records)));
        ProduceRequestData data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(LIMIT_MS)
            .setTopicData(new ProduceRequestData.TopicProduceDataCollection(List.of(topic).iterator()));
        var answer = ask(ProduceResponse.class, ProduceRequest.builder(data), 11).data().responses().iterator().next();
        Errors.forCode(answer.partitionResponses().get(0).errorCode()).maybeThrow();
    }

    public void deleteRecords(TopicPartition partition, long before) throws IOException {
        DeleteRecordsRequestData data = new DeleteRecordsRequestData().setTimeoutMs(LIMIT_MS).setTopics(List.of(
            new DeleteRecordsRequestData.DeleteRecordsTopic().setName(partition.topic()).setPartitions(List.of(
                new DeleteRecordsRequestData.DeleteRecordsPartition()
                    .setPartitionIndex(partition.partition()).setOffset(before)))));
        var answer = ask(DeleteRecordsResponse.class, new DeleteRecordsRequest.Builder(data), 2).data()
            .topics().iterator().next().partitions().iterator().next();
        Errors.forCode(answer.errorCode()).maybeThrow();
    }

    public Map<String, String> topicConfig(String topic) throws IOException {
        DescribeConfigsRequestData wanted = new DescribeConfigsRequestData().setResources(List.of(
            new DescribeConfigsRequestData.DescribeConfigsResource()
                .setResourceType(ConfigResource.Type.TOPIC.id()).setResourceName(topic).setConfigurationKeys(null)));
        Map<String, String> configs = new HashMap<>();
        ask(DescribeConfigsResponse.class, new DescribeConfigsRequest.Builder(wanted), 4).data().results().get(0)
            .configs().forEach(config -> configs.put(config.name(), config.value()));
        return configs;
    }

    public short finalizedFeature(String name) throws IOException {
        var feature = ask(ApiVersionsResponse.class, new ApiVersionsRequest.Builder(), 4).data().finalizedFeatures()
            .find(name);
        return feature == null ? 0 : feature.maxVersionLevel();
    }

    public boolean serves(ApiKeys api) throws IOException {
        return ask(ApiVersionsResponse.class, new ApiVersionsRequest.Builder(), 4).apiVersion(api.id) != null;
    }
}
