package ottla.compat;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.List;

/**
 * Runs cases named on standard input, one a line, in one JVM: a case is a static method of one of the
 * classes below that takes a {@link Support}. Answers "ok NAME" or, after the reason, "not ok NAME".
 */
public final class Cases {
    private static final List<Class<?>> CLASSES = List.of(
            ProducerCases.class, ConsumerCases.class, GroupCases.class, AdminCases.class, AdminGroupCases.class,
            TransactionCases.class, TransactionEndCases.class, TransactionGroupCases.class, TransactionAdminCases.class);

    private Cases() {}

    public static void main(String[] arguments) throws Exception {
        Support support = new Support(arguments[0]);
        BufferedReader names = new BufferedReader(new InputStreamReader(System.in));
        for (String name = names.readLine(); name != null; name = names.readLine()) {
            run(name, support);
        }
    }

    private static void run(String name, Support support) {
        try {
            find(name).invoke(null, support);
            System.out.println("ok " + name);
        } catch (InvocationTargetException failed) {
            report(name, failed.getCause());
        } catch (ReflectiveOperationException failed) {
            report(name, failed);
        }
    }

    private static void report(String name, Throwable problem) {
        StringWriter text = new StringWriter();
        problem.printStackTrace(new PrintWriter(text));
        System.out.println(text);
        System.out.println("not ok " + name);
    }

    private static Method find(String name) throws NoSuchMethodException {
        for (Class<?> each : CLASSES) {
            for (Method method : each.getDeclaredMethods()) {
                if (method.getName().equals(name)) {
                    return method;
                }
            }
        }
        throw new NoSuchMethodException("no case " + name);
    }
}
