import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.Schema;

/**
 * Writes what Apache Kafka's generated classes make of messages and records, as an oracle for other codecs.
 *
 * Arguments: a folder for the output, then tables whose first column names messages.
 * messages.tsv has a line for each name, version and filling: "full" sets every field, "sparse" has null wherever it
 * may be, "default" is a new object; the last column is the bytes, or "!" where Kafka refuses to write them.
 * headers.tsv has the versions of both headers for each API and version.
 * fields.tsv has a line for each field that some version lacks: a message with that field set alone, at a version that
 * carries it, then what becomes of the same message at a version that does not.
 */
public final class Golden {
    private static final HexFormat HEX = HexFormat.of();

    private Golden() { }

    public static void main(String[] args) throws Exception {
        Path out = Path.of(args[0]);
        try (PrintStream headers = table(out.resolve("headers.tsv"))) {
            headers(headers);
        }
        Map<String, Class<?>> classes = classesOf(args);
        try (PrintStream messages = table(out.resolve("messages.tsv"));
             PrintStream fields = table(out.resolve("fields.tsv"))) {
            messages.println("message\tversion\tfilling\tbytes");
            fields.println("message\tfield\tversion\tbytes\tother version\tother bytes");
            for (Map.Entry<String, Class<?>> entry : classes.entrySet()) {
                fillings(messages, entry.getKey(), entry.getValue());
                singleFields(fields, entry.getKey(), entry.getValue());
            }
        }
    }

    private static void headers(PrintStream out) {
        out.println("api key\tversion\trequest header\tresponse header\tstable\tlisteners");
        for (ApiMessageType api : ApiMessageType.values()) {
            // Up to the newest, or what an unreleased feature would make it.
            for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); v++) {
                out.println(api.apiKey() + "\t" + v + "\t" + api.requestHeaderVersion(v) + "\t"
                    + api.responseHeaderVersion(v) + "\t" + (v <= api.highestSupportedVersion(false))
                    + "\t" + api.listeners());
            }
        }
    }

    private static PrintStream table(Path path) throws IOException {
        return new PrintStream(Files.newOutputStream(path), false, StandardCharsets.UTF_8);
    }

    /** The generated class of each name in the tables. */
    private static Map<String, Class<?>> classesOf(String[] args) throws Exception {
        Map<String, Class<?>> found = new TreeMap<>();
        for (int i = 1; i < args.length; i++) {
            try (Stream<String> lines = Files.lines(Path.of(args[i]))) {
                lines.skip(1).map(line -> line.split("\t", 2)[0]).forEach(name -> found.put(name, null));
            }
        }
        for (String jar : System.getProperty("java.class.path").split(":")) {
            if (jar.endsWith(".jar")) {
                findIn(jar, found);
            }
        }
        found.remove("AbortedTxn"); // the one that Kafka writes by hand
        found.forEach((name, type) -> {
            if (type == null) {
                throw new IllegalStateException("no class for " + name);
            }
        });
        return found;
    }

    private static void findIn(String jar, Map<String, Class<?>> found) throws Exception {
        try (JarFile file = new JarFile(jar)) {
            for (var entry : (Iterable<java.util.jar.JarEntry>) file.stream()::iterator) {
                String path = entry.getName();
                if (!path.startsWith("org/apache/kafka/") || !path.endsWith(".class") || path.contains("$")) {
                    continue;
                }
                String simple = path.substring(path.lastIndexOf('/') + 1, path.length() - ".class".length());
                String name = found.containsKey(simple) ? simple : simple.replaceFirst("Data$", "");
                if (found.containsKey(name)) {
                    Class<?> type = Class.forName(path.replace('/', '.').substring(0, path.length() - 6));
                    if (Message.class.isAssignableFrom(type) && found.put(name, type) != null) {
                        throw new IllegalStateException("two classes for " + name);
                    }
                }
            }
        }
    }

    private static Message create(Class<?> type) throws Exception {
        return (Message) type.getConstructor().newInstance();
    }

    private static void fillings(PrintStream out, String name, Class<?> type) throws Exception {
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        Message empty = create(type);
        for (short v = empty.lowestSupportedVersion(); v <= empty.highestSupportedVersion(); v++) {
            for (boolean full : new boolean[] {true, false}) {
                byte[] bySchema = new SchemaFiller(full).bytes(schemas[v]);
                String hex = write(read(type, bySchema, v), v);
                if (full && !hex.equals(HEX.formatHex(bySchema))) {
                    throw new IllegalStateException(name + " v" + v + ": schema and class disagree");
                }
                out.println(name + "\t" + v + "\t" + (full ? "full" : "sparse") + "\t" + hex);
            }
            out.println(name + "\t" + v + "\tdefault\t" + write(empty, v));
        }
    }

    private static void singleFields(PrintStream out, String name, Class<?> type) throws Exception {
        for (List<String> path : FieldSetter.paths(type)) {
            Message set = create(type);
            FieldSetter.set(set, path);
            short carrier = carrier(type, set);
            for (short v = set.lowestSupportedVersion(); carrier >= 0 && v <= set.highestSupportedVersion(); v++) {
                if (!carries(type, set, v)) {
                    out.println(String.join("\t", name, String.join(".", path), Short.toString(carrier),
                        write(set, carrier), Short.toString(v), write(set, v)));
                }
            }
        }
    }

    private static short carrier(Class<?> type, Message message) throws Exception {
        for (short v = message.highestSupportedVersion(); v >= message.lowestSupportedVersion(); v--) {
            if (carries(type, message, v)) {
                return v;
            }
        }
        return -1;
    }

    private static boolean carries(Class<?> type, Message message, short version) throws Exception {
        String hex = write(message, version);
        return !hex.equals("!") && read(type, HEX.parseHex(hex), version).equals(message);
    }

    private static Message read(Class<?> type, byte[] bytes, short version) throws Exception {
        ByteBufferAccessor accessor = new ByteBufferAccessor(java.nio.ByteBuffer.wrap(bytes));
        Message message = create(type);
        message.read(accessor, version);
        if (accessor.remaining() != 0) {
            throw new IllegalStateException(type + " v" + version + ": bytes left");
        }
        return message;
    }

    private static String write(Message message, short version) {
        try {
            var buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            return HEX.formatHex(bytes);
        } catch (RuntimeException refused) {
            return "!";
        }
    }
}
