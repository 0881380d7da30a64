package kafka.server;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

import kafka.network.SocketServer;
import kafka.raft.KafkaRaftManager;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.internals.Plugin;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.controller.Controller;
import org.apache.kafka.controller.ControllerRequestContext;
import org.apache.kafka.controller.ResultOrError;
import org.apache.kafka.controller.metrics.QuorumControllerMetrics;
import org.apache.kafka.image.publisher.ControllerRegistrationsPublisher;
import org.apache.kafka.metadata.KafkaConfigSchema;
import org.apache.kafka.metadata.bootstrap.BootstrapMetadata;
import org.apache.kafka.server.authorizer.Authorizer;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.metrics.KafkaYammerMetrics;

import ottla.suite.Node;
import ottla.suite.StandIn;
import ottla.suite.Target;
import ottla.suite.Wire;

import scala.Option;

/** In place of Kafka's class of this name: a controller in a process of its own, or in its broker's. */
public class ControllerServer {
    private final SharedServer shared;
    private final CompletableFuture<Integer> firstPort = new CompletableFuture<>();

    public ControllerServer(SharedServer shared, KafkaConfigSchema schema, BootstrapMetadata bootstrap) {
        this.shared = shared;
        shared.cluster.controllers.put(shared.node.id, shared);
        shared.cluster.bootstrapWith(bootstrap);
    }

    public void startup() {
        try {
            shared.node.bind();
            firstPort.complete(shared.node.port(shared.config().controllerListeners().head().listener()));
            if (!shared.node.isBroker() && !Target.FOLDS) {
                shared.node.start();
            }
        } catch (Exception error) {
            firstPort.completeExceptionally(error);
            throw new IllegalStateException(error);
        }
    }

    public void shutdown() {
        shared.node.stop(Duration.ofMinutes(1));
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
        return StandIn.of(Controller.class, new Answers());
    }

    /** What the quorum controller is asked, answered by a broker. */
    public final class Answers {
        private Optional<Wire> anyBroker() {
            return shared.cluster.brokers.values().stream()
                .filter(broker -> broker.node.isRunning()).findFirst().map(Wire::new);
        }

        public boolean isActive() {
            Node node = shared.cluster.processOfController(shared.node.id);
            return node.isRunning();
        }

        public CompletableFuture<Void> waitForReadyBrokers(int count) {
            long deadline = System.nanoTime() + Duration.ofMinutes(1).toNanos();
            while (System.nanoTime() < deadline) {
                try {
                    if (anyBroker().isPresent() && anyBroker().get().aliveBrokers().size() >= count) {
                        return CompletableFuture.completedFuture(null);
                    }
                    Thread.sleep(20);
                } catch (Exception notYet) {
                    // Asked again.
                }
            }
            throw new IllegalStateException("fewer than " + count + " brokers are alive after a minute");
        }

        public CompletableFuture<Map<String, ResultOrError<Uuid>>> findTopicIds(
                ControllerRequestContext context, Collection<String> names) throws Exception {
            Map<String, Uuid> all = findAllTopicIds(context).get();
            Map<String, ResultOrError<Uuid>> ids = new HashMap<>();
            names.forEach(name -> ids.put(name, all.containsKey(name) ? new ResultOrError<>(all.get(name))
                : new ResultOrError<>(Errors.UNKNOWN_TOPIC_OR_PARTITION, null)));
            return CompletableFuture.completedFuture(ids);
        }

        public CompletableFuture<Map<String, Uuid>> findAllTopicIds(ControllerRequestContext context) throws Exception {
            Map<String, Uuid> ids = new HashMap<>();
            anyBroker().orElseThrow().topics().forEach((name, topic) -> ids.put(name, topic.topicId()));
            return CompletableFuture.completedFuture(ids);
        }
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
        throw StandIn.unanswered("ControllerServer.registrationsPublisher");
    }
}
