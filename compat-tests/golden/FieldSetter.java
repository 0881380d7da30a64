import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.record.internal.BaseRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.utils.ImplicitLinkedHashCollection;

/** Sets one field of a generated object, however deep, and leaves the others at their defaults. */
final class FieldSetter {
    private FieldSetter() { }

    /** Every field of a generated class, as the names that lead to it. */
    static List<List<String>> paths(Class<?> type) {
        List<List<String>> paths = new ArrayList<>();
        for (Field field : fields(type)) {
            paths.add(List.of(field.getName()));
            Class<?> inner = elementType(field);
            if (Message.class.isAssignableFrom(inner)) {
                for (List<String> rest : paths(inner)) {
                    List<String> path = new ArrayList<>(List.of(field.getName()));
                    path.addAll(rest);
                    paths.add(path);
                }
            }
        }
        return paths;
    }

    private static List<Field> fields(Class<?> type) {
        List<Field> fields = new ArrayList<>();
        boolean linked = ImplicitLinkedHashCollection.Element.class.isAssignableFrom(type);
        for (Field field : type.getDeclaredFields()) {
            boolean link = linked && (field.getName().equals("next") || field.getName().equals("prev"));
            if (!Modifier.isStatic(field.getModifiers()) && !field.getName().startsWith("_") && !link) {
                field.setAccessible(true);
                fields.add(field);
            }
        }
        return fields;
    }

    /** What a collection holds, or the field's own type. */
    private static Class<?> elementType(Field field) {
        if (field.getGenericType() instanceof ParameterizedType list) {
            return (Class<?>) list.getActualTypeArguments()[0];
        }
        if (Collection.class.isAssignableFrom(field.getType())) {
            var collection = (ParameterizedType) field.getType().getGenericSuperclass();
            return (Class<?>) collection.getActualTypeArguments()[0];
        }
        return field.getType();
    }

    static void set(Object object, List<String> path) throws Exception {
        Field field = object.getClass().getDeclaredField(path.get(0));
        field.setAccessible(true);
        Object value = changed(field, field.get(object));
        field.set(object, value);
        if (path.size() > 1) {
            Object inner = value instanceof Collection<?> many ? many.iterator().next() : value;
            set(inner, path.subList(1, path.size()));
        }
    }

    private static Object changed(Field field, Object old) throws Exception {
        if (Collection.class.isAssignableFrom(field.getType())) {
            @SuppressWarnings("unchecked")
            Collection<Object> many = (Collection<Object>) (field.getType() == List.class
                ? new ArrayList<>() : field.getType().getConstructor().newInstance());
            many.add(plain(elementType(field), null));
            return many;
        }
        return plain(field.getType(), old);
    }

    private static Object plain(Class<?> type, Object old) throws Exception {
        if (Message.class.isAssignableFrom(type)) {
            return old != null ? old : type.getConstructor().newInstance();
        }
        return switch (type.getSimpleName()) {
            case "boolean", "Boolean" -> !Boolean.TRUE.equals(old);
            case "byte", "Byte" -> (byte) 33;
            case "short", "Short" -> (short) 34;
            case "int", "Integer" -> 35;
            case "long", "Long" -> 36L;
            case "double", "Double" -> 37.5;
            case "String" -> "text";
            case "Uuid" -> new Uuid(38, 39);
            case "byte[]" -> new byte[] {40};
            case "ByteBuffer" -> ByteBuffer.wrap(new byte[] {41});
            case "BaseRecords" -> MemoryRecords.readableRecords(ByteBuffer.wrap(new byte[] {42}));
            default -> throw new IllegalStateException("no such type: " + type);
        };
    }
}
