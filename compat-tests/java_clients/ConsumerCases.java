package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.numbers;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.poll;
import static ottla.compat.Support.values;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/** The Java consumer with partitions it assigned to itself. */
final class ConsumerCases {
    private ConsumerCases() {}

    static void assignAndSeek(Support support) throws Exception {
        String topic = support.topic("seek", 2);
        support.fill(topic, 0, 100);
        support.fill(topic, 1, 50);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Consumer<String, String> consumer = support.consumer("max.poll.records", 7)) {
            consumer.assign(List.of(first));
            consumer.seek(first, 90);
            equal(numbers(90, 100), values(poll(consumer, 10)), "values from 90");
            equal(100L, consumer.position(first), "position");
            consumer.seekToBeginning(List.of(first));
            equal(0L, consumer.position(first), "position at the beginning");
            consumer.assign(List.of(first, second));
            consumer.seekToEnd(List.of(first, second));
            equal(100L, consumer.position(first), "position at the end");
            equal(50L, consumer.position(second), "position at the other end");
            consumer.seek(second, 45);
            equal(numbers(45, 50), values(poll(consumer, 5)), "values of the other partition");
        }
    }

    static void offsetsAndTimes(Support support) throws Exception {
        String topic = support.topic("times", 2);
        long base = System.currentTimeMillis() - 10_000;
        try (Producer<String, String> producer = support.producer("linger.ms", 0)) {
            for (int i = 0; i < 10; i++) {
                get(producer.send(new ProducerRecord<>(topic, 0, base + i * 100, "k", "" + i)));
            }
        }
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        try (Consumer<String, String> consumer = support.consumer()) {
            List<TopicPartition> both = List.of(full, empty);
            equal(Map.of(full, 0L, empty, 0L), consumer.beginningOffsets(both), "beginning offsets");
            equal(Map.of(full, 10L, empty, 0L), consumer.endOffsets(both), "end offsets");
            for (int i = 0; i < 10; i++) {
                long exact = base + i * 100;
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(full, exact - 50)).get(full);
                equal(new OffsetAndTimestamp(i, exact, Optional.of(0)), found, "the first at or after " + i);
            }
            Map<TopicPartition, OffsetAndTimestamp> none =
                    consumer.offsetsForTimes(Map.of(full, base + 100_000, empty, 0L));
            equal(null, none.get(full), "offset of a time after all");
            equal(null, none.get(empty), "offset in an empty partition");
            List<PartitionInfo> known = consumer.partitionsFor(topic);
            equal(2, known.size(), "partitions");
            known.forEach(info -> equal(1, info.leader().id(), "leader of " + info.partition()));
            check(consumer.listTopics().containsKey(topic), "listTopics names the topic");
        }
    }

    static void pauseAndResume(Support support) throws Exception {
        String topic = support.topic("pause", 2);
        support.fill(topic, 0, 20);
        support.fill(topic, 1, 20);
        TopicPartition paused = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = support.consumer()) {
            consumer.assign(partitions(topic, 2));
            consumer.pause(List.of(paused));
            List<ConsumerRecord<String, String>> records = poll(consumer, 20);
            check(records.stream().allMatch(record -> record.partition() == 1), "only the partition that goes on");
            check(consumer.poll(Duration.ofMillis(300)).isEmpty(), "nothing while paused");
            consumer.resume(List.of(paused));
            equal(numbers(0, 20), values(poll(consumer, 20)), "values after resuming");
        }
    }

    static void fetchLimits(Support support) throws Exception {
        int each = 300;
        String topic = support.topic("limits", 3);
        String pad = "x".repeat(1_000);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (Producer<String, String> producer = support.producer("batch.size", 5_000)) {
            for (int i = 0; i < each; i++) {
                for (int partition = 0; partition < 3; partition++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, partition, "k", i + pad)));
                }
            }
        }
        for (Future<RecordMetadata> answer : sent) {
            get(answer);
        }
        try (Consumer<String, String> consumer = support.consumer(
                "max.partition.fetch.bytes", 6_000, "fetch.max.bytes", 10_000, "max.poll.records", 10,
                "fetch.min.bytes", 20_000, "fetch.max.wait.ms", 20, "isolation.level", "read_committed")) {
            consumer.assign(partitions(topic, 3));
            long[] next = new long[3];
            for (ConsumerRecord<String, String> record : poll(consumer, 3 * each)) {
                equal(next[record.partition()]++, record.offset(), "offset");
                equal(record.offset() + pad, record.value(), "value");
            }
        }
    }

    static void waitsForMinBytes(Support support) throws Exception {
        String topic = support.topic("min-bytes", 1);
        try (Consumer<String, String> consumer =
                support.consumer("fetch.min.bytes", 1_000_000, "fetch.max.wait.ms", 1_500)) {
            consumer.assign(partitions(topic, 1));
            consumer.poll(Duration.ofMillis(200));
            support.fill(topic, 0, 1);
            long start = System.nanoTime();
            poll(consumer, 1);
            long waited = Duration.ofNanos(System.nanoTime() - start).toMillis();
            check(waited < 15_000, "one small record came after " + waited + " ms, not at fetch.max.wait.ms");
        }
        Consumer<String, String> consumer = support.consumer("fetch.max.wait.ms", 25_000);
        try {
            consumer.assign(partitions(topic, 1));
            poll(consumer, 1);
            consumer.poll(Duration.ofMillis(200));
            support.fill(topic, 0, 1);
            long start = System.nanoTime();
            poll(consumer, 1);
            long waited = Duration.ofNanos(System.nanoTime() - start).toMillis();
            check(waited < 12_000, "a new record woke a waiting fetch only after " + waited + " ms");
        } finally {
            // Its last fetch would be waited for.
            consumer.close(CloseOptions.timeout(Duration.ZERO));
        }
    }

    static void resetPolicies(Support support) throws Exception {
        String topic = support.topic("reset", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 10);
        try (Consumer<String, String> none = support.consumer("auto.offset.reset", "none", "group.id", support.fresh("g"))) {
            none.assign(List.of(partition));
            fails(NoOffsetForPartitionException.class, () -> poll(none, 1));
        }
        try (Admin admin = support.admin()) {
            get(admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4))).all());
        }
        try (Consumer<String, String> none = support.consumer("auto.offset.reset", "none")) {
            none.assign(List.of(partition));
            none.seek(partition, 2);
            OffsetOutOfRangeException thrown = fails(OffsetOutOfRangeException.class, () -> poll(none, 1));
            equal(Map.of(partition, 2L), thrown.offsetOutOfRangePartitions(), "offset out of range");
        }
        try (Consumer<String, String> earliest = support.consumer()) {
            earliest.assign(List.of(partition));
            earliest.seek(partition, 2);
            equal(numbers(4, 10), values(poll(earliest, 6)), "values after the reset to earliest");
            earliest.seek(partition, 1_000);
            equal(numbers(4, 10), values(poll(earliest, 6)), "values after an offset past the end");
        }
        try (Consumer<String, String> latest = support.consumer("auto.offset.reset", "latest")) {
            latest.assign(List.of(partition));
            equal(10L, latest.position(partition), "position at latest");
        }
    }

    static void leaderEpochs(Support support) throws Exception {
        String topic = support.topic("epochs", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 10);
        try (Consumer<String, String> consumer = support.consumer("group.id", support.fresh("g"))) {
            consumer.assign(List.of(partition));
            List<ConsumerRecord<String, String>> records = poll(consumer, 10);
            records.forEach(record -> equal(Optional.of(0), record.leaderEpoch(), "leader epoch of a record"));
            OffsetAndMetadata committed = new OffsetAndMetadata(5, Optional.of(0), "note");
            consumer.commitSync(Map.of(partition, committed));
            equal(committed, consumer.committed(java.util.Set.of(partition)).get(partition), "commit with its epoch");
            // A position with an epoch is checked against the leader (OffsetForLeaderEpoch, KIP-320) before fetching.
            consumer.seek(partition, committed);
            equal(numbers(5, 10), values(poll(consumer, 5)), "values after the epoch was checked");
        }
    }
}
