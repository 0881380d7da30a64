package ottla.suite;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.Launcher;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs the test class of each line of standard input, and tells of each case as it ends:
 * {@code CASE status name milliseconds reason}, tabs between; {@code DONE class} after a class.
 */
public final class Run implements TestExecutionListener {
    private static final String CASE_LIMIT = System.getProperty("suite.case.limit", "240 s");

    private final PrintStream out;
    private final Map<String, Long> started = new ConcurrentHashMap<>();

    private Run(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err);
        Node.prepare();
        Launcher launcher = LauncherFactory.create();
        BufferedReader names = new BufferedReader(new InputStreamReader(System.in));
        for (String name = names.readLine(); name != null; name = names.readLine()) {
            launcher.execute(LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(name))
                .configurationParameter("junit.jupiter.execution.timeout.testable.method.default", CASE_LIMIT)
                .configurationParameter("junit.jupiter.execution.timeout.lifecycle.method.default", CASE_LIMIT)
                .configurationParameter("junit.jupiter.extensions.autodetection.enabled", "true")
                .build(), new Run(out));
            tell(out, "DONE", name);
        }
        System.exit(0);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
        started.put(test.getUniqueId(), System.nanoTime());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
        if (!test.getParentId().isEmpty()) {
            tell(out, "CASE", "skipped", name(test), "0", reason);
        }
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        boolean failed = result.getStatus() == TestExecutionResult.Status.FAILED;
        if (!test.isTest() && !failed) {
            return;
        }
        String status = switch (result.getStatus()) {
            case SUCCESSFUL -> "passed";
            case ABORTED -> "skipped";
            case FAILED -> "failed";
        };
        long millis = (System.nanoTime() - started.getOrDefault(test.getUniqueId(), System.nanoTime())) / 1_000_000;
        tell(out, "CASE", status, name(test), Long.toString(millis),
            result.getThrowable().map(Run::reason).orElse(""));
        if (status.equals("failed")) {
            System.err.println("== failed: " + test.getUniqueId());
            result.getThrowable().ifPresent(Throwable::printStackTrace);
        }
    }

    private static String name(TestIdentifier test) {
        return test.getSource().filter(MethodSource.class::isInstance).map(MethodSource.class::cast)
            .map(source -> CaseName.of(source.getMethodName(), test.getDisplayName())).orElse("*");
    }

    private static Throwable root(Throwable failure) {
        Throwable root = failure;
        while (root.getCause() != null && root.getCause() != root) {
            root = root.getCause();
        }
        return root;
    }

    private static String reason(Throwable failure) {
        return root(failure) == failure ? failure.toString() : failure + " <- " + root(failure);
    }

    private static void tell(PrintStream out, String... fields) {
        StringBuilder line = new StringBuilder();
        for (String field : fields) {
            String plain = field.replaceAll("[\\t\\r\\n]+", " ");
            line.append(line.length() == 0 ? "" : "\t").append(plain, 0, Math.min(plain.length(), 600));
        }
        out.println(line);
        out.flush();
    }
}
