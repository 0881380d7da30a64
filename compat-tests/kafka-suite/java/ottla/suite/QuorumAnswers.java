package ottla.suite;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

import kafka.server.SharedServer;

import org.apache.kafka.raft.KafkaRaftClient;
import org.apache.kafka.raft.LeaderAndEpoch;
import org.apache.kafka.raft.LogOffsetMetadata;
import org.apache.kafka.raft.RaftLog;
import org.apache.kafka.server.common.OffsetAndEpoch;
import org.apache.kafka.snapshot.FileRawSnapshotReader;
import org.apache.kafka.snapshot.RawSnapshotReader;
import org.apache.kafka.snapshot.SnapshotPath;
import org.apache.kafka.snapshot.Snapshots;

/** What a node's raft manager, its log of the metadata and its metadata loader are asked. */
public final class QuorumAnswers {
    private final SharedServer server;

    public QuorumAnswers(SharedServer server) {
        this.server = server;
    }

    private Wire.Quorum quorum() throws IOException {
        return server.cluster.quorum();
    }

    /** Of the replica, as the leader knows it: of one that follows what it has fetched. */
    private long logEndOffset() throws IOException {
        return quorum().endOffsets().getOrDefault(server.cluster.processOf(server).id, 0L);
    }

    private Path metadataFolder() {
        return Path.of(server.config().metadataLogDir(), "__cluster_metadata-0");
    }

    public RaftLog raftLog() {
        return StandIn.of(RaftLog.class, new Object() {
            public LogOffsetMetadata endOffset() throws IOException {
                return new LogOffsetMetadata(logEndOffset());
            }

            public Optional<OffsetAndEpoch> latestSnapshotId() throws IOException {
                try (Stream<Path> files = Files.list(metadataFolder())) {
                    return files.map(Snapshots::parse).flatMap(Optional::stream)
                        .filter(file -> !file.partial() && !file.deleted()).map(SnapshotPath::snapshotId)
                        .filter(id -> id.offset() > 0).max(Comparator.naturalOrder());
                }
            }

            public Optional<RawSnapshotReader> latestSnapshot() throws IOException {
                return latestSnapshotId().map(id -> FileRawSnapshotReader.open(metadataFolder(), id));
            }
        });
    }

    public long lastAppliedOffset() throws IOException {
        return logEndOffset() - 1;
    }

    @SuppressWarnings("unchecked")
    public KafkaRaftClient<?> client() {
        return StandIn.of(KafkaRaftClient.class, new Object() {
            public LeaderAndEpoch leaderAndEpoch() throws IOException {
                Wire.Quorum quorum = quorum();
                return new LeaderAndEpoch(OptionalInt.of(quorum.leader()), quorum.epoch());
            }

            public CompletableFuture<Void> shutdown(int limitMs) {
                server.node.stop(Duration.ofMillis(limitMs));
                return CompletableFuture.completedFuture(null);
            }
        });
    }

    /** Raft cannot end alone. */
    public void shutdown() {
        server.node.stop(Duration.ofMinutes(1));
    }
}
