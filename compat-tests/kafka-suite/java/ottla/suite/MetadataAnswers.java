package ottla.suite;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;

import kafka.server.SharedServer;

import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.metadata.LeaderAndIsr;
import org.apache.kafka.metadata.LeaderRecoveryState;

/** What a broker's metadata cache is asked. */
public final class MetadataAnswers {
    private final SharedServer server;
    private final Wire wire;

    public MetadataAnswers(SharedServer server) {
        this.server = server;
        this.wire = new Wire(server);
    }

    /** A broker need not keep the metadata's log: then a controller's. */
    public MetadataImage currentImage() throws Exception {
        MetadataFolder own = new MetadataFolder(server);
        return own.exists() ? own.image() : new MetadataFolder(server.cluster.theController()).image();
    }

    public Optional<Integer> numPartitions(String topic) throws IOException {
        return Optional.ofNullable(wire.topics(topic).get(topic)).map(found -> found.partitionMetadata().size());
    }

    public boolean contains(String topic) throws IOException {
        return wire.topics(topic).containsKey(topic);
    }

    public boolean contains(TopicPartition partition) throws IOException {
        return wire.partition(partition).isPresent();
    }

    public Set<String> getAllTopics() throws IOException {
        return wire.topics().keySet();
    }

    public Uuid getTopicId(String topic) throws IOException {
        return wire.topics(topic).containsKey(topic) ? wire.topics(topic).get(topic).topicId() : Uuid.ZERO_UUID;
    }

    /** Metadata does not tell the partition's epoch. */
    public Optional<LeaderAndIsr> getLeaderAndIsr(String topic, int partition) throws IOException {
        return wire.partition(new TopicPartition(topic, partition)).map(found -> new LeaderAndIsr(
            found.leaderId.orElse(-1), found.leaderEpoch.orElse(-1), found.inSyncReplicaIds,
            LeaderRecoveryState.RECOVERED, -1));
    }

    public Optional<Node> getPartitionLeaderEndpoint(String topic, int partition, ListenerName listener)
            throws IOException {
        Map<Integer, Node> alive = wire.aliveBrokers();
        return wire.partition(new TopicPartition(topic, partition))
            .map(found -> found.leaderId.map(alive::get).orElse(Node.noNode()));
    }

    public Map<Integer, Node> getPartitionReplicaEndpoints(TopicPartition partition, ListenerName listener)
            throws IOException {
        Map<Integer, Node> endpoints = new HashMap<>();
        Map<Integer, Node> alive = wire.aliveBrokers();
        wire.partition(partition).ifPresent(found -> found.replicaIds.forEach(
            id -> endpoints.put(id, alive.getOrDefault(id, Node.noNode()))));
        return endpoints;
    }

    public boolean hasAliveBroker(int id) throws IOException {
        return wire.aliveBrokers().containsKey(id);
    }

    public List<Node> getAliveBrokerNodes(ListenerName listener) throws IOException {
        return new ArrayList<>(wire.aliveBrokers().values());
    }

    public Optional<Node> getAliveBrokerNode(int id, ListenerName listener) throws IOException {
        return Optional.ofNullable(wire.aliveBrokers().get(id));
    }

    public Properties topicConfig(String topic) throws IOException {
        Properties configs = new Properties();
        wire.topicConfig(topic).forEach((name, value) -> {
            if (value != null) {
                configs.put(name, value);
            }
        });
        return configs;
    }
}
