package ottla.compat;

import static ottla.compat.Support.equal;
import static ottla.compat.Support.get;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.poll;
import static ottla.compat.Support.until;
import static ottla.compat.Support.values;
import static ottla.compat.Support.soon;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** What readers see of transactions. */
final class TransactionCases {
    private static final Duration STEP = Duration.ofMillis(50);

    private TransactionCases() {}

    /** The values of each partition up to its end; under read_committed once no transaction is open. */
    static List<List<String>> read(Support support, String topic, int count, String isolation) throws Exception {
        List<TopicPartition> all = partitions(topic, count);
        try (Consumer<String, String> any = support.consumer();
                Consumer<String, String> reader = support.consumer("isolation.level", isolation, "fetch.max.wait.ms", 20)) {
            any.assign(all);
            reader.assign(all);
            // A marker may come after a commit was answered.
            soon(true, () -> reader.endOffsets(all).equals(any.endOffsets(all)), "ends of " + topic + " for " + isolation);
            return upToEnd(reader, all);
        }
    }

    /** The values of each partition up to its end, as the reader sees the end. */
    private static List<List<String>> upToEnd(Consumer<String, String> reader, List<TopicPartition> all) {
        List<List<String>> found = new ArrayList<>();
        all.forEach(partition -> found.add(new ArrayList<>()));
        Map<TopicPartition, Long> ends = reader.endOffsets(all);
        reader.seekToBeginning(all);
        until("not all can be read up to " + ends, () -> {
            for (ConsumerRecord<String, String> record : reader.poll(STEP)) {
                found.get(record.partition()).add(record.value());
            }
            return all.stream().allMatch(partition -> reader.position(partition) >= ends.get(partition));
        });
        return found;
    }

    static List<String> committed(Support support, String topic) throws Exception {
        return read(support, topic, 1, "read_committed").get(0);
    }

    /** What is committed before the first open transaction. */
    private static List<String> soFar(Support support, String topic) {
        List<TopicPartition> only = partitions(topic, 1);
        try (Consumer<String, String> reader = support.consumer("isolation.level", "read_committed")) {
            reader.assign(only);
            return upToEnd(reader, only).get(0);
        }
    }

    static List<String> uncommitted(Support support, String topic) throws Exception {
        return read(support, topic, 1, "read_uncommitted").get(0);
    }

    /** Sends all and waits until they are in the log. */
    static void send(Producer<String, String> producer, String topic, String... values) throws Exception {
        for (String value : values) {
            get(producer.send(new ProducerRecord<>(topic, 0, null, value)));
        }
    }

