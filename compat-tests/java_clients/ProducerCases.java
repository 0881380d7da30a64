package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.numbers;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.poll;
import static ottla.compat.Support.soon;
import static ottla.compat.Support.utf8;
import static ottla.compat.Support.values;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.InvalidRecordException;

/** What the Java producer sends and is answered. */
final class ProducerCases {
    private static final int COUNT = 200;

    private ProducerCases() {}

    static void everyCodec(Support support) throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = support.topic("codec-" + codec, 1);
            List<ProducerRecord<String, String>> sent = richRecords(topic);
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            try (Producer<String, String> producer = support.producer("compression.type", codec, "linger.ms", 50)) {
                sent.forEach(record -> answers.add(producer.send(record)));
            }
            for (int i = 0; i < COUNT; i++) {
                RecordMetadata answer = get(answers.get(i));
                equal((long) i, answer.offset(), codec + " offset");
                equal(sent.get(i).timestamp(), answer.timestamp(), codec + " timestamp");
            }
            try (Consumer<String, String> consumer = support.consumer()) {
                consumer.assign(partitions(topic, 1));
                same(sent, poll(consumer, COUNT), codec);
            }
        }
    }

    /** Keys and values null now and then, repeated header names, headers without value, own timestamps. */
    private static List<ProducerRecord<String, String>> richRecords(String topic) {
        long now = System.currentTimeMillis();
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            String key = i % 5 == 0 ? null : "schlüssel-" + i % 7;
            String value = i % 11 == 0 ? null : "value 🦦 " + "x".repeat(i) + i;
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, now - 1_000 + i, key, value);
            record.headers().add("name", utf8("first " + i)).add("name", utf8("second")).add("empty", new byte[0]);
            record.headers().add("null", null);
            records.add(record);
        }
        return records;
    }

    private static void same(
            List<ProducerRecord<String, String>> sent, List<ConsumerRecord<String, String>> read, String codec) {
        for (int i = 0; i < sent.size(); i++) {
            String what = codec + " record " + i + "'s ";
            equal((long) i, read.get(i).offset(), what + "offset");
            equal(sent.get(i).key(), read.get(i).key(), what + "key");
            equal(sent.get(i).value(), read.get(i).value(), what + "value");
            equal(sent.get(i).timestamp(), read.get(i).timestamp(), what + "timestamp");
            equal(TimestampType.CREATE_TIME, read.get(i).timestampType(), what + "timestamp type");
            Header[] expected = sent.get(i).headers().toArray();
            Header[] actual = read.get(i).headers().toArray();
            check(Arrays.equals(expected, actual), what + "headers: " + Arrays.toString(actual));
        }
    }

    static void idempotent(Support support) throws Exception {
        int each = 5_000;
        String topic = support.topic("idempotent", 3);
        try (Producer<String, String> producer = support.producer(
                "enable.idempotence", true, "acks", "all", "batch.size", 512, "linger.ms", 0,
                "max.in.flight.requests.per.connection", 5)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (int i = 0; i < each; i++) {
                for (int partition = 0; partition < 3; partition++) {
                    answers.add(producer.send(new ProducerRecord<>(topic, partition, null, "" + i)));
                }
            }
            for (int i = 0; i < answers.size(); i++) {
                RecordMetadata answer = get(answers.get(i));
                equal(i % 3, answer.partition(), "partition");
                equal((long) i / 3, answer.offset(), "offset in the order of sending");
            }
        }
        for (TopicPartition partition : partitions(topic, 3)) {
            try (Consumer<String, String> consumer = support.consumer()) {
                consumer.assign(List.of(partition));
                equal(numbers(0, each), values(poll(consumer, each)), "values of " + partition);
            }
        }
    }

    static void everyAcks(Support support) throws Exception {
        String topic = support.topic("acks", 1);
        for (String acks : List.of("0", "1", "all")) {
            List<RecordMetadata> answers = support.fill(topic, 0, 10, "acks", acks, "enable.idempotence", false);
            answers.forEach(answer -> equal(!acks.equals("0"), answer.hasOffset(), "an offset at acks=" + acks));
            if (acks.equals("0")) {
                // Nobody said that they are there, and what comes on the next connection could overtake them.
                try (Consumer<String, String> consumer = support.consumer()) {
                    TopicPartition only = new TopicPartition(topic, 0);
                    soon(10L, () -> consumer.endOffsets(List.of(only)).get(only), "end after acks=0");
                }
            }
        }
        try (Consumer<String, String> consumer = support.consumer()) {
            consumer.assign(partitions(topic, 1));
            List<String> expected = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                expected.addAll(numbers(0, 10));
            }
            equal(expected, values(poll(consumer, 30)), "values");
        }
    }

    static void largeRecords(Support support) throws Exception {
        String topic = support.topic("large", 1, "max.message.bytes", "2000000");
        String big = "0123456789".repeat(190_000);
        try (Producer<String, String> producer = support.producer("max.request.size", 10_000_000)) {
            equal(0L, get(producer.send(new ProducerRecord<>(topic, big))).offset(), "offset");
            fails(RecordTooLargeException.class,
                    () -> get(producer.send(new ProducerRecord<>(topic, big + big))));
            equal(1L, get(producer.send(new ProducerRecord<>(topic, "after"))).offset(), "offset after the refusal");
        }
        try (Consumer<String, String> consumer = support.consumer("max.partition.fetch.bytes", 1_000)) {
            consumer.assign(partitions(topic, 1));
            equal(List.of(big, "after"), values(poll(consumer, 2)), "values, the first larger than the fetch limit");
        }
    }

    static void logAppendTime(Support support) throws Exception {
        String topic = support.topic("append-time", 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        RecordMetadata answer;
        try (Producer<String, String> producer = support.producer("compression.type", "lz4")) {
            answer = get(producer.send(new ProducerRecord<>(topic, 0, 1_000L, "key", "value")));
        }
        check(answer.timestamp() >= before, "the answer's timestamp is the broker's");
        try (Consumer<String, String> consumer = support.consumer()) {
            consumer.assign(partitions(topic, 1));
            ConsumerRecord<String, String> record = poll(consumer, 1).get(0);
            equal(answer.timestamp(), record.timestamp(), "timestamp");
            equal(TimestampType.LOG_APPEND_TIME, record.timestampType(), "timestamp type");
        }
    }

    static void refusedRecords(Support support) throws Exception {
        String compacted = support.topic("compacted", 1, "cleanup.policy", "compact");
        String plain = support.topic("strict", 1, "message.timestamp.before.max.ms", "1000");
        try (Producer<String, String> producer = support.producer()) {
            fails(InvalidRecordException.class, () -> get(producer.send(new ProducerRecord<>(compacted, "no key"))));
            equal(0L, get(producer.send(new ProducerRecord<>(compacted, "key", "value"))).offset(), "with a key");
            long now = System.currentTimeMillis();
            fails(InvalidTimestampException.class,
                    () -> get(producer.send(new ProducerRecord<>(plain, 0, now + 7_200_000, "k", "in two hours"))));
            fails(InvalidTimestampException.class,
                    () -> get(producer.send(new ProducerRecord<>(plain, 0, now - 60_000, "k", "a minute ago"))));
        }
    }

    static void autoCreation(Support support) throws Exception {
        String topic = support.fresh("auto");
        try (Producer<String, String> producer = support.producer()) {
            equal(1, producer.partitionsFor(topic).size(), "partitions of a topic made by asking for it");
            equal(0L, get(producer.send(new ProducerRecord<>(topic, "first"))).offset(), "offset");
        }
    }
}
