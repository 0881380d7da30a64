package ottla.compat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What every case needs: clients of the broker under test, fresh names, checks and bounded waits. */
final class Support {
    static final Duration DEADLINE = Duration.ofSeconds(30);
    private static final Duration POLL = Duration.ofMillis(100);

    final String bootstrap;

    Support(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    String fresh(String base) {
        return base + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    /** Pairs of key and value as a config. */
    Map<String, Object> config(Object... pairs) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("enable.metrics.push", false);
        for (int i = 0; i < pairs.length; i += 2) {
            config.put((String) pairs[i], pairs[i + 1]);
        }
        return config;
    }

    Admin admin() {
        return Admin.create(config());
    }

    Producer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(config(pairs), new StringSerializer(), new StringSerializer());
    }

    /** A producer that has its id and may begin transactions. */
    Producer<String, String> transactional(String id, Object... pairs) {
        Map<String, Object> config = config(pairs);
        config.put("transactional.id", id);
        Producer<String, String> producer =
                new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
        try {
            producer.initTransactions();
        } catch (RuntimeException refused) {
            producer.close();
            throw refused;
        }
        return producer;
    }

    /** A consumer that starts at the earliest offset and commits only when told. */
    Consumer<String, String> consumer(Object... pairs) {
        Map<String, Object> config = new HashMap<>(Map.of("auto.offset.reset", "earliest", "enable.auto.commit", false));
        config.putAll(config(pairs));
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    String topic(String base, int partitions, String... configs) throws Exception {
        Map<String, String> settings = new LinkedHashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            settings.put(configs[i], configs[i + 1]);
        }
        String name = fresh(base);
        try (Admin admin = admin()) {
            get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(settings))).all());
            // Kafka announces a partition a moment before its leader serves it. An idempotent producer that meets that
            // moment with several batches in flight has the first refused, the next taken, and never gets the first in.
            Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
            partitions(name, partitions).forEach(partition -> ends.put(partition, OffsetSpec.latest()));
            soon(partitions, () -> get(admin.listOffsets(ends).all()).size(), "partitions of " + name + " that answer");
        }
        return name;
    }

    /** Sends `count` records valued 0, 1, … to one partition and waits for the acknowledgements. */
    List<RecordMetadata> fill(String topic, int partition, int count, Object... producerConfig) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (Producer<String, String> producer = producer(producerConfig)) {
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, "key-" + i, "" + i)));
            }
        }
        List<RecordMetadata> acknowledged = new ArrayList<>();
        for (Future<RecordMetadata> each : sent) {
            acknowledged.add(get(each));
        }
        return acknowledged;
    }

    /** Polls until `count` records have come; more than that is a failure. */
    static <K, V> List<ConsumerRecord<K, V>> poll(Consumer<K, V> consumer, int count) {
        List<ConsumerRecord<K, V>> records = new ArrayList<>();
        until("only " + records.size() + " of " + count + " records", () -> {
            consumer.poll(POLL).forEach(records::add);
            return records.size() >= count;
        });
        equal(count, records.size(), "number of records");
        return records;
    }

    static void pollUntil(String otherwise, Consumer<?, ?> consumer, BooleanSupplier condition) {
        until(otherwise, () -> {
            consumer.poll(POLL);
            return condition.getAsBoolean();
        });
    }

    static void until(String otherwise, BooleanSupplier condition) {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.getAsBoolean()) {
            check(System.nanoTime() < end, "after " + DEADLINE.toSeconds() + " s: " + otherwise);
        }
    }

    /** Asks again until the answer is as expected: a broker follows its controller a moment later. */
    static <T> void soon(T expected, Callable<T> question, String what) throws Exception {
        long end = System.nanoTime() + DEADLINE.toNanos();
        Object answer;
        do {
            try {
                answer = question.call();
            } catch (ExecutionException problem) {
                if (!(problem.getCause() instanceof RetriableException)) {
                    throw problem;
                }
                answer = problem.getCause();
            }
        } while (!expected.equals(answer) && System.nanoTime() < end);
        equal(expected, answer, what);
    }

    static <T> T get(Future<T> future) throws Exception {
        return future.get(DEADLINE.toSeconds(), TimeUnit.SECONDS);
    }

    static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(new TopicPartition(topic, i));
        }
        return all;
    }

    static <K, V> List<V> values(List<ConsumerRecord<K, V>> records) {
        return records.stream().map(ConsumerRecord::value).toList();
    }

    /** The decimal numbers from `from` up to but without `to`. */
    static List<String> numbers(int from, int to) {
        List<String> all = new ArrayList<>();
        for (int i = from; i < to; i++) {
            all.add("" + i);
        }
        return all;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void check(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    static void equal(Object expected, Object actual, String what) {
        check(Objects.equals(expected, actual), what + ": expected " + expected + ", got " + actual);
    }

    /** Runs an action that must throw `wanted`, by itself or as the cause; returns it. */
    static <E extends Throwable> E fails(Class<E> wanted, Callable<?> action) throws Exception {
        Throwable thrown;
        try {
            Object result = action.call();
            throw new AssertionError("expected " + wanted.getSimpleName() + ", got " + result);
        } catch (ExecutionException wrapped) {
            thrown = wrapped.getCause();
        } catch (Exception plain) {
            thrown = plain;
        }
        if (!wanted.isInstance(thrown)) {
            throw new AssertionError("expected " + wanted.getSimpleName() + ", got " + thrown, thrown);
        }
        return wanted.cast(thrown);
    }
}
