package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.soon;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TopicListing;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Topics, configs, records and the cluster through the Java admin client. */
final class AdminCases {
    private AdminCases() {}

    static void createTopics(Support support) throws Exception {
        String topic = support.fresh("create");
        NewTopic wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "12345"));
        try (Admin admin = support.admin()) {
            get(admin.createTopics(List.of(wanted), new CreateTopicsOptions().validateOnly(true)).all());
            check(!listed(admin, topic), "validateOnly created the topic");
            CreateTopicsResult made = admin.createTopics(List.of(wanted));
            equal(3, get(made.numPartitions(topic)), "partitions");
            equal(1, get(made.replicationFactor(topic)), "replication factor");
            ConfigEntry retention = get(made.config(topic)).get("retention.ms");
            equal("12345", retention.value(), "retention.ms in the answer");
            equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, retention.source(), "its source");
            soon(get(made.topicId(topic)), () -> describe(admin, topic).topicId(), "topic id");
            String assigned = support.fresh("assigned");
            get(admin.createTopics(List.of(new NewTopic(assigned, Map.of(0, List.of(1), 1, List.of(1))))).all());
            soon(2, () -> describe(admin, assigned).partitions().size(), "partitions of a manual assignment");
        }
    }

    static void createTopicErrors(Support support) throws Exception {
        String topic = support.topic("exists", 1);
        try (Admin admin = support.admin()) {
            refused(admin, new NewTopic(topic, 1, (short) 1), TopicExistsException.class);
            refused(admin, new NewTopic("bad name", 1, (short) 1), InvalidTopicException.class);
            refused(admin, new NewTopic("..", 1, (short) 1), InvalidTopicException.class);
            refused(admin, new NewTopic(support.fresh("t"), 0, (short) 1), InvalidPartitionsException.class);
            refused(admin, new NewTopic(support.fresh("t"), 1, (short) 2), InvalidReplicationFactorException.class);
            refused(admin, new NewTopic(support.fresh("t"), 1, (short) 0), InvalidReplicationFactorException.class);
            refused(admin, new NewTopic(support.fresh("t"), Map.of(0, List.of(9))), InvalidReplicaAssignmentException.class);
            refused(admin, new NewTopic(support.fresh("t"), Map.of(1, List.of(1))), InvalidReplicaAssignmentException.class);
            NewTopic unknownConfig = new NewTopic(support.fresh("t"), 1, (short) 1).configs(Map.of("no.such", "1"));
            refused(admin, unknownConfig, InvalidConfigurationException.class);
            // One bad topic does not spoil the good one beside it.
            String good = support.fresh("good");
            CreateTopicsResult mixed =
                    admin.createTopics(List.of(new NewTopic(good, 1, (short) 1), new NewTopic(topic, 1, (short) 1)));
            get(mixed.values().get(good));
            fails(TopicExistsException.class, () -> get(mixed.values().get(topic)));
        }
    }

    private static void refused(Admin admin, NewTopic topic, Class<? extends Throwable> wanted) throws Exception {
        fails(wanted, () -> get(admin.createTopics(List.of(topic)).all()));
    }

    private static boolean listed(Admin admin, String topic) throws Exception {
        return get(admin.listTopics().names()).contains(topic);
    }

    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        return get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    static void describeTopics(Support support) throws Exception {
        String topic = support.topic("describe", 5);
        try (Admin admin = support.admin()) {
            soon(5, () -> describe(admin, topic).partitions().size(), "partitions");
            TopicDescription byName = describe(admin, topic);
            equal(false, byName.isInternal(), "internal");
            for (int i = 0; i < 5; i++) {
                TopicPartitionInfo partition = byName.partitions().get(i);
                equal(i, partition.partition(), "partition");
                equal(1, partition.leader().id(), "leader");
                equal(List.of(1), partition.replicas().stream().map(Node::id).toList(), "replicas");
                equal(List.of(1), partition.isr().stream().map(Node::id).toList(), "ISR");
            }
            // Two partitions an answer: the client must ask three times, each time with the cursor it was given.
            Map<String, TopicDescription> paged = get(admin.describeTopics(
                    List.of(topic), new DescribeTopicsOptions().partitionSizeLimitPerResponse(2)).allTopicNames());
            equal(byName, paged.get(topic), "description by pages");
            Uuid id = byName.topicId();
            TopicDescription byId = get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id);
            equal(List.of(topic, 5), List.of(byId.name(), byId.partitions().size()), "name and partitions by id");
            fails(UnknownTopicOrPartitionException.class, () -> describe(admin, support.fresh("missing")));
            Uuid random = Uuid.randomUuid();
            fails(UnknownTopicIdException.class,
                    () -> get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(random))).allTopicIds()));
            Map<String, TopicListing> listed = get(admin.listTopics().namesToListings());
            equal(id, listed.get(topic).topicId(), "topic id in the listing");
        }
    }

    static void deleteTopics(Support support) throws Exception {
        String first = support.topic("delete", 1);
        String second = support.topic("delete", 1);
        try (Admin admin = support.admin()) {
            Uuid id = describe(admin, second).topicId();
            get(admin.deleteTopics(List.of(first)).all());
            get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
            soon(false, () -> listed(admin, first) || listed(admin, second), "whether a deleted topic is listed");
            fails(UnknownTopicOrPartitionException.class, () -> get(admin.deleteTopics(List.of(first)).all()));
            fails(UnknownTopicIdException.class,
                    () -> get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all()));
        }
        support.topic("delete", 1);
    }

    static void createPartitions(Support support) throws Exception {
        String topic = support.topic("grow", 1);
        try (Admin admin = support.admin()) {
            Map<String, NewPartitions> grow = Map.of(topic, NewPartitions.increaseTo(3));
            get(admin.createPartitions(grow, new CreatePartitionsOptions().validateOnly(true)).all());
            equal(1, describe(admin, topic).partitions().size(), "partitions after validateOnly");
            get(admin.createPartitions(grow).all());
            soon(3, () -> describe(admin, topic).partitions().size(), "partitions");
            get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4, List.of(List.of(1))))).all());
            soon(4, () -> describe(admin, topic).partitions().size(), "partitions after an assignment");
            fails(InvalidPartitionsException.class, () -> get(admin.createPartitions(grow).all()));
            fails(InvalidReplicaAssignmentException.class, () -> get(
                    admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5, List.of(List.of(7))))).all()));
            fails(UnknownTopicOrPartitionException.class, () -> get(
                    admin.createPartitions(Map.of(support.fresh("none"), NewPartitions.increaseTo(2))).all()));
            support.fill(topic, 3, 1);
        }
    }

    static void describeConfigs(Support support) throws Exception {
        String topic = support.topic("configs", 1, "retention.ms", "1234");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        DescribeConfigsOptions all = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        try (Admin admin = support.admin()) {
            Map<ConfigResource, Config> found = get(admin.describeConfigs(List.of(resource, broker), all).all());
            ConfigEntry set = found.get(resource).get("retention.ms");
            equal("1234", set.value(), "retention.ms");
            equal(ConfigSource.DYNAMIC_TOPIC_CONFIG, set.source(), "source");
            equal(ConfigEntry.ConfigType.LONG, set.type(), "type");
            check(!set.documentation().isBlank(), "a config has documentation");
            ConfigEntry plain = found.get(resource).get("segment.bytes");
            equal(List.of("1073741824", true), List.of(plain.value(), plain.isDefault()), "segment.bytes");
            equal("log.segment.bytes", plain.synonyms().get(0).name(), "synonym");
            ConfigEntry listeners = found.get(broker).get("listeners");
            equal(ConfigSource.STATIC_BROKER_CONFIG, listeners.source(), "source of listeners");
            ConfigEntry nodeId = found.get(broker).get("node.id");
            equal(List.of("1", true), List.of(nodeId.value(), nodeId.isReadOnly()), "node.id");
            ConfigEntry password = found.get(broker).get("ssl.key.password");
            equal(true, password.isSensitive(), "ssl.key.password is sensitive");
            equal(null, password.value(), "a sensitive value");
            ConfigResource missing = new ConfigResource(ConfigResource.Type.TOPIC, support.fresh("missing"));
            fails(UnknownTopicOrPartitionException.class, () -> get(admin.describeConfigs(List.of(missing)).all()));
        }
    }

    static void alterConfigs(Support support) throws Exception {
        String topic = support.topic("alter", 1);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = support.admin()) {
            alter(admin, resource, OpType.SET, "retention.ms", "1000");
            alter(admin, resource, OpType.APPEND, "cleanup.policy", "compact");
            soon("delete,compact", () -> value(admin, resource, "cleanup.policy"), "after APPEND");
            alter(admin, resource, OpType.SUBTRACT, "cleanup.policy", "delete");
            soon("compact", () -> value(admin, resource, "cleanup.policy"), "after SUBTRACT");
            equal("1000", value(admin, resource, "retention.ms"), "what SET set");
            alter(admin, resource, OpType.DELETE, "retention.ms", "");
            soon("604800000", () -> value(admin, resource, "retention.ms"), "after DELETE");
            Map<ConfigResource, Collection<AlterConfigOp>> change = change(resource, OpType.SET, "retention.ms", "9");
            get(admin.incrementalAlterConfigs(change, new AlterConfigsOptions().validateOnly(true)).all());
            equal("604800000", value(admin, resource, "retention.ms"), "after validateOnly");
            fails(InvalidConfigurationException.class, () -> {
                alter(admin, resource, OpType.SET, "retention.ms", "soon");
                return "an alteration";
            });
            fails(InvalidConfigurationException.class, () -> {
                alter(admin, resource, OpType.APPEND, "retention.ms", "1");
                return "an alteration";
            });
        }
    }

    private static Map<ConfigResource, Collection<AlterConfigOp>> change(
            ConfigResource resource, OpType type, String name, String value) {
        return Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), type)));
    }

    private static void alter(Admin admin, ConfigResource resource, OpType type, String name, String value)
            throws Exception {
        get(admin.incrementalAlterConfigs(change(resource, type, name, value)).all());
    }

    private static String value(Admin admin, ConfigResource resource, String name) throws Exception {
        return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(name).value();
    }

    static void listConfigResources(Support support) throws Exception {
        String topic = support.topic("resource", 1);
        try (Admin admin = support.admin()) {
            Collection<ConfigResource> topics = get(admin.listConfigResources(
                    Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions()).all());
            check(topics.contains(new ConfigResource(ConfigResource.Type.TOPIC, topic)), "the topic is a resource");
            check(topics.stream().allMatch(each -> each.type() == ConfigResource.Type.TOPIC), "only topics are listed");
            Collection<ConfigResource> all = get(admin.listConfigResources().all());
            check(all.contains(new ConfigResource(ConfigResource.Type.BROKER, "1")), "the broker is a resource");
            check(all.containsAll(topics), "all resources include the topics");
        }
    }

    static void describeCluster(Support support) throws Exception {
        try (Admin admin = support.admin()) {
            DescribeClusterResult cluster = admin.describeCluster();
            List<Node> nodes = List.copyOf(get(cluster.nodes()));
            equal(1, nodes.size(), "brokers");
            equal(support.bootstrap, nodes.get(0).host() + ":" + nodes.get(0).port(), "the broker's address");
            equal(1, nodes.get(0).id(), "the broker's id");
            equal(1, get(cluster.controller()).id(), "controller");
            equal(22, get(cluster.clusterId()).length(), "length of the cluster id");
        }
    }

    static void listOffsets(Support support) throws Exception {
        String topic = support.topic("offsets", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        long base = System.currentTimeMillis() - 100_000;
        int[] order = {0, 9, 3, 7};
        try (Producer<String, String> producer = support.producer("linger.ms", 0)) {
            for (int step : order) {
                get(producer.send(new ProducerRecord<>(topic, 0, base + step, "k", "v")));
            }
        }
        try (Admin admin = support.admin()) {
            offset(admin, partition, OffsetSpec.earliest(), 0, -1);
            offset(admin, partition, OffsetSpec.latest(), 4, -1);
            offset(admin, partition, OffsetSpec.maxTimestamp(), 1, base + 9);
            offset(admin, partition, OffsetSpec.forTimestamp(base + 1), 1, base + 9);
            offset(admin, partition, OffsetSpec.forTimestamp(base), 0, base);
            offset(admin, partition, OffsetSpec.forTimestamp(base + 10), -1, -1);
            offset(admin, partition, OffsetSpec.earliestLocal(), 0, -1);
            offset(admin, partition, OffsetSpec.latestTiered(), -1, -1);
        }
    }

    private static void offset(Admin admin, TopicPartition partition, OffsetSpec spec, long offset, long timestamp)
            throws Exception {
        ListOffsetsResultInfo found = get(admin.listOffsets(Map.of(partition, spec)).partitionResult(partition));
        String what = spec.getClass().getSimpleName();
        equal(offset, found.offset(), what);
        equal(timestamp, found.timestamp(), what + "'s timestamp");
    }

    static void deleteRecords(Support support) throws Exception {
        String topic = support.topic("delete-records", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 10);
        try (Admin admin = support.admin()) {
            for (long before : List.of(4L, 2L, 10L)) {
                long low = get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before)))
                        .lowWatermarks().get(partition)).lowWatermark();
                equal(Math.max(4L, before), low, "low watermark after deleting before " + before);
            }
            fails(OffsetOutOfRangeException.class,
                    () -> get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(11))).all()));
            offset(admin, partition, OffsetSpec.earliest(), 10, -1);
        }
    }

    static void describeLogDirs(Support support) throws Exception {
        String topic = support.topic("log-dirs", 2);
        support.fill(topic, 1, 100);
        try (Admin admin = support.admin()) {
            Map<String, LogDirDescription> dirs = get(admin.describeLogDirs(List.of(1)).allDescriptions()).get(1);
            equal(1, dirs.size(), "log dirs");
            LogDirDescription dir = dirs.values().iterator().next();
            equal(null, dir.error(), "error");
            check(dir.totalBytes().getAsLong() > 0 && dir.usableBytes().getAsLong() > 0, "sizes of the volume");
            check(dir.usableBytes().getAsLong() <= dir.totalBytes().getAsLong(), "usable is within total");
            equal(0L, dir.replicaInfos().get(new TopicPartition(topic, 0)).size(), "size of an empty partition");
            long size = dir.replicaInfos().get(new TopicPartition(topic, 1)).size();
            check(size > 500 && size < 20_000, "size of 100 small records: " + size);
            equal(true, dir.replicaInfos().keySet().containsAll(partitions(topic, 2)), "both partitions are there");
        }
    }

    static void describeProducers(Support support) throws Exception {
        String topic = support.topic("producers", 2);
        TopicPartition used = new TopicPartition(topic, 0);
        TopicPartition idle = new TopicPartition(topic, 1);
        long before = System.currentTimeMillis();
        support.fill(topic, 0, 5);
        support.fill(topic, 0, 3);
        support.fill(topic, 0, 2, "enable.idempotence", false);
        try (Admin admin = support.admin()) {
            Map<Integer, List<ProducerState>> states = new HashMap<>();
            for (TopicPartition each : List.of(used, idle)) {
                states.put(each.partition(),
                        get(admin.describeProducers(List.of(each)).partitionResult(each)).activeProducers());
            }
            equal(List.of(), states.get(1), "producers of the idle partition");
            List<ProducerState> active = states.get(0);
            Set<Integer> sequences = new HashSet<>();
            Set<Long> ids = new HashSet<>();
            for (ProducerState each : active) {
                sequences.add(each.lastSequence());
                ids.add(each.producerId());
                equal(0, each.producerEpoch(), "producer epoch");
                check(each.lastTimestamp() >= before, "last timestamp");
                check(each.currentTransactionStartOffset().isEmpty(), "no transaction");
            }
            equal(Set.of(4, 2), sequences, "last sequences");
            equal(2, ids.size(), "different producer ids");
        }
    }

    static void manyTopics(Support support) throws Exception {
        String base = support.fresh("many");
        List<NewTopic> wanted = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            wanted.add(new NewTopic(base + "-" + i, 2, (short) 1));
        }
        List<String> names = wanted.stream().map(NewTopic::name).toList();
        try (Admin admin = support.admin()) {
            get(admin.createTopics(wanted).all());
            soon(true, () -> get(admin.listTopics().names()).containsAll(names), "all 100 topics are listed");
            Map<String, TopicDescription> described = get(admin.describeTopics(names).allTopicNames());
            equal(Set.copyOf(names), described.keySet(), "topics described");
            described.values().forEach(each -> equal(2, each.partitions().size(), "partitions of " + each.name()));
            get(admin.deleteTopics(names).all());
            soon(true, () -> Collections.disjoint(get(admin.listTopics().names()), names), "deleted topics are gone");
        }
    }
}
