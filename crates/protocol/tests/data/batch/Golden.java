// Writes the batches of this folder with Apache Kafka's own classes, and beside each what Kafka reads out of it:
//   java -cp 'kafka_2.13-4.3.1/libs/*' Golden.java <folder>

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

public class Golden {
    static Path folder;

    public static void main(String[] args) throws Exception {
        folder = Path.of(args[0]);
        Compression[] codecs = {
            Compression.NONE, Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build()};
        for (Compression codec : codecs) {
            String name = codec.type().name;
            write("small-" + name, MemoryRecords.withRecords(7000000000L, codec, 5, small()));
            if (codec.type() != CompressionType.NONE)
                write("large-" + name, MemoryRecords.withRecords(0L, codec, large(name.equals("lz4") ? 131_072 : 4_000)));
        }
        write("large-zstd-22", MemoryRecords.withRecords(0L, Compression.zstd().level(22).build(), large(4_000)));
        write("large-lz4-17", MemoryRecords.withRecords(0L, Compression.lz4().level(17).build(), large(4_000)));
        write("transactional", MemoryRecords.withRecords((byte) 2, 40L, Compression.NONE, TimestampType.CREATE_TIME,
            90210L, (short) 3, Integer.MAX_VALUE - 1, 9, true, small()));
        MemoryRecords appendTime = MemoryRecords.withRecords(0L, Compression.NONE, small());
        for (MutableRecordBatch batch : appendTime.batches())
            batch.setMaxTimestamp(TimestampType.LOG_APPEND_TIME, 1800000000000L);
        write("log-append-time", appendTime);
        for (ControlRecordType type : new ControlRecordType[] {ControlRecordType.ABORT, ControlRecordType.COMMIT})
            write("end-transaction-" + type.name().toLowerCase(Locale.ROOT), MemoryRecords.withEndTransactionMarker(
                77L, 1700000000001L, 4, 90210L, (short) 3, new EndTransactionMarker(type, 12)));
        write("leader-change", MemoryRecords.withLeaderChangeMessage(3L, 1700000000002L, 2, ByteBuffer.allocate(256),
            new LeaderChangeMessage().setLeaderId(1).setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))));
        ByteBuffer empty = ByteBuffer.allocate(61);
        DefaultRecordBatch.writeEmptyHeader(empty, (byte) 2, 90210L, (short) 3, 17, 100L, 109L, 4,
            TimestampType.CREATE_TIME, 1700000000003L, true, false);
        write("emptied", MemoryRecords.readableRecords(empty.flip()));
        write("delete-horizon", withGaps());
    }

    static SimpleRecord[] small() {
        byte[] key = bytes("key");
        Header[] headers = {
            new RecordHeader("same", bytes("1")), new RecordHeader("other", null), new RecordHeader("same", new byte[0])};
        return new SimpleRecord[] {
            new SimpleRecord(1700000000000L, key, bytes("value")),
            new SimpleRecord(1700000000500L, null, bytes("no key"), headers),
            new SimpleRecord(1699999999000L, key, null),
            new SimpleRecord(1700000000100L, new byte[0], new byte[0]),
        };
    }

    /** Several blocks of every codec; with enough noise LZ4 stores one as it is. */
    static SimpleRecord[] large(int noiseLength) {
        List<SimpleRecord> records = new ArrayList<>();
        long seed = 42;
        for (int i = 0; i < 2000; i++)
            records.add(new SimpleRecord(1700000000000L + i * 3, bytes("user-" + i % 17), bytes("{\"line\":" + i + "," + "x".repeat(90) + "}")));
        byte[] noise = new byte[noiseLength];
        for (int i = 0; i < noise.length; i++) {
            seed = seed * 6364136223846793005L + 1442695040888963407L;
            noise[i] = (byte) (seed >>> 33);
        }
        records.add(new SimpleRecord(1700000009999L, bytes("noise"), noise));
        return records.toArray(new SimpleRecord[0]);
    }

    static MemoryRecords withGaps() {
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(new ByteBufferOutputStream(4096), (byte) 2, Compression.NONE, TimestampType.CREATE_TIME,
            500L, -1L, -1L, (short) -1, -1, false, false, 4, 4096, 1750000000000L);
        int i = 1;
        for (SimpleRecord record : small()) {
            builder.appendWithOffset(500L + i, record);
            i += 3;
        }
        builder.overrideLastOffset(520L);
        return builder.build();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void write(String name, MemoryRecords records) throws Exception {
        ByteBuffer buffer = records.buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        Files.write(folder.resolve(name + ".bin"), bytes);
        StringBuilder out = new StringBuilder();
        for (MutableRecordBatch b : records.batches()) {
            DefaultRecordBatch batch = (DefaultRecordBatch) b;
            batch.ensureValid();
            OptionalLong horizon = batch.deleteHorizonMs();
            out.append(String.format("batch offsets %d..%d epoch %d codec %s %s producer %d/%d sequence %d..%d%s%s%s count %d timestamps %d..%d size %d%n",
                batch.baseOffset(), batch.lastOffset(), batch.partitionLeaderEpoch(), batch.compressionType().name,
                batch.timestampType().name, batch.producerId(), batch.producerEpoch(), batch.baseSequence(), batch.lastSequence(),
                batch.isTransactional() ? " transactional" : "", batch.isControlBatch() ? " control" : "",
                horizon.isPresent() ? " horizon " + horizon.getAsLong() : "", batch.countOrNull(),
                batch.baseTimestamp(), batch.maxTimestamp(), batch.sizeInBytes()));
            StringBuilder lines = new StringBuilder();
            for (org.apache.kafka.common.record.internal.Record record : batch) {
                lines.append(String.format("%d %d %s %s", record.offset(), record.timestamp(), text(record.key()), text(record.value())));
                for (Header header : record.headers())
                    lines.append(' ').append(header.key()).append('=').append(text(header.value() == null ? null : ByteBuffer.wrap(header.value())));
                lines.append('\n');
            }
            out.append(batch.countOrNull() <= 100 ? lines : text(ByteBuffer.wrap(bytes(lines.toString()))) + "\n");
        }
        Files.writeString(folder.resolve(name + ".txt"), out);
    }

    static String text(ByteBuffer bytes) {
        if (bytes == null)
            return "null";
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        if (copy.length > 20) {
            CRC32C crc = new CRC32C();
            crc.update(copy);
            return copy.length + "/" + HexFormat.of().toHexDigits((int) crc.getValue());
        }
        return "'" + HexFormat.of().formatHex(copy) + "'";
    }
}
