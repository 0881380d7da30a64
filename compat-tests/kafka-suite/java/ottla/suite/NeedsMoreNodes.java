package ottla.suite;

/** A test wants a cluster of several nodes, and these are folded into one. */
final class NeedsMoreNodes extends IllegalStateException {
    private static final long serialVersionUID = 1;

    NeedsMoreNodes(int brokers, int controllers) {
        super("needs " + brokers + " brokers and " + controllers + " controllers");
    }
}
