package kafka.server;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;

import kafka.coordinator.transaction.TransactionCoordinator;
import kafka.log.LogManager;
import kafka.network.SocketServer;
import kafka.raft.KafkaRaftManager;
import kafka.server.metadata.BrokerMetadataPublisher;

import org.apache.kafka.common.internals.Plugin;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.security.token.delegation.internals.DelegationTokenCache;
import org.apache.kafka.coordinator.group.Group;
import org.apache.kafka.coordinator.group.GroupConfigManager;
import org.apache.kafka.coordinator.group.GroupCoordinator;
import org.apache.kafka.image.publisher.MetadataPublisher;
import org.apache.kafka.metadata.BrokerState;
import org.apache.kafka.metadata.KRaftMetadataCache;
import org.apache.kafka.metadata.MetadataCache;
import org.apache.kafka.security.CredentialProvider;
import org.apache.kafka.server.BrokerLifecycleManager;
import org.apache.kafka.server.authorizer.Authorizer;
import org.apache.kafka.server.common.ApiMessageAndVersion;
import org.apache.kafka.server.common.NodeToControllerChannelManager;
import org.apache.kafka.server.config.ConfigType;
import org.apache.kafka.server.log.remote.storage.RemoteLogManager;
import org.apache.kafka.server.metrics.KafkaMetricsGroup;
import org.apache.kafka.server.metrics.KafkaYammerMetrics;
import org.apache.kafka.server.metrics.LinuxIoMetricsCollector;
import org.apache.kafka.server.util.Scheduler;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

import ottla.suite.LogAnswers;
import ottla.suite.MetadataAnswers;
import ottla.suite.Node;
import ottla.suite.StandIn;
import ottla.suite.Wire;

import scala.Option;

/** In place of Kafka's class of this name: a broker in a process of its own. */
public class BrokerServer implements KafkaBroker {
    private final SharedServer shared;
    private final LogAnswers logs;
    private volatile boolean wasStopped;

    public BrokerServer(SharedServer shared) {
        this.shared = shared;
        this.logs = new LogAnswers(shared);
        shared.cluster.brokers.put(shared.node.id, shared);
    }

    @Override
    public void startup() {
        try {
            shared.node.start();
        } catch (Exception error) {
            throw new IllegalStateException(error.getMessage(), error);
        }
    }

    @Override
    public void shutdown(Duration limit) {
        wasStopped = true;
        try {
            shared.node.stopBroker(limit);
        } catch (Exception error) {
            throw new IllegalStateException(error.getMessage(), error);
        }
    }

    @Override
    public void shutdown() {
        shutdown(Node.STOP_LIMIT);
    }

    @Override
    public void awaitShutdown() {
    }

    @Override
    public boolean isShutdown() {
        return !shared.node.isBrokerRunning();
    }

    @Override
    public BrokerState brokerState() {
        if (shared.node.isBrokerRunning()) {
            return BrokerState.RUNNING;
        }
        return wasStopped ? BrokerState.SHUTTING_DOWN : BrokerState.NOT_RUNNING;
    }

    @Override
    public String clusterId() {
        return shared.cluster.id;
    }

    @Override
    public KafkaConfig config() {
        return shared.config();
    }

    public SharedServer sharedServer() {
        return shared;
    }

    @Override
    public int boundPort(ListenerName listener) {
        return shared.node.port(listener.value());
    }

    @Override
    public SocketServer socketServer() {
        return StandIn.of(SocketServer.class, new Object() {
            public int boundPort(ListenerName listener) {
                return shared.node.port(listener.value());
            }
        });
    }

    @Override
    public KRaftMetadataCache metadataCache() {
        return StandIn.of(KRaftMetadataCache.class, new MetadataAnswers(shared));
    }

    @Override
    public LogManager logManager() {
        return StandIn.of(LogManager.class, logs);
    }

    @Override
    public ReplicaManager replicaManager() {
        return StandIn.of(ReplicaManager.class, logs);
    }

    @Override
    public KafkaApis dataPlaneRequestProcessor() {
        return StandIn.of(KafkaApis.class, new Object() {
            public MetadataCache metadataCache() {
                return BrokerServer.this.metadataCache();
            }

            public String clusterId() {
                return shared.cluster.id;
            }

            public int brokerId() {
                return shared.node.id;
            }

            public boolean isConsumerGroupProtocolEnabled() throws java.io.IOException {
                Wire wire = new Wire(shared);
                return config().groupCoordinatorRebalanceProtocols().contains(Group.GroupType.CONSUMER)
                    && wire.finalizedFeature("group.version") > 0
                    && wire.serves(ApiKeys.CONSUMER_GROUP_HEARTBEAT);
            }
        });
    }

