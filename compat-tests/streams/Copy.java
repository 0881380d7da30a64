package ottla.streams;

import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Produced;

/**
 * One instance of an application that copies numbers exactly once, each to the partition it came from:
 * Copy BOOTSTRAP APPLICATION INPUT OUTPUT STATE-DIR TRANSACTION-TIMEOUT. It runs until it is killed.
 */
public final class Copy {
    private Copy() {}

    public static void main(String[] arguments) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(arguments[2])
                .to(arguments[3], Produced.with(Serdes.String(), Serdes.String())
                        .withStreamPartitioner((topic, key, value, partitions) ->
                                Optional.of(Set.of(Integer.parseInt(value) % partitions))));
        String[] exactlyOnce = arguments.clone();
        exactlyOnce[5] = StreamsConfig.EXACTLY_ONCE_V2;
        Properties config = WordCount.config(exactlyOnce);
        config.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), arguments[5]);
        KafkaStreams streams = new KafkaStreams(builder.build(), config);
        streams.setUncaughtExceptionHandler(problem -> StreamThreadExceptionResponse.REPLACE_THREAD);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
