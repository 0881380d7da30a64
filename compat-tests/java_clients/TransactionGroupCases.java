package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.numbers;
import static ottla.compat.Support.poll;
import static ottla.compat.Support.pollUntil;
import static ottla.compat.Support.until;
import static ottla.compat.Support.values;
import static ottla.compat.Support.soon;
import static ottla.compat.TransactionCases.read;
import static ottla.compat.TransactionCases.send;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.TimeoutException;

/** Offsets of groups that are committed by transactions. */
final class TransactionGroupCases {
    private static final Duration STEP = Duration.ofMillis(50);
    private static final ListConsumerGroupOffsetsOptions STABLE = new ListConsumerGroupOffsetsOptions().requireStable(true);

    private TransactionGroupCases() {}

    static void offsetsOfClassicGroup(Support support) throws Exception {
        offsetsInTransactions(support, "classic");
    }

    static void offsetsOfConsumerGroup(Support support) throws Exception {
        offsetsInTransactions(support, "consumer");
    }

    private static void offsetsInTransactions(Support support, String protocol) throws Exception {
        String topic = support.topic("offsets", 1);
        String group = support.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 20);
        try (Consumer<String, String> consumer =
                        support.consumer("group.id", group, "group.protocol", protocol, "max.poll.records", 10);
                Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            consumer.subscribe(List.of(topic));
            poll(consumer, 10);
            commits(producer, consumer, partition, 3);
            equal(null, stored(support, group, partition), "before the first end");
            unstable(support, consumer, group, partition);
            producer.abortTransaction();
            soonIs(null, () -> stable(support, group, partition), "after an abort");
            commits(producer, consumer, partition, 5);
            producer.commitTransaction();
            soonIs(new OffsetAndMetadata(5, "at 5"), () -> stable(support, group, partition), "after a commit");
            commits(producer, consumer, partition, 7);
            equal(new OffsetAndMetadata(5, "at 5"), stored(support, group, partition), "the last that is stable");
            unstable(support, consumer, group, partition);
            producer.abortTransaction();
            soonIs(new OffsetAndMetadata(5, "at 5"), () -> stable(support, group, partition), "after another abort");
            commits(producer, consumer, partition, 9);
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(8, "by itself")));
            producer.commitTransaction();
            OffsetAndMetadata later = new OffsetAndMetadata(8, "by itself");
            soonIs(later, () -> stable(support, group, partition), "the later of the two, by when they came");
        }
    }

    /** Begins a transaction and puts an offset into it. */
    private static void commits(
            Producer<String, String> producer, Consumer<String, String> consumer, TopicPartition partition, long offset) {
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets =
                Map.of(partition, new OffsetAndMetadata(offset, "at " + offset));
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    }

    /** What one says of oneself who commits for a group and is no member of it. */
    private static ConsumerGroupMetadata nobodyIn(Support support, String group) {
        try (Consumer<String, String> consumer = support.consumer("group.id", group)) {
            return consumer.groupMetadata();
        }
    }

    private static void unstable(
            Support support, Consumer<String, String> consumer, String group, TopicPartition partition) throws Exception {
        fails(TimeoutException.class, () -> consumer.committed(Set.of(partition), Duration.ofSeconds(1)));
        // The admin client leaves out what is not stable.
        equal(null, stable(support, group, partition), "the stable offset of " + group);
    }

    private static OffsetAndMetadata offset(
            Support support, String group, TopicPartition partition, ListConsumerGroupOffsetsOptions options)
            throws Exception {
        Map<String, ListConsumerGroupOffsetsSpec> asked =
                Map.of(group, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(partition)));
        try (Admin admin = support.admin()) {
            return get(admin.listConsumerGroupOffsets(asked, options).partitionsToOffsetAndMetadata(group)).get(partition);
        }
    }

    private static OffsetAndMetadata stored(Support support, String group, TopicPartition partition) throws Exception {
        return withoutEpoch(offset(support, group, partition, new ListConsumerGroupOffsetsOptions()));
    }

    private static OffsetAndMetadata stable(Support support, String group, TopicPartition partition) throws Exception {
        return withoutEpoch(offset(support, group, partition, STABLE));
    }

    private static void offsetIs(long expected, Callable<OffsetAndMetadata> question, String what) throws Exception {
        soon(expected, () -> Optional.ofNullable(question.call()).map(OffsetAndMetadata::offset).orElse(-1L), what);
    }

    private static void soonIs(OffsetAndMetadata expected, Callable<OffsetAndMetadata> question, String what)
            throws Exception {
        soon(Optional.ofNullable(expected), () -> Optional.ofNullable(question.call()), what);
    }

    private static OffsetAndMetadata withoutEpoch(OffsetAndMetadata offset) {
        return offset == null ? null : new OffsetAndMetadata(offset.offset(), offset.metadata());
    }

    /** Who takes over a partition waits until it is settled where it goes on. */
    static void successorWaits(Support support) throws Exception {
        for (String protocol : List.of("classic", "consumer")) {
            String topic = support.topic("successor", 1);
            String group = support.fresh("group");
            TopicPartition partition = new TopicPartition(topic, 0);
            support.fill(topic, 0, 20);
            try (Producer<String, String> producer = support.transactional(support.fresh("id"));
                    Consumer<String, String> second =
                            support.consumer("group.id", group, "group.protocol", protocol)) {
                try (Consumer<String, String> first =
                        support.consumer("group.id", group, "group.protocol", protocol)) {
                    first.subscribe(List.of(topic));
                    poll(first, 20);
                    commits(producer, first, partition, 12);
                }
                second.subscribe(List.of(topic));
                pollUntil("not assigned", second, () -> second.assignment().contains(partition));
                equal(true, second.poll(Duration.ofSeconds(1)).isEmpty(), "it waits");
                producer.commitTransaction();
                equal(numbers(12, 20), values(poll(second, 8)), "values from the commit on, " + protocol);
            }
        }
    }

    static void memberOfYesterday(Support support) throws Exception {
        for (String protocol : List.of("classic", "consumer")) {
            String topic = support.topic("stale", 1);
            String group = support.fresh("group");
            TopicPartition partition = new TopicPartition(topic, 0);
            support.fill(topic, 0, 5);
            ConsumerGroupMetadata gone;
            try (Consumer<String, String> first = support.consumer("group.id", group, "group.protocol", protocol)) {
                first.subscribe(List.of(topic));
                poll(first, 5);
                gone = first.groupMetadata();
            }
            String out = support.topic("stale-out", 1);
            try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
                producer.beginTransaction();
                send(producer, out, "of a zombie");
                fails(CommitFailedException.class, () -> {
                    producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(5)), gone);
                    producer.commitTransaction();
                    return "committed";
                });
                producer.abortTransaction();
                // A group without members takes offsets from anybody who does not claim to be one.
                producer.beginTransaction();
                send(producer, out, "of nobody");
                producer.sendOffsetsToTransaction(
                        Map.of(partition, new OffsetAndMetadata(4)), nobodyIn(support, group));
                producer.commitTransaction();
            }
            offsetIs(4L, () -> stable(support, group, partition), "offset, " + protocol);
            equal(List.of("of nobody"), read(support, out, 1, "read_committed").get(0), "committed values, " + protocol);
        }
    }

    static void staticMemberTakenOver(Support support) throws Exception {
        String topic = support.topic("static", 1);
        String group = support.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 5);
        Object[] config = {"group.id", group, "group.protocol", "classic", "group.instance.id", "one"};
        try (Consumer<String, String> first = support.consumer(config);
                Consumer<String, String> second = support.consumer(config);
                Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            first.subscribe(List.of(topic));
            poll(first, 5);
            ConsumerGroupMetadata before = first.groupMetadata();
            second.subscribe(List.of(topic));
            pollUntil("not assigned", second, () -> second.assignment().contains(partition));
            producer.beginTransaction();
            fails(FencedInstanceIdException.class, () -> {
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(5)), before);
                return "taken";
            });
            producer.abortTransaction();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(3)), second.groupMetadata());
            producer.commitTransaction();
            offsetIs(3L, () -> stable(support, group, partition), "offset");
        }
    }

    static void copyInClassicGroup(Support support) throws Exception {
        copy(support, "classic");
    }

    static void copyInConsumerGroup(Support support) throws Exception {
        copy(support, "consumer");
    }

    /** Two members copy 4 partitions, and every third transaction is aborted and done again: each record is copied once. */
    private static void copy(Support support, String protocol) throws Exception {
        int each = 200;
        String input = support.topic("input", 4);
        String output = support.topic("output", 4);
        for (int partition = 0; partition < 4; partition++) {
            support.fill(input, partition, each);
        }
        String group = support.fresh("group");
        try (Copier one = new Copier(support, input, output, group, protocol);
                Copier two = new Copier(support, input, output, group, protocol)) {
            until("not all is copied", () -> {
                one.step();
                two.step();
                return copied(support, group) == 4L * each;
            });
        }
        List<List<String>> expected = Collections.nCopies(4, numbers(0, each));
        equal(expected, read(support, output, 4, "read_committed"), "the output");
    }

    /** The sum of a group's offsets. */
    private static long copied(Support support, String group) {
        try (Admin admin = support.admin()) {
            return get(admin.listConsumerGroupOffsets(group, STABLE).partitionsToOffsetAndMetadata()).values().stream()
                    .mapToLong(OffsetAndMetadata::offset).sum();
        } catch (Exception problem) {
            throw new AssertionError(problem);
        }
    }

    private static final class Copier implements AutoCloseable {
        private final Consumer<String, String> consumer;
        private final Producer<String, String> producer;
        private final String input;
        private final String output;
        private int turns;

        Copier(Support support, String input, String output, String group, String protocol) {
            consumer = support.consumer(
                    "group.id", group, "group.protocol", protocol, "isolation.level", "read_committed",
                    "max.poll.records", 30);
            producer = support.transactional(support.fresh("copier"));
            this.input = input;
            this.output = output;
            consumer.subscribe(List.of(input));
        }

        /** Copies what one poll gives. */
        void step() {
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            List<ProducerRecord<String, String>> copies = new ArrayList<>();
            for (ConsumerRecord<String, String> record : consumer.poll(STEP)) {
                copies.add(new ProducerRecord<>(output, record.partition(), record.key(), record.value()));
                next.put(new TopicPartition(input, record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            if (copies.isEmpty()) {
                return;
            }
            boolean commits = ++turns % 3 != 0;
            producer.beginTransaction();
            try {
                copies.forEach(producer::send);
                producer.sendOffsetsToTransaction(next, consumer.groupMetadata());
                if (commits) {
                    producer.commitTransaction();
                    return;
                }
            } catch (CommitFailedException rebalanced) {
                // The other has these partitions now.
            }
            producer.abortTransaction();
            rewind();
        }

        private void rewind() {
            consumer.committed(consumer.assignment()).forEach((partition, committed) ->
                    consumer.seek(partition, committed == null ? 0 : committed.offset()));
        }

        @Override
        public void close() {
            producer.close();
            // A join that waits for the other member, which does not poll now, would be waited for.
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
        }
    }

    /** A transaction may have offsets alone, of several groups, and the records that go with them. */
    static void severalGroups(Support support) throws Exception {
        String topic = support.topic("groups", 2);
        List<String> groups = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            groups.add(support.fresh("group"));
        }
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            for (int n = 1; n <= 4; n++) {
                producer.beginTransaction();
                for (String group : groups) {
                    Map<TopicPartition, OffsetAndMetadata> offsets =
                            Map.of(first, new OffsetAndMetadata(n), second, new OffsetAndMetadata(10 * n));
                    producer.sendOffsetsToTransaction(offsets, nobodyIn(support, group));
                }
                if (n < 4) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        for (String group : groups) {
            offsetIs(3L, () -> stable(support, group, first), "offset in the first partition");
            offsetIs(30L, () -> stable(support, group, second), "offset in the second partition");
        }
    }

    /** What is read uncommitted was perhaps never there: a group that reads committed goes on behind what was aborted. */
    static void readersOfOneGroup(Support support) throws Exception {
        String topic = support.topic("readers", 1);
        String group = support.fresh("group");
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            producer.beginTransaction();
            send(producer, topic, "one");
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, topic, "never");
            producer.abortTransaction();
        }
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Consumer<String, String> reader =
                support.consumer("group.id", group, "isolation.level", "read_committed")) {
            reader.subscribe(List.of(topic));
            equal(List.of("one"), values(poll(reader, 1)), "values");
            pollUntil("not at the end", reader, () -> reader.position(partition) == 4);
            reader.commitSync();
            OffsetAndMetadata committed = reader.committed(Set.of(partition)).get(partition);
            equal(4L, committed.offset(), "the commit, behind the aborted transaction and its marker");
            check(reader.currentLag(partition).orElse(-1) == 0, "no lag");
        } catch (KafkaException problem) {
            throw new AssertionError(problem);
        }
    }
}
