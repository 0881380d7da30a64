package ottla.suite;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

import kafka.server.SharedServer;

import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.metadata.bootstrap.BootstrapDirectory;
import org.apache.kafka.metadata.properties.MetaProperties;
import org.apache.kafka.metadata.properties.MetaPropertiesEnsemble;
import org.apache.kafka.metadata.properties.PropertiesUtils;

/** One node of a test's cluster as an external process. */
public final class Node {
    private static final Duration START_LIMIT = Duration.ofSeconds(60);
    public static final Duration STOP_LIMIT = Duration.ofMinutes(1);
    /** Starts all processes: the kernel ends a process whose parent, a thread, has ended. */
    private static final ExecutorService STARTER = Executors.newSingleThreadExecutor(task -> {
        Thread thread = new Thread(task, "suite-starter");
        thread.setDaemon(true);
        return thread;
    });

    public final int id;
    private final SharedServer server;
    private final Path folder;
    /** By the name of a listener, in any case. */
    private final Map<String, Integer> ports = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private Process process;
    /** Of a node with both roles, whose broker alone was stopped. */
    private volatile boolean hasLostItsBroker;
    private volatile boolean isEnding;

    /** Has the one thread that stays before the first test looks for threads left behind. */
    static void prepare() throws Exception {
        STARTER.submit(() -> null).get();
    }

    public Node(SharedServer server) {
        this.server = server;
        this.id = server.config().nodeId();
        try {
            this.folder = Files.createTempDirectory("suite-node-" + id + "-");
        } catch (IOException error) {
            throw new java.io.UncheckedIOException(error);
        }
    }

    /** Takes ports from the test's sockets and lets go of these, for the process to take over. */
    public synchronized void bind() throws IOException {
        for (Map.Entry<String, InetSocketAddress> listener : settings().listeners().entrySet()) {
            if (!ports.containsKey(listener.getKey())) {
                try (ServerSocketChannel socket =
                         server.socketFactory.openServerSocket(listener.getKey(), listener.getValue(), 50, -1)) {
                    ports.put(listener.getKey(), socket.socket().getLocalPort());
                }
            }
        }
    }

    public synchronized int port(String listener) {
        return ports.getOrDefault(listener, -1);
    }

    private Settings settings() {
        return new Settings(server.config().originals());
    }

    boolean hasStaticVoters() {
        return settings().values.containsKey("controller.quorum.voters");
    }

    /** Starts the process and waits until it serves: a broker until it is unfenced. */
    public void start() throws Exception {
        if (hasLostItsBroker) {
            stop(STOP_LIMIT);
        }
        bind();
        Settings settings = settings();
        Cluster cluster = server.cluster;
        if (cluster.isFolded()) {
            Node controller = cluster.theController().node;
            controller.bind();
            settings.fold(controller.settings());
            Map<String, Integer> all = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            all.putAll(ports);
            all.putAll(controller.ports);
            settings.usePorts(all);
            String listener = settings.values.get("controller.listener.names").split(",")[0];
            settings.values.put("controller.quorum.voters", id + "@localhost:" + all.get(listener));
        } else {
            settings.usePorts(ports);
            settings.useMetadataFolder();
            if (settings.hasUnknownVoters()) {
                settings.useVoters(server.controllerQuorumVotersFuture.get(START_LIMIT.toSeconds(), TimeUnit.SECONDS));
            }
        }
        if (cluster.isFolded() || isController()) {
            format(settings);
        }
        run(settings);
        waitUntilServing();
    }

    /** Stops the broker, and not the controller that may be in the same process: in Kafka's tests it goes on. */
    public void stopBroker(Duration limit) throws Exception {
        stop(limit);
        if (isController() && !Cluster.isTestEnding()) {
            hasLostItsBroker = true;
            Settings settings = settings();
            settings.usePorts(ports);
            settings.dropBroker();
            run(settings);
            waitUntilServing();
        }
    }

    private boolean isController() {
        return server.config().processRoles().contains(org.apache.kafka.server.ProcessRole.ControllerRole);
    }

    public boolean isBroker() {
        return server.config().processRoles().contains(org.apache.kafka.server.ProcessRole.BrokerRole);
    }

