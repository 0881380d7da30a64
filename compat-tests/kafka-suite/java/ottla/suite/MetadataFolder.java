package ottla.suite;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

import kafka.server.SharedServer;

import org.apache.kafka.image.MetadataDelta;
import org.apache.kafka.image.MetadataImage;
import org.apache.kafka.image.MetadataProvenance;
import org.apache.kafka.metadata.util.BatchFileReader;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.OffsetAndEpoch;
import org.apache.kafka.snapshot.SnapshotPath;
import org.apache.kafka.snapshot.Snapshots;

/** A node's copy of the metadata log, as the process writes it. */
final class MetadataFolder {
    final Path path;

    MetadataFolder(SharedServer server) {
        this.path = Path.of(server.config().metadataLogDir(), "__cluster_metadata-0");
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
    MetadataImage image() throws Exception {
        MetadataDelta delta = new MetadataDelta.Builder().build();
        Optional<OffsetAndEpoch> snapshot = latestSnapshot();
        if (snapshot.isPresent()) {
            replay(Snapshots.snapshotPath(path, snapshot.get()), 0, delta);
            delta.finishSnapshot();
        }
        for (Path segment : files(".log")) {
            replay(segment, snapshot.map(OffsetAndEpoch::offset).orElse(0L), delta);
        }
        return delta.apply(MetadataProvenance.EMPTY);
    }

    private static void replay(Path file, long from, MetadataDelta delta) throws Exception {
        try (BatchFileReader reader = new BatchFileReader.Builder().setPath(file.toString()).build()) {
            while (reader.hasNext()) {
                BatchFileReader.BatchAndType next = reader.next();
                if (!next.isControl() && next.batch().baseOffset() >= from) {
                    for (ApiMessageAndVersion record : next.batch().records()) {
                        delta.replay(record.message());
                    }
                }
            }
        }
    }
}
