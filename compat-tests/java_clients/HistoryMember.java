package ottla.compat;

import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a group that writes the history that checker/history.py reads, with the generation in which it owns what;
 * arguments: file, process, topic, configs as key=value. Ends on SIGTERM.
 */
final class HistoryMember implements ConsumerRebalanceListener {
    private static final long COMMIT_EVERY_NS = 200_000_000;

    private final Writer out;
    private final int process;
    private final String group;
    private final KafkaConsumer<String, String> consumer;
    private final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
    private int generation = -1;
    private Set<TopicPartition> owned = Set.of();
    private long committedAt = System.nanoTime();

    private HistoryMember(Path file, int process, Map<String, Object> config) throws IOException {
        out = Files.newBufferedWriter(file);
        this.process = process;
        group = (String) config.get("group.id");
        consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, Object> config = new HashMap<>(Map.of("enable.auto.commit", false, "auto.offset.reset", "earliest"));
        for (String pair : List.of(arguments).subList(3, arguments.length)) {
            int at = pair.indexOf('=');
            config.put(pair.substring(0, at), pair.substring(at + 1));
        }
        HistoryMember member = new HistoryMember(Path.of(arguments[0]), Integer.parseInt(arguments[1]), config);
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            member.consumer.wakeup();
            try {
                ended.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            member.run(arguments[2]);
        } finally {
            ended.countDown();
        }
    }

    private void run(String topic) throws IOException {
        try {
            write("info", "joins", "\"n\":0");
            consumer.subscribe(List.of(topic), this);
            while (true) {
                note();
                if (!next.isEmpty() && System.nanoTime() - committedAt > COMMIT_EVERY_NS) {
                    commit();
                }
            }
        } catch (WakeupException e) {
            consumer.close();
        } finally {
            out.close();
        }
    }

    private void note() throws IOException {
        Map<String, StringBuilder> read = new TreeMap<>();
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
            StringBuilder records = read.computeIfAbsent(record.topic() + "-" + record.partition(), key -> new StringBuilder());
            records.append(records.isEmpty() ? "[" : ",[").append(record.offset()).append(',').append(valueOf(record.value()));
            records.append(']');
            next.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        noteOwned();
        if (!read.isEmpty()) {
            String all = read.entrySet().stream()
                    .map(each -> "\"" + each.getKey() + "\":[" + each.getValue() + "]").collect(Collectors.joining(","));
            write("ok", "poll", "\"read\":{" + all + "}");
        }
    }

    /** What it owns and in which generation, whenever either is another. */
    private void noteOwned() throws IOException {
        int now = consumer.groupMetadata().generationId();
        Set<TopicPartition> assigned = new HashSet<>(consumer.assignment());
        if (now >= 0 && (now != generation || !assigned.equals(owned))) {
            generation = now;
            owned = assigned;
            write("ok", "owns", "\"generation\":" + now + ",\"keys\":" + names(assigned));
        }
    }

    private void commit() throws IOException {
        write("invoke", "commit", "\"n\":0");
        try {
            consumer.commitSync(next, Duration.ofSeconds(20));
            String offsets = next.entrySet().stream()
                    .map(each -> "\"" + each.getKey() + "\":" + each.getValue().offset()).collect(Collectors.joining(","));
            write("ok", "commit", "\"offsets\":{" + offsets + "}");
        } catch (WakeupException e) {
            write("info", "commit", "\"error\":\"wakeup\"");
            throw e;
        } catch (KafkaException e) {
            write("info", "commit", "\"error\":\"" + e.getClass().getSimpleName() + "\"");
        }
        next.clear();
        committedAt = System.nanoTime();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        unchecked(() -> write("ok", "assign", "\"keys\":" + names(partitions)));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        if (!next.isEmpty()) {
            unchecked(this::commit);
        }
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        next.keySet().removeAll(partitions);
    }

    private interface Writing {
        void run() throws IOException;
    }

    private static void unchecked(Writing writing) {
        try {
            writing.run();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static long valueOf(String text) {
        int padding = text.indexOf(' ');
        String[] parts = (padding < 0 ? text : text.substring(0, padding)).split("\\.");
        return Long.parseLong(parts[0]) << 40 | Long.parseLong(parts[1]);
    }

    private static String names(Collection<TopicPartition> partitions) {
        return partitions.stream().map(each -> "\"" + each + "\"").collect(Collectors.joining(",", "[", "]"));
    }

    private void write(String type, String f, String more) throws IOException {
        // The monotonic clock, as Python has it too.
        out.write(String.format("{\"type\":\"%s\",\"f\":\"%s\",\"process\":%d,\"group\":\"%s\",\"time\":%.6f,%s}%n",
                type, f, process, group, System.nanoTime() / 1e9, more));
        out.flush();
    }
}
