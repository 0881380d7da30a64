package ottla.compat;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A producer of transactions that writes the history that checker/history.py reads. In each transaction it also commits, for a group
 * of its own, the transaction's number as the offset of partition 0; arguments: file, process, topic, number of partitions,
 * transactions a second, group, configs as key=value. Ends on SIGTERM.
 */
final class HistoryTransactor {
    private static final double ABORTS = 0.2;
    private static final double LOOKS = 0.2;
    private static final int MOST_RECORDS = 4;

    private final Writer out;
    private final int process;
    private final String topic;
    private final int partitions;
    private final String group;
    private final Map<String, Object> config = new HashMap<>();
    private final Random random;
    private final KafkaConsumer<String, String> consumer;
    private KafkaProducer<String, String> producer;
    private long number;
    private long txn;
    private volatile boolean isStopped;

    private HistoryTransactor(List<String> arguments) throws IOException {
        out = Files.newBufferedWriter(Path.of(arguments.get(0)));
        process = Integer.parseInt(arguments.get(1));
        topic = arguments.get(2);
        partitions = Integer.parseInt(arguments.get(3));
        group = arguments.get(5);
        random = new Random(process);
        for (String pair : arguments.subList(6, arguments.size())) {
            int at = pair.indexOf('=');
            config.put(pair.substring(0, at), pair.substring(at + 1));
        }
        Map<String, Object> asks = Map.of("bootstrap.servers", config.get("bootstrap.servers"), "group.id", group);
        consumer = new KafkaConsumer<>(asks, new StringDeserializer(), new StringDeserializer());
    }

    public static void main(String[] arguments) throws Exception {
        HistoryTransactor transactor = new HistoryTransactor(List.of(arguments));
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            transactor.isStopped = true;
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            transactor.run(1000 / Integer.parseInt(arguments[4]));
        } finally {
            ended.countDown();
        }
    }

    private void run(int pauseMs) throws IOException, InterruptedException {
        while (!isStopped) {
            try {
                if (producer == null) {
                    producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
                    producer.initTransactions();
                }
                transaction();
                if (random.nextDouble() < LOOKS) {
                    look();
                }
            } catch (KafkaException e) {
                // Fenced or worse: the next of this name ends what this one left open.
                producer.close();
                producer = null;
            }
            Thread.sleep(pauseMs);
        }
        if (producer != null) {
            producer.close();
        }
        consumer.close();
        out.close();
    }

    private void transaction() throws IOException {
        txn++;
        boolean commits = random.nextDouble() >= ABORTS;
        write("invoke", "end", ended(commits));
        write("invoke", "commit", "\"n\":0");
        String outcome = "info";
        try {
            outcome = attempt(commits);
        } finally {
            write(outcome, "end", ended(commits));
            write(outcome.equals("ok") && !commits ? "fail" : outcome, "commit", "\"offsets\":{\"" + topic + "-0\":" + txn + "}");
        }
    }

    private String ended(boolean committed) {
        return "\"txn\":" + txn + ",\"committed\":" + committed;
    }

    /** Whether it came to be as wished for, or was aborted instead. */
    private String attempt(boolean commits) throws IOException {
        producer.beginTransaction();
        try {
            List<Integer> all = IntStream.range(0, partitions).boxed().collect(Collectors.toList());
            Collections.shuffle(all, random);
            for (int partition : all.subList(0, 1 + random.nextInt(Math.min(partitions, MOST_RECORDS)))) {
                send(partition);
            }
            Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(txn));
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            if (commits) {
                untilDone(producer::commitTransaction);
                return "ok";
            }
        } catch (KafkaException e) {
            // Where it cannot be aborted nobody knows what has become of it, and this throws again.
            untilDone(producer::abortTransaction);
            return commits ? "fail" : "ok";
        }
        untilDone(producer::abortTransaction);
        return "ok";
    }

    private static void untilDone(Runnable ending) {
        while (true) {
            try {
                ending.run();
                return;
            } catch (TimeoutException e) {
                // It may yet come to be.
            }
        }
    }

    private void send(int partition) throws IOException {
        long value = (long) process << 40 | number;
        String key = "\"key\":\"" + topic + "-" + partition + "\",\"value\":" + value + ",\"txn\":" + txn;
        write("invoke", "send", key);
        ProducerRecord<String, String> record =
                new ProducerRecord<>(topic, partition, null, process + "." + number + " in a transaction");
        number++;
        producer.send(record, (sent, problem) -> {
            try {
                if (problem == null) {
                    write("ok", "send", key + ",\"offset\":" + sent.offset());
                } else {
                    write("info", "send", key + ",\"error\":\"" + problem.getClass().getSimpleName() + "\"");
                }
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
    }

    /** What others are told of the group. */
    private void look() throws IOException {
        TopicPartition partition = new TopicPartition(topic, 0);
        write("invoke", "fetch_committed", "\"n\":0");
        try {
            OffsetAndMetadata found = consumer.committed(Set.of(partition)).get(partition);
            long offset = found == null ? 0 : found.offset();
            write("ok", "fetch_committed", "\"offsets\":{\"" + topic + "-0\":" + offset + "}");
        } catch (TimeoutException e) {
            write("info", "fetch_committed", "\"n\":0");
        }
    }

    private synchronized void write(String type, String f, String more) throws IOException {
        // The monotonic clock, as Python has it too.
        out.write(String.format("{\"type\":\"%s\",\"f\":\"%s\",\"process\":%d,\"group\":\"%s\",\"time\":%.6f,%s}%n",
                type, f, process, group, System.nanoTime() / 1e9, more));
        out.flush();
    }
}
