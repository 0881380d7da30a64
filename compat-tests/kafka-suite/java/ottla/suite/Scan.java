package ottla.suite;

import java.io.InputStream;
import java.lang.annotation.Annotation;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;

/** Prints the test classes of the jars named that start a cluster: {@code jar class framework methods}, tabs between. */
public final class Scan {
    private static final List<String> KITS =
        List.of("EmbeddedKafkaCluster", "EmbeddedConnectCluster", "EmbeddedConnectStandalone", "KafkaClusterTestKit");

    private Scan() {
    }

    public static void main(String[] jars) throws Exception {
        for (String jar : jars) {
            TreeSet<String> names = new TreeSet<>();
            try (JarFile file = new JarFile(jar)) {
                for (JarEntry entry : (Iterable<JarEntry>) file.stream()::iterator) {
                    if (entry.getName().endsWith(".class")) {
                        names.add(entry.getName().replace(".class", "").replace('/', '.'));
                    }
                }
            }
            for (String name : names) {
                look(jar, name);
            }
        }
    }

    private static void look(String jar, String name) throws Exception {
        Class<?> type;
        List<String> tests = new ArrayList<>();
        try {
            type = Class.forName(name, false, Scan.class.getClassLoader());
            for (Class<?> each = type; each != null; each = each.getSuperclass()) {
                for (Method method : each.getDeclaredMethods()) {
                    for (Annotation annotation : method.getAnnotations()) {
                        String simple = annotation.annotationType().getSimpleName();
                        if (simple.matches("Test|ParameterizedTest|RepeatedTest|ClusterTest|ClusterTests|ClusterTemplate|TestTemplate")) {
                            tests.add(simple);
                        }
                    }
                }
            }
        } catch (LinkageError missing) {
            System.err.println(name + ": " + missing);
            return;
        }
        boolean nested = type.getEnclosingClass() != null;
        if (tests.isEmpty() || nested || Modifier.isAbstract(type.getModifiers())) {
            return;
        }
        String framework = framework(type, tests);
        if (framework != null) {
            System.out.println(String.join("\t", jar.replaceAll(".*/|-4.*", ""), name, framework, "" + tests.size()));
        }
    }

    private static String framework(Class<?> type, List<String> tests) throws Exception {
        if (tests.stream().anyMatch(test -> test.startsWith("Cluster"))) {
            return "ClusterInstance";
        }
        for (Class<?> each = type; each != null && each != Object.class; each = each.getSuperclass()) {
            if (each.getName().equals("kafka.server.QuorumTestHarness")) {
                return "QuorumTestHarness";
            }
        }
        for (Class<?> each = type; each != null && each != Object.class; each = each.getSuperclass()) {
            try (InputStream in = each.getResourceAsStream("/" + each.getName().replace('.', '/') + ".class")) {
                String code = in == null ? "" : new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
                for (String kit : KITS) {
                    if (code.contains("/" + kit)) {
                        return kit;
                    }
                }
            }
        }
        return null;
    }
}