    @Override
    public GroupCoordinator groupCoordinator() {
        return StandIn.of(GroupCoordinator.class, new Object() {
            public Properties groupMetadataTopicConfigs() {
                Properties configs = new Properties();
                configs.put("cleanup.policy", "compact");
                configs.put("compression.type", "producer");
                configs.put("segment.bytes", config().getInt("offsets.topic.segment.bytes").toString());
                return configs;
            }
        });
    }

    @Override
    public Option<Plugin<Authorizer>> authorizerPlugin() {
        if (config().originals().containsKey("authorizer.class.name")) {
            throw StandIn.unanswered("BrokerServer.authorizerPlugin");
        }
        return Option.empty();
    }

    @Override
    public Option<RemoteLogManager> remoteLogManagerOpt() {
        throw StandIn.unanswered("BrokerServer.remoteLogManagerOpt");
    }

    @Override
    public KafkaRequestHandlerPool dataPlaneRequestHandlerPool() {
        throw StandIn.unanswered("BrokerServer.dataPlaneRequestHandlerPool");
    }

    @Override
    public Scheduler kafkaScheduler() {
        throw StandIn.unanswered("BrokerServer.kafkaScheduler");
    }

    @Override
    public KafkaYammerMetrics kafkaYammerMetrics() {
        throw StandIn.unanswered("BrokerServer.kafkaYammerMetrics");
    }

    @Override
    public LogDirFailureChannel logDirFailureChannel() {
        throw StandIn.unanswered("BrokerServer.logDirFailureChannel");
    }

    @Override
    public Metrics metrics() {
        throw StandIn.unanswered("BrokerServer.metrics");
    }

    @Override
    public QuotaFactory.QuotaManagers quotaManagers() {
        throw StandIn.unanswered("BrokerServer.quotaManagers");
    }

    @Override
    public BrokerTopicStats brokerTopicStats() {
        throw StandIn.unanswered("BrokerServer.brokerTopicStats");
    }

    @Override
    public CredentialProvider credentialProvider() {
        throw StandIn.unanswered("BrokerServer.credentialProvider");
    }

    @Override
    public NodeToControllerChannelManager clientToControllerChannelManager() {
        throw StandIn.unanswered("BrokerServer.clientToControllerChannelManager");
    }

    @Override
    public DelegationTokenCache tokenCache() {
        throw StandIn.unanswered("BrokerServer.tokenCache");
    }

    @Override
    public BrokerLifecycleManager lifecycleManager() {
        return StandIn.of(BrokerLifecycleManager.class, new Object() {
            /** A start waits for it. */
            public CompletableFuture<Void> initialUnfenceFuture() {
                return CompletableFuture.completedFuture(null);
            }
        });
    }

    public BrokerMetadataPublisher brokerMetadataPublisher() {
        throw StandIn.unanswered("BrokerServer.brokerMetadataPublisher");
    }

    public scala.collection.Map<ConfigType, ConfigHandler> dynamicConfigHandlers() {
        throw StandIn.unanswered("BrokerServer.dynamicConfigHandlers");
    }

    public GroupConfigManager groupConfigManager() {
        throw StandIn.unanswered("BrokerServer.groupConfigManager");
    }

    public List<MetadataPublisher> metadataPublishers() {
        throw StandIn.unanswered("BrokerServer.metadataPublishers");
    }

    public KafkaRaftManager<ApiMessageAndVersion> raftManager() {
        return shared.raftManager();
    }

    public TransactionCoordinator transactionCoordinator() {
        throw StandIn.unanswered("BrokerServer.transactionCoordinator");
    }

    // What Scala makes of the fields of the trait and of its logging.

    @Override
    public String logIdent() {
        return "";
    }

    @Override
    public void logIdent_$eq(String ident) {
    }

    @Override
    public int NumFetchSessionCacheShards() {
        throw StandIn.unanswered("BrokerServer.NumFetchSessionCacheShards");
    }

    @Override
    public void kafka$server$KafkaBroker$_setter_$NumFetchSessionCacheShards_$eq(int shards) {
    }

    @Override
    public KafkaMetricsGroup kafka$server$KafkaBroker$$metricsGroup() {
        throw StandIn.unanswered("BrokerServer.metricsGroup");
    }

    @Override
    public void kafka$server$KafkaBroker$_setter_$kafka$server$KafkaBroker$$metricsGroup_$eq(KafkaMetricsGroup group) {
    }

    @Override
    public LinuxIoMetricsCollector kafka$server$KafkaBroker$$linuxIoMetricsCollector() {
        throw StandIn.unanswered("BrokerServer.linuxIoMetricsCollector");
    }

    @Override
    public void kafka$server$KafkaBroker$_setter_$kafka$server$KafkaBroker$$linuxIoMetricsCollector_$eq(
            LinuxIoMetricsCollector collector) {
    }
}
