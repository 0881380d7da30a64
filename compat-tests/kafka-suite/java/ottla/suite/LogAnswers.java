package ottla.suite;

import java.io.File;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

import kafka.cluster.Partition;
import kafka.log.LogManager;
import kafka.server.SharedServer;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.requests.ListOffsetsRequest;
import org.apache.kafka.common.requests.MetadataResponse;
import org.apache.kafka.common.requests.MetadataResponse.PartitionMetadata;
import org.apache.kafka.metadata.KRaftMetadataCache;
import org.apache.kafka.server.HostedPartition;
import org.apache.kafka.metadata.MetadataCache;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.AsyncOffsetReader;
import org.apache.kafka.storage.internals.log.FetchDataInfo;
import org.apache.kafka.storage.internals.log.LogAppendInfo;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogOffsetMetadata;
import org.apache.kafka.storage.internals.log.LogSegment;
import org.apache.kafka.storage.internals.log.LogStartOffsetIncrementReason;
import org.apache.kafka.storage.internals.log.OffsetResultHolder;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.UnifiedLog;

import scala.Option;
import scala.jdk.javaapi.CollectionConverters;

/** What a broker's log manager, replica manager, partitions and logs are asked: from its folders and over the wire. */
public final class LogAnswers {
    private final SharedServer server;
    private final Wire wire;

    public LogAnswers(SharedServer server) {
        this.server = server;
        this.wire = new Wire(server);
    }

    public LogManager logManager() {
        return StandIn.of(LogManager.class, this);
    }

    public boolean getLog$default$2() {
        return false;
    }

    public Option<UnifiedLog> getLog(TopicPartition partition, boolean future) {
        if (future) {
            throw StandIn.unanswered("LogManager.getLog of a future log");
        }
        return localLog(partition);
    }

    public Option<UnifiedLog> getLog(TopicPartition partition) {
        return localLog(partition);
    }

    public boolean getOrCreateLog$default$2() {
        return false;
    }

    public boolean getOrCreateLog$default$3() {
        return false;
    }

    public Option<Uuid> getOrCreateLog$default$5() {
        return Option.empty();
    }

    public UnifiedLog getOrCreateLog(
            TopicPartition partition, boolean isNew, boolean future, Optional<Uuid> topicId, Option<Uuid> logDir) {
        return localLogOrException(partition);
    }

    public Option<UnifiedLog> localLog(TopicPartition partition) {
        return Option.apply(folder(partition).map(folder -> log(partition, folder)).orElse(null));
    }

    public UnifiedLog localLogOrException(TopicPartition partition) {
        return log(partition, folder(partition).orElseThrow(
            () -> new org.apache.kafka.common.errors.NotLeaderOrFollowerException("no log of " + partition)));
    }

    /** None of a broker that was stopped. */
    public Option<Partition> onlinePartition(TopicPartition partition) throws IOException {
        if (!server.node.isBrokerRunning()) {
            return Option.empty();
        }
        Optional<PartitionMetadata> found = wire.partition(partition);
        if (found.isEmpty() || folder(partition).isEmpty()) {
            return Option.empty();
        }
        return Option.apply(StandIn.of(Partition.class, new PartitionAnswers(partition, found.get())));
    }

    public HostedPartition<Partition> getPartition(TopicPartition partition) throws IOException {
        Option<Partition> online = onlinePartition(partition);
        return online.isEmpty() ? new HostedPartition.None<>() : new HostedPartition.Online<>(online.get());
    }

    public scala.collection.Seq<File> liveLogDirs() {
        return CollectionConverters.asScala(server.config().logDirs().stream()
            .map(dir -> new File(dir).getAbsoluteFile()).toList());
    }

    public MetadataCache metadataCache() {
        return StandIn.of(KRaftMetadataCache.class, new MetadataAnswers(server));
    }

