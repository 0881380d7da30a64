package ottla.suite;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

import org.mockito.Mockito;
import org.mockito.invocation.InvocationOnMock;

/** An object of a broker's insides that answers what methods of the same name and parameters of ours answer. */
public final class StandIn {
    private StandIn() {
    }

    public static <T> T of(Class<T> type, Object answers) {
        return Mockito.mock(type, Mockito.withSettings().stubOnly().defaultAnswer(call -> answer(type, answers, call)));
    }

    private static Object answer(Class<?> type, Object answers, InvocationOnMock call) throws Throwable {
        Method asked = call.getMethod();
        Method ours;
        try {
            ours = answers.getClass().getMethod(asked.getName(), asked.getParameterTypes());
        } catch (NoSuchMethodException none) {
            throw unanswered(type.getSimpleName() + "." + asked.getName());
        }
        try {
            ours.setAccessible(true);
            return ours.invoke(answers, call.getArguments());
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    public static UnsupportedOperationException unanswered(String what) {
        return new UnsupportedOperationException("look-up " + what + " isn't answered over the wire");
    }
}
