package ottla.suite;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips the cases of a list: lines of {@code class case reason}, tabs between, with * for any part of a case's name.
 * With a method that is asked for it skips the others instead.
 */
public final class LeftOut implements ExecutionCondition {
    private record Line(String type, Pattern name, String reason) {
    }

    private static final String ONLY = System.getProperty("suite.only", "");
    private static final List<Line> LINES = read(System.getProperty("suite.left.out", ""));

    private static List<Line> read(String file) {
        List<Line> lines = new ArrayList<>();
        try {
            for (String line : file.isEmpty() ? List.<String>of() : Files.readAllLines(Path.of(file))) {
                String[] fields = line.split("\t");
                if (fields.length != 3) {
                    throw new IllegalArgumentException(file + " has a line of other than three fields: " + line);
                }
                String pattern = "\\Q" + fields[1].replace("*", "\\E.*\\Q") + "\\E";
                lines.add(new Line(fields[0], Pattern.compile(pattern), fields[2]));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return lines;
    }

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        if (context.getTestMethod().isPresent() && !ONLY.isEmpty()) {
            return context.getRequiredTestMethod().getName().equals(ONLY)
                ? ConditionEvaluationResult.enabled("asked for") : ConditionEvaluationResult.disabled("not asked for");
        }
        if (context.getTestMethod().isPresent()) {
            String type = context.getRequiredTestClass().getName();
            String name = CaseName.of(context.getRequiredTestMethod().getName(), context.getDisplayName());
            for (Line line : LINES) {
                if (line.type.equals(type) && line.name.matcher(name).matches()) {
                    return ConditionEvaluationResult.disabled("left out: " + line.reason);
                }
            }
        }
        return ConditionEvaluationResult.enabled("");
    }
}
