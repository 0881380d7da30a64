package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.numbers;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.until;
import static ottla.compat.TransactionCases.committed;
import static ottla.compat.TransactionCases.send;
import static ottla.compat.TransactionCases.uncommitted;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** Transactions that end otherwise than their producer wants, and producers that are fenced. */
final class TransactionEndCases {
    private TransactionEndCases() {}

    /** Commits, which fails as another is the producer now. */
    static void fencedAtCommit(Producer<String, String> producer) throws Exception {
        fails(ProducerFencedException.class, () -> {
            producer.commitTransaction();
            return "committed";
        });
    }

    static void fencedWhileOpen(Support support) throws Exception {
        String topic = support.topic("fenced", 1);
        String id = support.fresh("id");
        try (Producer<String, String> first = support.transactional(id)) {
            first.beginTransaction();
            send(first, topic, "of the first");
            try (Producer<String, String> second = support.transactional(id)) {
                equal(List.of(), committed(support, topic), "the first is aborted");
                second.beginTransaction();
                send(second, topic, "of the second");
                fencedAtCommit(first);
                second.commitTransaction();
            }
        }
        equal(List.of("of the second"), committed(support, topic), "committed values");
        equal(List.of("of the first", "of the second"), uncommitted(support, topic), "all values");
    }

    static void fencedWhileSending(Support support) throws Exception {
        String topic = support.topic("fenced", 1);
        String id = support.fresh("id");
        try (Producer<String, String> first = support.transactional(id)) {
            first.beginTransaction();
            send(first, topic, "before");
            try (Producer<String, String> second = support.transactional(id)) {
                KafkaException refused = fails(KafkaException.class,
                        () -> get(first.send(new ProducerRecord<>(topic, 0, null, "of a zombie"))));
                check(refused instanceof InvalidProducerEpochException || refused instanceof ProducerFencedException,
                        "refused with " + refused);
                fails(KafkaException.class, () -> {
                    first.commitTransaction();
                    return "committed";
                });
                second.beginTransaction();
                send(second, topic, "of the second");
                second.commitTransaction();
            }
        }
        equal(List.of("of the second"), committed(support, topic), "committed values");
        equal(List.of("before", "of the second"), uncommitted(support, topic), "all values");
    }

    static void fencedWhileIdle(Support support) throws Exception {
        String topic = support.topic("fenced", 1);
        String id = support.fresh("id");
        try (Producer<String, String> first = support.transactional(id)) {
            first.beginTransaction();
            send(first, topic, "of the first");
            first.commitTransaction();
            try (Producer<String, String> second = support.transactional(id)) {
                first.beginTransaction();
                fails(KafkaException.class, () -> {
                    first.send(new ProducerRecord<>(topic, 0, null, "of a zombie"));
                    first.commitTransaction();
                    return "committed";
                });
                second.beginTransaction();
                send(second, topic, "of the second");
                second.commitTransaction();
            }
        }
        equal(List.of("of the first", "of the second"), uncommitted(support, topic), "all values");
    }

    static void timeout(Support support) throws Exception {
        String topic = support.topic("timeout", 1);
        String id = support.fresh("id");
        List<TopicPartition> only = partitions(topic, 1);
        try (Producer<String, String> slow = support.transactional(id, "transaction.timeout.ms", 1_000);
                Consumer<String, String> reader = support.consumer("isolation.level", "read_committed")) {
            reader.assign(only);
            equal(0L, reader.endOffsets(only).get(only.get(0)), "the end at first");
            long start = System.nanoTime();
            slow.beginTransaction();
            send(slow, topic, "slow");
            long stable = reader.endOffsets(only).get(only.get(0));
            check(stable == 0 || System.nanoTime() - start > Duration.ofSeconds(1).toNanos(),
                    "the last stable offset while it is open: " + stable);
            until("the coordinator has not aborted it", () -> reader.endOffsets(only).get(only.get(0)) == 2);
            equal(List.of(), committed(support, topic), "committed values");
            KafkaException refused = fails(KafkaException.class, () -> {
                slow.commitTransaction();
                return "committed";
            });
            // By epoch its coordinator knows whose transaction it was, and says how that ended (KIP-890).
            check(refused instanceof ProducerFencedException || refused instanceof InvalidTxnStateException,
                    "refused with " + refused);
        }
        try (Producer<String, String> next = support.transactional(id)) {
            next.beginTransaction();
            send(next, topic, "next");
            next.commitTransaction();
        }
        equal(List.of("next"), committed(support, topic), "committed values");
    }

    static void timeoutTooLong(Support support) throws Exception {
        KafkaException refused = fails(KafkaException.class,
                () -> support.transactional(support.fresh("id"), "transaction.timeout.ms", 900_001));
        check(refused.getMessage().contains("transaction timeout is larger than the maximum"), "refused with " + refused);
        support.transactional(support.fresh("id"), "transaction.timeout.ms", 900_000).close();
    }

    static void refusedRecord(Support support) throws Exception {
        String topic = support.topic("refused", 1, "max.message.bytes", "2000");
        try (Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            for (int n = 0; n < 3; n++) {
                producer.beginTransaction();
                send(producer, topic, "with a large one " + n);
                fails(RecordTooLargeException.class,
                        () -> get(producer.send(new ProducerRecord<>(topic, 0, null, "x".repeat(3_000)))));
                fails(KafkaException.class, () -> {
                    producer.commitTransaction();
                    return "committed";
                });
                producer.abortTransaction();
                producer.beginTransaction();
                send(producer, topic, "good " + n);
                producer.commitTransaction();
            }
        }
        equal(List.of("good 0", "good 1", "good 2"), committed(support, topic), "committed values");
    }

    /** A transactional id is used by one producer after the other, closed with a transaction open or not. */
    static void successors(Support support) throws Exception {
        String topic = support.topic("successors", 1);
        String id = support.fresh("id");
        for (int n = 0; n < 6; n++) {
            try (Producer<String, String> producer = support.transactional(id)) {
                producer.beginTransaction();
                send(producer, topic, "" + n);
                if (n % 2 == 0) {
                    producer.commitTransaction();
                }
            }
        }
        support.transactional(id).close();
        equal(List.of("0", "2", "4"), committed(support, topic), "committed values");
        equal(numbers(0, 6), uncommitted(support, topic), "all values");
    }

    /** Small batches, 5 in flight, in long transactions: all in order, once. */
    static void manyRecords(Support support) throws Exception {
        int each = 5_000;
        String topic = support.topic("long", 1);
        List<String> kept = new ArrayList<>();
        try (Producer<String, String> producer =
                support.transactional(support.fresh("id"), "batch.size", 1_000, "linger.ms", 0)) {
            for (int n = 0; n < 5; n++) {
                producer.beginTransaction();
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < each; i++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, 0, null, "" + (n * each + i))));
                }
                for (int i = 0; i < each; i++) {
                    equal((long) n * (each + 1) + i, get(sent.get(i)).offset(), "offset");
                }
                if (n == 2) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    kept.addAll(numbers(n * each, (n + 1) * each));
                }
            }
        }
        equal(kept, committed(support, topic), "committed values");
    }
}