    static void commitAndAbort(Support support) throws Exception {
        int transactions = 20;
        String topic = support.topic("ends", 3);
        List<List<String>> all = new ArrayList<>(List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>()));
        List<List<String>> kept = new ArrayList<>(List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>()));
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            for (int n = 0; n < transactions; n++) {
                boolean commits = n % 3 != 1;
                producer.beginTransaction();
                for (int i = 0; i < 12; i++) {
                    String value = n + "." + i;
                    producer.send(new ProducerRecord<>(topic, i % 3, null, value));
                    all.get(i % 3).add(value);
                    if (commits) {
                        kept.get(i % 3).add(value);
                    }
                }
                producer.flush();
                end(producer, commits);
            }
        }
        equal(kept, read(support, topic, 3, "read_committed"), "committed values");
        equal(all, read(support, topic, 3, "read_uncommitted"), "all values");
        try (Consumer<String, String> consumer = support.consumer()) {
            // Each transaction has 4 records and a marker in each partition.
            Map<TopicPartition, Long> expected = new HashMap<>();
            partitions(topic, 3).forEach(partition -> expected.put(partition, 5L * transactions));
            equal(expected, consumer.endOffsets(partitions(topic, 3)), "end offsets");
        }
    }

    private static void end(Producer<String, String> producer, boolean commits) {
        if (commits) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    static void openTransactionHoldsBack(Support support) throws Exception {
        String topic = support.topic("held", 1);
        List<TopicPartition> only = partitions(topic, 1);
        try (Producer<String, String> inside = support.transactional(support.fresh("id"));
                Producer<String, String> outside = support.producer();
                Consumer<String, String> reader = support.consumer("isolation.level", "read_committed")) {
            send(outside, topic, "before");
            inside.beginTransaction();
            send(inside, topic, "inside");
            send(outside, topic, "after");
            equal(List.of("before"), soFar(support, topic), "while it is open");
            equal(List.of("before", "inside", "after"), uncommitted(support, topic), "uncommitted");
            equal(1L, reader.endOffsets(only).get(only.get(0)), "the last stable offset");
            reader.assign(only);
            equal(List.of("before"), values(poll(reader, 1)), "a reader before the end");
            equal(true, reader.poll(Duration.ofMillis(300)).isEmpty(), "it waits");
            inside.commitTransaction();
            equal(List.of("inside", "after"), values(poll(reader, 2)), "the reader after the end");
            equal(4L, reader.endOffsets(only).get(only.get(0)), "the end, behind the marker");
        }
    }

    /** Transactions of 6 producers in one partition that overlap as chance will have it. */
    static void overlapping(Support support) throws Exception {
        Random random = new Random(5);
        String topic = support.topic("overlap", 1);
        List<Producer<String, String>> producers = new ArrayList<>();
        Map<Integer, List<String>> open = new HashMap<>();
        List<String> sent = new ArrayList<>();
        List<String> dropped = new ArrayList<>();
        try {
            for (int i = 0; i < 6; i++) {
                producers.add(support.transactional(support.fresh("id")));
            }
            for (int n = 0; n < 300; n++) {
                int who = random.nextInt(producers.size());
                Producer<String, String> producer = producers.get(who);
                if (open.containsKey(who) && random.nextInt(3) == 0) {
                    overlappingEnd(producer, random.nextBoolean(), open.remove(who), dropped);
                    continue;
                }
                if (!open.containsKey(who)) {
                    producer.beginTransaction();
                    open.put(who, new ArrayList<>());
                }
                send(producer, topic, "" + n);
                sent.add("" + n);
                open.get(who).add("" + n);
            }
            for (int who : List.copyOf(open.keySet())) {
                overlappingEnd(producers.get(who), true, open.remove(who), dropped);
            }
        } finally {
            producers.forEach(Producer::close);
        }
        equal(sent, uncommitted(support, topic), "all values");
        sent.removeAll(dropped);
        equal(sent, committed(support, topic), "committed values");
    }

    private static void overlappingEnd(
            Producer<String, String> producer, boolean commits, List<String> values, List<String> dropped) {
        end(producer, commits);
        if (!commits) {
            dropped.addAll(values);
        }
    }

    static void fromEachOffset(Support support) throws Exception {
        String topic = support.topic("middle", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Producer<String, String> first = support.transactional(support.fresh("id"));
                Producer<String, String> second = support.transactional(support.fresh("id"))) {
            for (int n = 0; n < 4; n++) {
                first.beginTransaction();
                send(first, topic, n + ".a", n + ".b");
                second.beginTransaction();
                send(second, topic, n + ".c");
                send(first, topic, n + ".d");
                end(first, n % 2 == 0);
                send(second, topic, n + ".e");
                end(second, n < 2);
            }
        }
        Map<Long, String> kept = new HashMap<>();
        try (Consumer<String, String> consumer = support.consumer("isolation.level", "read_committed", "fetch.max.wait.ms", 20)) {
            consumer.assign(List.of(partition));
            poll(consumer, 10).forEach(record -> kept.put(record.offset(), record.value()));
            // The last marker, of a transaction that was aborted, may come after the abort was answered.
            long end = 28;
            soon(end, () -> consumer.endOffsets(List.of(partition)).get(partition), "end");
            for (long from = 0; from < end; from++) {
                long at = from;
                consumer.seek(partition, from);
                Map<Long, String> found = new HashMap<>();
                until("the end is not reached from " + from, () -> {
                    consumer.poll(STEP).forEach(record -> found.put(record.offset(), record.value()));
                    return consumer.position(partition) == end;
                });
                Map<Long, String> expected = new HashMap<>(kept);
                expected.keySet().removeIf(offset -> offset < at);
                equal(expected, found, "from " + from);
            }
        }
    }

    /** Aborted transactions that reach over segments, whose ends are in the indexes of several. */
    static void manySegments(Support support) throws Exception {
        String topic = support.topic("segments", 1, "segment.bytes", "1048576");
        String padding = "x".repeat(30_000);
        List<String> kept = new ArrayList<>();
        try (Producer<String, String> longest = support.transactional(support.fresh("id"));
                Producer<String, String> shorter = support.transactional(support.fresh("id"))) {
            longest.beginTransaction();
            send(longest, topic, "never");
            for (int n = 0; n < 40; n++) {
                shorter.beginTransaction();
                for (int i = 0; i < 5; i++) {
                    send(shorter, topic, n + "." + i + padding);
                    if (n % 4 != 3) {
                        kept.add(n + "." + i + padding);
                    }
                }
                end(shorter, n % 4 != 3);
                if (n % 10 == 5) {
                    send(longest, topic, "never " + n);
                }
            }
            equal(List.of(), soFar(support, topic), "behind the longest");
            longest.abortTransaction();
        }
        equal(kept, committed(support, topic), "committed values");
    }

    static void manyPartitions(Support support) throws Exception {
        int each = 25;
        List<String> topics = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            topics.add(support.topic("many-" + i, each));
        }
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            for (int n = 0; n < 6; n++) {
                producer.beginTransaction();
                for (String topic : topics) {
                    for (int partition = 0; partition < each; partition++) {
                        producer.send(new ProducerRecord<>(topic, partition, null, "" + n));
                    }
                }
                producer.flush();
                end(producer, n % 2 == 0);
            }
        }
        for (String topic : topics) {
            List<List<String>> expected = Collections.nCopies(each, List.of("0", "2", "4"));
            equal(expected, read(support, topic, each, "read_committed"), "values of " + topic);
        }
    }

    static void deletedTopic(Support support) throws Exception {
        String kept = support.topic("kept", 1);
        String gone = support.topic("gone", 2);
        try (Producer<String, String> producer = support.transactional(support.fresh("id"));
                Admin admin = support.admin()) {
            producer.beginTransaction();
            send(producer, kept, "first");
            send(producer, gone, "lost");
            get(admin.deleteTopics(List.of(gone)).all());
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, kept, "second");
            producer.commitTransaction();
        }
        equal(List.of("first", "second"), committed(support, kept), "committed values");
    }

    static void emptyTransactions(Support support) throws Exception {
        String topic = support.topic("empty", 1);
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            for (int n = 0; n < 5; n++) {
                producer.beginTransaction();
                end(producer, n % 2 == 0);
            }
            equal(List.of(), uncommitted(support, topic), "nothing was written");
            producer.beginTransaction();
            send(producer, topic, "something");
            producer.commitTransaction();
            producer.beginTransaction();
            producer.abortTransaction();
        }
        equal(List.of("something"), committed(support, topic), "committed values");
    }
}
