package ottla.suite;

import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

import kafka.server.SharedServer;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.controller.ControllerRequestContext;
import org.apache.kafka.controller.ResultOrError;

/** What a quorum controller is asked. */
public final class ControllerAnswers {
    private final SharedServer server;

    public ControllerAnswers(SharedServer server) {
        this.server = server;
    }

    public int nodeId() {
        return server.node.id;
    }

    public boolean isActive() {
        Node node = server.cluster.processOf(server);
        try {
            return node.isRunning() && server.cluster.quorum().leader() == node.id;
        } catch (IOException none) {
            return false;
        }
    }

    public CompletableFuture<Void> waitForReadyBrokers(int count) {
        long deadline = System.nanoTime() + Duration.ofMinutes(1).toNanos();
        while (System.nanoTime() < deadline) {
            try {
                if (anyBroker().aliveBrokers().size() >= count) {
                    return CompletableFuture.completedFuture(null);
                }
                Thread.sleep(20);
            } catch (Exception notYet) {
                // Asked again.
            }
        }
        throw new IllegalStateException("fewer than " + count + " brokers are alive after a minute");
    }

    private Wire anyBroker() throws IOException {
        return server.cluster.runningBrokers().findFirst().map(Wire::new)
            .orElseThrow(() -> new IOException("no broker is running"));
    }

    public CompletableFuture<Map<String, ResultOrError<Uuid>>> findTopicIds(
            ControllerRequestContext context, Collection<String> names) throws Exception {
        Map<String, Uuid> all = findAllTopicIds(context).get();
        Map<String, ResultOrError<Uuid>> ids = new HashMap<>();
        names.forEach(name -> ids.put(name, all.containsKey(name) ? new ResultOrError<>(all.get(name))
            : new ResultOrError<>(Errors.UNKNOWN_TOPIC_OR_PARTITION, null)));
        return CompletableFuture.completedFuture(ids);
    }

    public CompletableFuture<Map<String, Uuid>> findAllTopicIds(ControllerRequestContext context) throws IOException {
        Map<String, Uuid> ids = new HashMap<>();
        anyBroker().topics().forEach((name, topic) -> ids.put(name, topic.topicId()));
        return CompletableFuture.completedFuture(ids);
    }
}
