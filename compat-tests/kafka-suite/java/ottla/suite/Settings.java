package ottla.suite;

import java.io.IOException;
import java.io.Writer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A node's {@code server.properties}: what the test asked for, with the real ports. */
final class Settings {
    private static final Pattern LISTENER = Pattern.compile("([^:/]+)://([^:]*):(-?\\d+)");

    final Map<String, String> values = new TreeMap<>();

    Settings(Map<String, Object> originals) {
        originals.forEach((key, value) -> {
            if (value != null) {
                values.put(key, text(value));
            }
        });
    }

    private static String text(Object value) {
        if (value instanceof List<?> list) {
            return list.stream().map(String::valueOf).collect(Collectors.joining(","));
        }
        return value instanceof Class<?> type ? type.getName() : value.toString();
    }

    /** Name to address of {@code listeners}, in its order. */
    Map<String, InetSocketAddress> listeners() {
        Map<String, InetSocketAddress> found = new java.util.LinkedHashMap<>();
        Matcher each = LISTENER.matcher(values.getOrDefault("listeners", ""));
        while (each.find()) {
            String host = each.group(2).isEmpty() ? "0.0.0.0" : each.group(2);
            found.put(each.group(1).replaceFirst("^,", ""), new InetSocketAddress(host, Integer.parseInt(each.group(3))));
        }
        return found;
    }

    /** Puts ports in place of those that the test left to the system. */
    void usePorts(Map<String, Integer> ports) {
        for (String key : List.of("listeners", "advertised.listeners")) {
            values.computeIfPresent(key, (name, listeners) -> {
                StringJoiner result = new StringJoiner(",");
                Matcher each = LISTENER.matcher(listeners);
                while (each.find()) {
                    String listener = each.group(1).replaceFirst("^,", "");
                    int wanted = Integer.parseInt(each.group(3));
                    int port = wanted == 0 ? ports.getOrDefault(listener, wanted) : wanted;
                    result.add(listener + "://" + each.group(2) + ":" + port);
                }
                return result.toString();
            });
        }
    }

    /** Only the folder of the metadata is formatted for a controller that has no partitions. */
    void useMetadataFolder() {
        if (values.getOrDefault("process.roles", "").equals("controller")) {
            values.putIfAbsent("log.dirs", values.get("metadata.log.dir"));
        }
    }

    /** Leaves the controller of a node that has both roles. */
    void dropBroker() {
        String controller = values.get("controller.listener.names").split(",")[0];
        values.put("process.roles", "controller");
        values.put("log.dirs", values.get("metadata.log.dir"));
        values.put("listeners", Stream.of(values.get("listeners").split(","))
            .filter(each -> each.startsWith(controller + ":")).collect(Collectors.joining(",")));
        values.keySet().removeAll(List.of("advertised.listeners", "inter.broker.listener.name"));
    }

    boolean hasUnknownVoters() {
        return values.getOrDefault("controller.quorum.voters", "").matches(".*:0(,.*)?");
    }

    void useVoters(Map<Integer, InetSocketAddress> voters) {
        values.put("controller.quorum.voters", voters.entrySet().stream()
            .map(voter -> voter.getKey() + "@localhost:" + voter.getValue().getPort())
            .collect(Collectors.joining(",")));
    }

    /** Takes the controller's role, listeners and settings into this broker's. */
    void fold(Settings controller) {
        controller.values.forEach(values::putIfAbsent);
        append("listeners", controller.values.get("listeners"));
        append("listener.security.protocol.map", controller.values.get("listener.security.protocol.map"));
        values.put("process.roles", "broker,controller");
        values.remove("metadata.log.dir");
    }

    /** Adds what a list lacks, by the name before the first colon. */
    private void append(String key, String more) {
        Map<String, String> byName = new java.util.LinkedHashMap<>();
        for (String entry : (values.getOrDefault(key, "") + "," + (more == null ? "" : more)).split(",")) {
            if (!entry.isBlank()) {
                byName.putIfAbsent(entry.split(":", 2)[0], entry);
            }
        }
        values.put(key, String.join(",", byName.values()));
    }

    void write(Path file) throws IOException {
        Properties properties = new Properties();
        properties.putAll(values);
        try (Writer writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        }
    }
}
