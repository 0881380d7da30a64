import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/** Fills a schema with values that differ from field to field and are the same in each run. */
final class SchemaFiller {
    private final boolean full;
    private int counter;

    SchemaFiller(boolean full) {
        this.full = full;
    }

    byte[] bytes(Schema schema) {
        Struct struct = struct(schema, 0);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        return buffer.array();
    }

    private Struct struct(Schema schema, int depth) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields()) {
            struct.set(field, value(field.def.type, depth));
        }
        return struct;
    }

    private Object value(Type type, int depth) {
        if (!full && type.isNullable()) {
            return null;
        }
        if (type instanceof Schema schema) {
            return struct(schema, depth);
        }
        if (type instanceof TaggedFields tagged) {
            return tagged(tagged, depth);
        }
        if (type.isArray()) {
            Object[] elements = new Object[full && depth == 0 ? 2 : 1];
            Arrays.setAll(elements, i -> value(type.arrayElementType().get(), depth + 1));
            return elements;
        }
        counter += 1;
        return scalar(type.toString());
    }

    private Object scalar(String type) {
        return switch (type) {
            case "BOOLEAN" -> full;
            case "INT8" -> (byte) (full ? counter % 128 : -1);
            case "INT16" -> (short) (full ? 256 + counter : -1);
            case "UINT16" -> full ? 40000 + counter : 0;
            case "INT32" -> full ? 65536 + counter : -1;
            case "UINT32" -> full ? 3000000000L + counter : 0L;
            case "INT64" -> full ? (1L << 33) + counter : -1L;
            case "FLOAT64" -> full ? counter + 0.5 : 0.0;
            case "UUID" -> full ? new Uuid(counter, ~counter) : Uuid.ZERO_UUID;
            case "STRING", "NULLABLE_STRING", "COMPACT_STRING", "COMPACT_NULLABLE_STRING" ->
                full ? "é" + counter : "";
            case "BYTES", "NULLABLE_BYTES", "COMPACT_BYTES", "COMPACT_NULLABLE_BYTES" ->
                ByteBuffer.wrap(full ? new byte[] {(byte) counter, 0, 1} : new byte[0]);
            case "RECORDS", "NULLABLE_RECORDS", "COMPACT_RECORDS", "COMPACT_NULLABLE_RECORDS" ->
                MemoryRecords.readableRecords(ByteBuffer.wrap(full ? new byte[] {(byte) counter, 2} : new byte[0]));
            default -> throw new IllegalStateException("no such type: " + type);
        };
    }

    /** All known tagged fields and one that nobody knows, or none. */
    private NavigableMap<Integer, Object> tagged(TaggedFields tagged, int depth) {
        NavigableMap<Integer, Object> values = new TreeMap<>();
        if (full) {
            for (var entry : tagged.fields().entrySet()) {
                Field field = entry.getValue();
                values.put(entry.getKey(), value(field.type, depth));
            }
            values.put(500, new RawTaggedField(500, new byte[] {(byte) counter}));
        }
        return values;
    }
}
