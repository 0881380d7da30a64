package kafka.server;

import java.net.InetSocketAddress;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

import kafka.raft.KafkaRaftManager;

import org.apache.kafka.common.Endpoint;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.controller.metrics.ControllerMetadataMetrics;
import org.apache.kafka.image.loader.MetadataLoader;
import org.apache.kafka.image.publisher.SnapshotEmitter;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.server.ServerSocketFactory;
import org.apache.kafka.server.common.ApiMessageAndVersion;

import ottla.suite.Cluster;
import ottla.suite.Node;
import ottla.suite.QuorumAnswers;
import ottla.suite.StandIn;

import scala.jdk.javaapi.CollectionConverters;

/** In place of Kafka's class of this name: what a test configured for a node, and the process that runs it. */
public class SharedServer {
    public final ServerSocketFactory socketFactory;
    public final CompletableFuture<Map<Integer, InetSocketAddress>> controllerQuorumVotersFuture;
    public final Cluster cluster;
    public final Node node;
    private final KafkaConfig config;
    private final MetaPropertiesEnsemble folders;

    public SharedServer(
            KafkaConfig config, MetaPropertiesEnsemble folders, Time time, Metrics metrics,
            CompletableFuture<Map<Integer, InetSocketAddress>> voters, Collection<InetSocketAddress> bootstrap,
            FaultHandlerFactory faults, ServerSocketFactory sockets) {
        this.config = config;
        this.folders = folders;
        this.controllerQuorumVotersFuture = voters;
        this.socketFactory = sockets;
        this.cluster = Cluster.of(folders.clusterId().orElseThrow());
        this.node = new Node(this);
    }

    public KafkaConfig config() {
        return config;
    }

    public KafkaConfig controllerConfig() {
        return config;
    }

    public MetaPropertiesEnsemble metaPropsEnsemble() {
        return folders;
    }

    /** The node's first listener without TLS and SASL, over which look-ups go: a broker's own, not the controller's. */
    public Optional<String> plainListener() {
        var listeners = node.isBroker() && !node.hasLostItsBroker() ? config.dataPlaneListeners() : config.controllerListeners();
        return CollectionConverters.asJava(listeners).stream()
            .filter(endpoint -> endpoint.securityProtocol() == SecurityProtocol.PLAINTEXT)
            .map(Endpoint::listener).findFirst();
    }

    @SuppressWarnings("unchecked")
    public KafkaRaftManager<ApiMessageAndVersion> raftManager() {
        return StandIn.of(KafkaRaftManager.class, new QuorumAnswers(this));
    }

    public MetadataLoader loader() {
        return StandIn.of(MetadataLoader.class, new QuorumAnswers(this));
    }

    public SnapshotEmitter snapshotEmitter() {
        throw StandIn.unanswered("SharedServer.snapshotEmitter");
    }

    public ControllerMetadataMetrics controllerServerMetrics() {
        throw StandIn.unanswered("SharedServer.controllerServerMetrics");
    }

    public void stopForBroker() {
    }

    public void stopForController() {
    }
}
