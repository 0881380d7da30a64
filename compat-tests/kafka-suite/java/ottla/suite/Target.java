package ottla.suite;

import java.util.ArrayList;
import java.util.List;

/** The broker under test: commands from system properties, in which {@code {config}} is the node's file. */
public final class Target {
    /** Whether a broker and a controller of their own become one process with both roles. */
    static final boolean FOLDS = Boolean.getBoolean("suite.folds");

    private Target() {
    }

    static List<String> startCommand(String config) {
        return command("suite.start", config);
    }

    private static List<String> command(String property, String config) {
        List<String> words = new ArrayList<>();
        for (String word : System.getProperty(property, "").split(" ")) {
            if (!word.isEmpty()) {
                words.add(word.replace("{config}", config));
            }
        }
        return words;
    }
}
