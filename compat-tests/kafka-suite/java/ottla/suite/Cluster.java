package ottla.suite;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

import kafka.server.SharedServer;

import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.server.common.MetadataVersion;

/** The nodes that a test has made with one cluster id. */
public final class Cluster {
    private static final Map<String, Cluster> BY_ID = new ConcurrentHashMap<>();

    public final String id;
    public final Map<Integer, SharedServer> brokers = new ConcurrentSkipListMap<>();
    public final Map<Integer, SharedServer> controllers = new ConcurrentSkipListMap<>();

    private BootstrapMetadata bootstrap;

    private Cluster(String id) {
        this.id = id;
    }

    public static Cluster of(String id) {
        return BY_ID.computeIfAbsent(id, Cluster::new);
    }

    /** The process that has the controller with this id: its own, or the broker's into which it was folded. */
    public Node processOfController(int id) {
        if (Target.FOLDS && !brokers.isEmpty()) {
            return brokers.values().iterator().next().node;
        }
        return controllers.get(id).node;
    }

    /** The first records of the metadata: its version and features, and no version that is not released yet. */
    public void bootstrapWith(BootstrapMetadata records) {
        boolean unreleased = records.metadataVersion().compareTo(MetadataVersion.latestProduction()) > 0;
        bootstrap = unreleased ? records.copyWithFeatureRecord(
            MetadataVersion.FEATURE_NAME, MetadataVersion.latestProduction().featureLevel()) : records;
    }

    BootstrapMetadata bootstrap() {
        return bootstrap;
    }

    void refuseSeveralNodes() {
        if (Target.FOLDS && (brokers.size() > 1 || controllers.size() > 1)) {
            throw new NeedsMoreNodes(brokers.size(), controllers.size());
        }
    }
}
