package ottla.suite;

import java.lang.reflect.Field;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

import com.yammer.metrics.core.Meter;
import com.yammer.metrics.core.Metric;
import com.yammer.metrics.core.MetricName;
import com.yammer.metrics.core.MetricsRegistry;

import kafka.server.SharedServer;

import org.apache.kafka.common.metadata.PartitionChangeRecord;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.apache.kafka.server.metrics.KafkaYammerMetrics;

/** Metrics of a controller that tests look up in their own JVM. */
public final class Meters {
    private Meters() {
    }

    /** Counts the elections that the log of the metadata says were unclean. */
    @SuppressWarnings("unchecked")
    public static void register(SharedServer controller) {
        Meter meter = StandIn.of(Meter.class, new Object() {
            public long count() throws Exception {
                AtomicLong count = new AtomicLong();
                new MetadataFolder(controller).forEach(record -> {
                    if (record instanceof PartitionChangeRecord change
                            && change.leaderRecoveryState() == LeaderRecoveryState.RECOVERING.value()) {
                        count.incrementAndGet();
                    }
                });
                return count.get();
            }

            public void stop() {
            }
        });
        try {
            Field metrics = MetricsRegistry.class.getDeclaredField("metrics");
            metrics.setAccessible(true);
            ((Map<MetricName, Metric>) metrics.get(KafkaYammerMetrics.defaultRegistry())).put(
                new MetricName("kafka.controller", "ControllerStats", "UncleanLeaderElectionsPerSec"), meter);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }
}
