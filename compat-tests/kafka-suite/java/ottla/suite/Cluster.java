package ottla.suite;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

import kafka.server.SharedServer;

import org.apache.kafka.common.metadata.FeatureLevelRecord;
import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.Feature;
import org.apache.kafka.server.common.MetadataVersion;

/** The nodes that a test has made with one cluster id. */
public final class Cluster {
    private static final Map<String, Cluster> BY_ID = new ConcurrentHashMap<>();

    public final String id;
    public final Map<Integer, SharedServer> brokers = new ConcurrentSkipListMap<>();
    public final Map<Integer, SharedServer> controllers = new ConcurrentSkipListMap<>();

    /** Folders that have the metadata of a folded node: a test may make its broker anew over the same ones. */
    final Set<String> formatted = ConcurrentHashMap.newKeySet();

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

    /**
     * The first records of the metadata: the test's version, or the latest that is released, with the test's features.
     * A test that names none gets this version's. One that names some has no record of those that it turned off.
     */
    public void bootstrapWith(BootstrapMetadata records) {
        MetadataVersion latest = MetadataVersion.latestProduction();
        MetadataVersion version = records.metadataVersion().compareTo(latest) > 0 ? latest : records.metadataVersion();
        Map<String, Short> levels = new HashMap<>();
        for (ApiMessageAndVersion record : records.records()) {
            if (record.message() instanceof FeatureLevelRecord feature) {
                levels.put(feature.name(), feature.featureLevel());
            }
        }
        levels.remove(MetadataVersion.FEATURE_NAME);
        if (levels.isEmpty()) {
            for (Feature feature : Feature.PRODUCTION_FEATURES) {
                if (feature != Feature.KRAFT_VERSION && feature.defaultLevel(version) > 0) {
                    levels.put(feature.featureName(), feature.defaultLevel(version));
                }
            }
        }
        bootstrap = BootstrapMetadata.fromVersions(version, levels, "the test");
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
