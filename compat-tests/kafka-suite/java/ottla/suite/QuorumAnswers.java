package ottla.suite;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;

import kafka.server.SharedServer;

import org.apache.kafka.raft.KafkaRaftClient;
import org.apache.kafka.raft.LeaderAndEpoch;
import org.apache.kafka.raft.LogOffsetMetadata;
import org.apache.kafka.raft.RaftLog;
import org.apache.kafka.server.common.OffsetAndEpoch;
import org.apache.kafka.snapshot.FileRawSnapshotReader;
import org.apache.kafka.snapshot.RawSnapshotReader;

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

    public RaftLog raftLog() {
        return StandIn.of(RaftLog.class, new Object() {
            public LogOffsetMetadata endOffset() throws IOException {
                return new LogOffsetMetadata(logEndOffset());
            }

            public Optional<OffsetAndEpoch> latestSnapshotId() throws IOException {
                return new MetadataFolder(server).latestSnapshot();
            }

            public Optional<RawSnapshotReader> latestSnapshot() throws IOException {
                MetadataFolder folder = new MetadataFolder(server);
                return folder.latestSnapshot().map(id -> FileRawSnapshotReader.open(folder.path, id));
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
        server.node.stop(Node.STOP_LIMIT);
    }
}
