package ottla.suite;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Stream;

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
    private Boolean isFolded;

    private Cluster(String id) {
        this.id = id;
    }

    public static Cluster of(String id) {
        return BY_ID.computeIfAbsent(id, Cluster::new);
    }

    /**
     * Whether the cluster is one broker and one controller that start as a single process. A framework that makes its nodes
     * one by one has started the first before the others are known: such nodes are never folded.
     */
    public synchronized boolean isFolded() {
        if (isFolded == null) {
            isFolded = Target.FOLDS && brokers.size() == 1 && controllers.size() == 1
                && !brokers.keySet().equals(controllers.keySet()) && theController().node.hasStaticVoters();
        }
        return isFolded;
    }

    SharedServer theController() {
        return controllers.values().iterator().next();
    }

    /** A node's own, or that of the broker into which a controller was folded. */
    Node processOf(SharedServer server) {
        return isFolded() ? brokers.values().iterator().next().node : server.node;
    }

    Stream<SharedServer> runningBrokers() {
        return brokers.values().stream().filter(broker -> broker.node.isBrokerRunning());
    }

    /** Whether it is Kafka's kit that stops a node, with all others: it does so on threads of its own. */
    static boolean isTestEnding() {
        return Thread.currentThread().getName().startsWith("kafka-cluster-test-kit-");
    }

    /** All brokers are told to end at the same time, and those without a controller of their own have to take leave of one. */
    void letBrokersEndFirst() throws InterruptedException {
        do {
            Thread.sleep(50);
        } while (brokers.values().stream().anyMatch(broker -> broker.node.isEndingBroker()));
    }

    /** As any node tells that is there, which asks the leader. */
    Wire.Quorum quorum() throws IOException {
        List<SharedServer> running = Stream.concat(
            runningBrokers(), controllers.values().stream().filter(server -> processOf(server).isRunning())).toList();
        IOException last = new IOException("no node is running");
        for (SharedServer server : running) {
            try {
                return new Wire(server).quorum();
            } catch (IOException next) {
                last = next;
            }
        }
        throw last;
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
}