    /** The broker does so by itself, every few seconds: until the files have what they should. */
    public void checkpointHighWatermarks() throws Exception {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!highWatermarks().equals(checkpointed())) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("high watermarks are " + highWatermarks() + ", and in the files "
                    + checkpointed());
            }
            Thread.sleep(100);
        }
    }

    private Map<TopicPartition, Long> highWatermarks() throws IOException {
        Map<TopicPartition, Long> found = new HashMap<>();
        for (MetadataResponse.TopicMetadata topic : wire.topics().values()) {
            for (PartitionMetadata partition : topic.partitionMetadata()) {
                if (partition.replicaIds.contains(server.node.id)) {
                    found.put(partition.topicPartition, wire.highWatermark(partition.topicPartition));
                }
            }
        }
        return found;
    }

    private Map<TopicPartition, Long> checkpointed() throws IOException {
        Map<TopicPartition, Long> found = new HashMap<>();
        for (String dir : server.config().logDirs()) {
            found.putAll(new OffsetCheckpointFile(new File(dir, "replication-offset-checkpoint"), null).read());
        }
        return found;
    }

    public boolean isLogDirOnline(String dir) throws IOException {
        return wire.logDirs().get(dir) == Errors.NONE;
    }

    public ProducerStateManagerConfig producerStateManagerConfig() {
        return StandIn.of(ProducerStateManagerConfig.class, new Object() {
            public int producerIdExpirationMs() throws IOException {
                return Integer.parseInt(wire.brokerConfig().get("producer.id.expiration.ms"));
            }
        });
    }

    /** A broker has a new partition before that has its folder, and one that goes to another log dir is in neither for a moment. */
    private Optional<File> folder(TopicPartition partition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        Optional<File> found = folderNow(partition);
        while (found.isEmpty() && hasLog(partition) && System.nanoTime() < deadline) {
            found = folderNow(partition);
        }
        return found;
    }

    private Optional<File> folderNow(TopicPartition partition) {
        return server.config().logDirs().stream()
            .map(dir -> new File(dir, partition.toString()).getAbsoluteFile()).filter(File::isDirectory).findFirst();
    }

    /** Whether the broker answers for a log, which it then has made. */
    private boolean hasLog(TopicPartition partition) {
        if (!server.node.isBrokerRunning() || server.plainListener().isEmpty()) {
            return false;
        }
        try {
            wire.offset(partition, ListOffsetsRequest.LATEST_TIMESTAMP);
            return true;
        } catch (IOException | ApiException none) {
            return false;
        }
    }

    private UnifiedLog log(TopicPartition partition, File folder) {
        return StandIn.of(UnifiedLog.class, new OneLog(partition, folder));
    }

    /** Answers for one partition. */
    public final class PartitionAnswers {
        private final TopicPartition partition;
        private final PartitionMetadata metadata;

        PartitionAnswers(TopicPartition partition, PartitionMetadata metadata) {
            this.partition = partition;
            this.metadata = metadata;
        }

        public Option<UnifiedLog> leaderLogIfLocal() {
            return leads() ? localLog(partition) : Option.empty();
        }

        public Option<Object> leaderIdIfLocal() {
            return leads() ? Option.apply(server.node.id) : Option.empty();
        }

        public Option<Object> leaderReplicaIdOpt() {
            return Option.apply(metadata.leaderId.orElse(null));
        }

        public int getLeaderEpoch() {
            return metadata.leaderEpoch.orElse(-1);
        }

        @SuppressWarnings("unchecked")
        public scala.collection.immutable.Set<Object> inSyncReplicaIds() {
            return CollectionConverters.asScala(Set.<Object>copyOf(metadata.inSyncReplicaIds)).toSet();
        }

        private boolean leads() {
            return metadata.leaderId.equals(Optional.of(server.node.id));
        }
    }

    /** Answers for one log. */
    public final class OneLog {
        private final TopicPartition partition;
        private final File folder;

        OneLog(TopicPartition partition, File folder) {
            this.partition = partition;
            this.folder = folder;
        }

        public File dir() {
            return folder;
        }

        public String parentDir() {
            return folder.getParent();
        }

        public TopicPartition topicPartition() {
            return partition;
        }

        public long logEndOffset() throws IOException {
            return wire.offset(partition, ListOffsetsRequest.LATEST_TIMESTAMP);
        }

        public long highWatermark() throws IOException {
            return wire.highWatermark(partition);
        }

        public long logStartOffset() throws IOException {
            return wire.offset(partition, ListOffsetsRequest.EARLIEST_TIMESTAMP);
        }

        /** What a test appends to a log goes through the broker, which flushes when it wants to. */
        public LogAppendInfo appendAsLeader(MemoryRecords records, int leaderEpoch) throws IOException {
            wire.produce(partition, records);
            return null;
        }

        public void flush(boolean includingTheActiveSegment) {
        }

        public long updateHighWatermark(long offset) throws IOException {
            return highWatermark();
        }

        public boolean maybeIncrementLogStartOffset(long offset, LogStartOffsetIncrementReason reason)
                throws IOException {
            boolean isMore = offset > logStartOffset();
            wire.deleteRecords(partition, offset);
            return isMore;
        }

        /** The broker does so by itself. */
        public int deleteOldSegments() {
            return 0;
        }

        public OffsetResultHolder fetchOffsetByTimestamp(long timestamp, Optional<AsyncOffsetReader> remote)
                throws IOException {
            var found = wire.offsetAndTimestamp(partition, timestamp);
            return new OffsetResultHolder(found.offset() < 0 ? Optional.empty() : Optional.of(
                new FileRecords.TimestampAndOffset(found.timestamp(), found.offset(), Optional.of(found.leaderEpoch()))));
        }

        public LogConfig config() throws IOException {
            Map<String, String> configs = wire.topicConfig(partition.topic());
            configs.values().removeIf(Objects::isNull);
            return new LogConfig(configs);
        }

        public int numberOfSegments() {
            return logSegments().size();
        }

        public List<LogSegment> logSegments() {
            return Stream.of(folder.listFiles((dir, name) -> name.endsWith(".log"))).sorted()
                .map(file -> StandIn.of(LogSegment.class, new OneSegment(file))).toList();
        }
    }

    /** Answers for one segment. */
    public static final class OneSegment {
        private final File file;

        OneSegment(File file) {
            this.file = file;
        }

        public int size() {
            return (int) file.length();
        }

        public FileRecords log() throws IOException {
            return FileRecords.open(file, false);
        }

        /** All of it from an offset on, or null if it ends before. */
        public FetchDataInfo read(long offset, int maxBytes) throws IOException {
            FileRecords all = log();
            for (var batch : all.batches()) {
                if (batch.lastOffset() >= offset) {
                    return new FetchDataInfo(new LogOffsetMetadata(offset), all.slice(batch.position(), maxBytes));
                }
            }
            return null;
        }
    }
}
