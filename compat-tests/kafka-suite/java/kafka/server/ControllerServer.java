package kafka.server;

import java.util.Map;
import java.util.concurrent.CompletableFuture;

import kafka.network.SocketServer;
import kafka.raft.KafkaRaftManager;

import org.apache.kafka.common.internals.Plugin;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.controller.Controller;
import org.apache.kafka.controller.QuorumController;
import org.apache.kafka.controller.metrics.QuorumControllerMetrics;
import org.apache.kafka.image.publisher.ControllerRegistrationsPublisher;
import org.apache.kafka.metadata.ControllerRegistration;
import org.apache.kafka.metadata.KafkaConfigSchema;
import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.server.authorizer.Authorizer;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.metrics.KafkaYammerMetrics;

import ottla.suite.ControllerAnswers;
import ottla.suite.MetadataFolder;
import ottla.suite.Meters;
import ottla.suite.Node;
import ottla.suite.StandIn;

import scala.Option;

/** In place of Kafka's class of this name: a controller in a process of its own, or in its broker's. */
public class ControllerServer {
    private final SharedServer shared;
    private final CompletableFuture<Integer> firstPort = new CompletableFuture<>();

    public ControllerServer(SharedServer shared, KafkaConfigSchema schema, BootstrapMetadata bootstrap) {
        this.shared = shared;
        shared.cluster.controllers.put(shared.node.id, shared);
        shared.cluster.bootstrapWith(bootstrap);
        Meters.register(shared);
    }

    public void startup() {
        try {
            shared.node.bind();
            firstPort.complete(shared.node.port(shared.config().controllerListeners().head().listener()));
            if (!shared.node.isBroker() && !shared.cluster.isFolded()) {
                shared.node.start();
            }
        } catch (Exception error) {
            firstPort.completeExceptionally(error);
            throw new IllegalStateException(error);
        }
    }

    public void shutdown() {
        shared.node.stop(Node.STOP_LIMIT);
    }

    public void awaitShutdown() {
    }

    public CompletableFuture<Integer> socketServerFirstBoundPortFuture() {
        return firstPort;
    }

    public KafkaConfig config() {
        return shared.config();
    }

    public SharedServer sharedServer() {
        return shared;
    }

    public String clusterId() {
        return shared.cluster.id;
    }

    public KafkaRaftManager<ApiMessageAndVersion> raftManager() {
        return shared.raftManager();
    }

    public SocketServer socketServer() {
        return StandIn.of(SocketServer.class, new Object() {
            public int boundPort(ListenerName listener) {
                return shared.node.port(listener.value());
            }
        });
    }

    public Option<Plugin<Authorizer>> authorizerPlugin() {
        if (config().originals().containsKey("authorizer.class.name")) {
            throw StandIn.unanswered("ControllerServer.authorizerPlugin");
        }
        return Option.empty();
    }

    public Controller controller() {
        return StandIn.of(QuorumController.class, new ControllerAnswers(shared));
    }

    public KafkaRequestHandlerPool controllerApisHandlerPool() {
        throw StandIn.unanswered("ControllerServer.controllerApisHandlerPool");
    }

    public KafkaYammerMetrics kafkaYammerMetrics() {
        throw StandIn.unanswered("ControllerServer.kafkaYammerMetrics");
    }

    public Metrics metrics() {
        throw StandIn.unanswered("ControllerServer.metrics");
    }

    public QuorumControllerMetrics quorumControllerMetrics() {
        throw StandIn.unanswered("ControllerServer.quorumControllerMetrics");
    }

    public QuotaFactory.QuotaManagers quotaManagers() {
        throw StandIn.unanswered("ControllerServer.quotaManagers");
    }

    public ControllerRegistrationsPublisher registrationsPublisher() {
        return StandIn.of(ControllerRegistrationsPublisher.class, new Object() {
            public Map<Integer, ControllerRegistration> controllers() throws Exception {
                return new MetadataFolder(shared).image().cluster().controllers();
            }
        });
    }
}
