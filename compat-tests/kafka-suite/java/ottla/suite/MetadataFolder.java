package ottla.suite;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

import kafka.server.SharedServer;

import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;
import org.apache.kafka.metadata.util.BatchFileReader;
import org.apache.kafka.server.common.OffsetAndEpoch;
import org.apache.kafka.snapshot.SnapshotPath;
import org.apache.kafka.snapshot.Snapshots;

/** A node's copy of the metadata log, as the process writes it. */
public final class MetadataFolder {
    final Path path;

    public MetadataFolder(SharedServer server) {
        this.path = Path.of(server.config().metadataLogDir(), "__cluster_metadata-0");
    }

    boolean exists() {
        return Files.isDirectory(path);
    }

    private List<Path> files(String suffix) throws IOException {
        try (Stream<Path> files = Files.list(path)) {
            return files.filter(file -> file.toString().endsWith(suffix)).sorted().toList();
        }
    }

    /** The format's own snapshot of nothing does not count. */
    Optional<OffsetAndEpoch> latestSnapshot() throws IOException {
        return files(Snapshots.SUFFIX).stream().map(Snapshots::parse).flatMap(Optional::stream)
            .map(SnapshotPath::snapshotId).filter(id -> id.offset() > 0).max(Comparator.naturalOrder());
    }

    /** What the latest snapshot and the log come to. */
    public MetadataImage image() throws Exception {
        MetadataDelta delta = new MetadataDelta.Builder().build();
        Optional<OffsetAndEpoch> snapshot = latestSnapshot();
        if (snapshot.isPresent()) {
            forEach(Snapshots.snapshotPath(path, snapshot.get()), 0, delta::replay);
            delta.finishSnapshot();
        }
        for (Path segment : files(".log")) {
            forEach(segment, snapshot.map(OffsetAndEpoch::offset).orElse(0L), delta::replay);
        }
        return delta.apply(MetadataProvenance.EMPTY);
    }

    /** All records that the log still has. */
    void forEach(Consumer<ApiMessage> action) throws Exception {
        for (Path segment : files(".log")) {
            forEach(segment, 0, action);
        }
    }

    private static void forEach(Path file, long from, Consumer<ApiMessage> action) throws Exception {
        try (BatchFileReader reader = new BatchFileReader.Builder().setPath(file.toString()).build()) {
            while (reader.hasNext()) {
                BatchFileReader.BatchAndType next = reader.next();
                if (!next.isControl() && next.batch().baseOffset() >= from) {
                    next.batch().records().forEach(record -> action.accept(record.message()));
                }
            }
        }
    }
}
