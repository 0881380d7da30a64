package ottla.suite;

/** A case's name in the lists: the method, and what sets one invocation apart from the others. */
final class CaseName {
    private CaseName() {
    }

    static String of(String method, String displayName) {
        String rest = displayName.replaceFirst(", MetadataVersion=.*", "")
            .replace("Type=Raft-", "").replaceAll("[\\t\\r\\n]+", " ").replaceFirst("^\"(.*)\"$", "$1");
        if (rest.startsWith(method)) {
            rest = rest.substring(method.length()).replaceFirst("^\\([^)]*\\)", "").replaceFirst("^\\.", "");
        }
        String name = (method + " " + rest.trim()).trim();
        return name.substring(0, Math.min(name.length(), 160));
    }
}