    /**
     * A controller's first start has a version of the metadata that is released, which is not what the tests formatted.
     * A broker with the controller folded into it has been formatted for one elsewhere.
     */
    private void format(Settings settings) throws IOException {
        String first = server.config().logDirs().get(0);
        String metadata = settings.values.getOrDefault("metadata.log.dir", first);
        if (server.cluster.formatted.add(metadata)) {
            if (server.cluster.isFolded()) {
                Utils.delete(new File(metadata, "__cluster_metadata-0"));
            }
            new BootstrapDirectory(metadata).writeBinaryFile(server.cluster.bootstrap());
            identify();
        }
    }

    /** The log dirs get the ids by which the test knows them. It formats some with others, which Kafka in its own process never reads. */
    private void identify() throws IOException {
        for (Map.Entry<String, MetaProperties> each : server.metaPropsEnsemble().logDirProps().entrySet()) {
            File file = new File(each.getKey(), MetaPropertiesEnsemble.META_PROPERTIES_NAME);
            if (file.exists()) {
                PropertiesUtils.writePropertiesFile(each.getValue().toProperties(), file.getPath(), false);
            }
        }
    }

    /** In the directory of the test: it may name log dirs relative to this. */
    private ProcessBuilder builder(List<String> command) {
        return new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(folder.resolve("log").toFile()));
    }

    private void run(Settings settings) throws ExecutionException, InterruptedException, IOException {
        Path config = folder.resolve("server.properties");
        settings.write(config);
        List<String> command = Target.startCommand(config.toString());
        List<String> bound = new ArrayList<>(List.of("setpriv", "--pdeathsig", "KILL"));
        bound.addAll(command);
        Process started = STARTER.submit(() -> builder(bound).start()).get();
        synchronized (this) {
            process = started;
        }
    }

    private void waitUntilServing() throws InterruptedException, IOException {
        long deadline = System.nanoTime() + START_LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            if (isServing()) {
                return;
            }
            synchronized (this) {
                if (process == null) {
                    throw new IOException("node " + id + " was stopped while it started");
                }
                if (process.waitFor(20, TimeUnit.MILLISECONDS)) {
                    int code = process.exitValue();
                    process = null;
                    throw new IOException("node " + id + " ended with " + code + " while it started: " + logTail());
                }
            }
        }
        stop(Duration.ZERO);
        throw new IOException("node " + id + " does not serve after " + START_LIMIT.toSeconds() + " s: " + logTail());
    }

    private boolean isServing() {
        try {
            if (server.plainListener().isPresent()) {
                Wire wire = new Wire(server);
                if (isBroker() && !hasLostItsBroker) {
                    return wire.aliveBrokers().containsKey(id);
                }
                // One of several may have to wait for the others.
                return server.cluster.controllers.size() > 1 ? wire.serves(ApiKeys.DESCRIBE_QUORUM)
                    : wire.quorum().leader() == id;
            }
            for (int port : ports.values()) {
                new Socket(InetAddress.getByName("localhost"), port).close();
            }
            return true;
        } catch (IOException notYet) {
            return false;
        }
    }

    public synchronized boolean isRunning() {
        return process != null && process.isAlive();
    }

    public boolean isBrokerRunning() {
        return isRunning() && isBroker() && !hasLostItsBroker;
    }

    public boolean hasLostItsBroker() {
        return hasLostItsBroker;
    }

    /** TERM, and KILL to a process that has not ended by then; at once with no time at all. */
    public void stop(Duration limit) {
        try {
            if (isBroker() && isController() && Cluster.isTestEnding()) {
                server.cluster.letBrokersEndFirst();
            }
            isEnding = true;
            end(limit);
            hasLostItsBroker = false;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } finally {
            isEnding = false;
        }
    }

    private void end(Duration limit) throws InterruptedException {
        Process ending;
        synchronized (this) {
            ending = process;
            process = null;
        }
        if (ending == null) {
            return;
        }
        try {
            if (!limit.isZero()) {
                ending.destroy();
            }
            if (limit.isZero() || !ending.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                ending.destroyForcibly().waitFor();
            }
        } catch (InterruptedException error) {
            ending.destroyForcibly();
            throw error;
        }
    }

    boolean isEndingBroker() {
        return isEnding && !isController();
    }

    private String logTail() throws IOException {
        List<String> lines = Files.readAllLines(folder.resolve("log"), java.nio.charset.StandardCharsets.ISO_8859_1);
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 30), lines.size()));
    }
}
