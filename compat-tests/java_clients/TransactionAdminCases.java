package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.soon;
import static ottla.compat.TransactionCases.committed;
import static ottla.compat.TransactionCases.send;
import static ottla.compat.TransactionEndCases.fencedAtCommit;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** The admin client's calls about transactions. */
final class TransactionAdminCases {
    private TransactionAdminCases() {}

    private static TransactionDescription describe(Admin admin, String id) throws Exception {
        return get(admin.describeTransactions(List.of(id)).description(id));
    }

    private static ProducerState onlyProducer(Admin admin, TopicPartition partition) throws Exception {
        List<ProducerState> producers =
                get(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers();
        equal(1, producers.size(), "producers of " + partition);
        return producers.get(0);
    }

    static void describeTransaction(Support support) throws Exception {
        String topic = support.topic("described", 2);
        String id = support.fresh("id");
        TopicPartition partition = new TopicPartition(topic, 0);
        long before = System.currentTimeMillis();
        try (Admin admin = support.admin();
                Producer<String, String> producer = support.transactional(id, "transaction.timeout.ms", 34_567)) {
            TransactionDescription idle = describe(admin, id);
            equal(TransactionState.EMPTY, idle.state(), "state at first");
            equal(34_567L, idle.transactionTimeoutMs(), "timeout");
            equal(OptionalLong.empty(), idle.transactionStartTimeMs(), "start");
            equal(Set.of(), idle.topicPartitions(), "partitions");
            equal(1, idle.coordinatorId(), "coordinator");
            producer.beginTransaction();
            send(producer, topic, "one", "two");
            TransactionDescription open = describe(admin, id);
            equal(TransactionState.ONGOING, open.state(), "state with records");
            equal(Set.of(partition), open.topicPartitions(), "its partitions");
            equal(idle.producerId(), open.producerId(), "producer id");
            long start = open.transactionStartTimeMs().orElse(-1);
            check(start >= before && start <= System.currentTimeMillis(), "it began at " + start);
            ProducerState writer = onlyProducer(admin, partition);
            equal(open.producerId(), writer.producerId(), "producer id in the partition");
            equal(open.producerEpoch(), writer.producerEpoch(), "epoch in the partition");
            equal(1, writer.lastSequence(), "last sequence");
            equal(OptionalLong.of(0), writer.currentTransactionStartOffset(), "start offset");
            producer.commitTransaction();
            soon(TransactionState.COMPLETE_COMMIT, () -> describe(admin, id).state(), "state after the commit");
            equal(Set.of(), describe(admin, id).topicPartitions(), "partitions after the commit");
            ProducerState after = onlyProducer(admin, partition);
            equal(OptionalLong.empty(), after.currentTransactionStartOffset(), "start offset after the commit");
            check(after.coordinatorEpoch().equals(OptionalInt.of(0)), "coordinator epoch " + after.coordinatorEpoch());
            producer.beginTransaction();
            send(producer, topic, "three");
            equal(OptionalLong.of(3), onlyProducer(admin, partition).currentTransactionStartOffset(), "second start");
            producer.abortTransaction();
            soon(TransactionState.COMPLETE_ABORT, () -> describe(admin, id).state(), "state after the abort");
            fails(TransactionalIdNotFoundException.class, () -> describe(admin, support.fresh("unknown")));
        }
    }

    private static Set<String> names(Collection<TransactionListing> listed, String prefix) {
        return listed.stream().map(TransactionListing::transactionalId)
                .filter(id -> id.startsWith(prefix)).collect(Collectors.toSet());
    }

    static void listTransactions(Support support) throws Exception {
        String topic = support.topic("listed", 1);
        String prefix = support.fresh("listed");
        String open = prefix + "-open";
        String idle = prefix + "-idle";
        String done = prefix + "-done";
        try (Admin admin = support.admin();
                Producer<String, String> first = support.transactional(open);
                Producer<String, String> second = support.transactional(idle);
                Producer<String, String> third = support.transactional(done)) {
            first.beginTransaction();
            send(first, topic, "open");
            third.beginTransaction();
            send(third, topic, "done");
            third.commitTransaction();
            soon(TransactionState.COMPLETE_COMMIT, () -> describe(admin, done).state(), "state after the commit");
            second.beginTransaction();
            equal(Set.of(open, idle, done), listed(admin, prefix, new ListTransactionsOptions()), "all");
            equal(Set.of(open), listed(admin, prefix, new ListTransactionsOptions()
                    .filterStates(List.of(TransactionState.ONGOING))), "ongoing");
            equal(Set.of(idle, done), listed(admin, prefix, new ListTransactionsOptions()
                    .filterStates(List.of(TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT))), "of two states");
            equal(Set.of(done), listed(admin, prefix, new ListTransactionsOptions()
                    .filterProducerIds(List.of(describe(admin, done).producerId()))), "of a producer");
            equal(Set.of(), listed(admin, prefix, new ListTransactionsOptions()
                    .filterProducerIds(List.of(1L << 40))), "of an unknown producer");
            equal(Set.of(), listed(admin, prefix, new ListTransactionsOptions().filterOnDuration(600_000)
                    .filterStates(List.of(TransactionState.ONGOING))), "of ten minutes");
            soon(Set.of(open), () -> listed(admin, prefix, new ListTransactionsOptions().filterOnDuration(1)
                    .filterStates(List.of(TransactionState.ONGOING))), "of a ms");
            equal(Set.of(open, done), listed(admin, prefix, new ListTransactionsOptions()
                    .filterOnTransactionalIdPattern(prefix + "-(open|done)")), "by pattern");
            equal(Set.of(), listed(admin, prefix, new ListTransactionsOptions()
                    .filterOnTransactionalIdPattern("listed")), "a pattern is of the whole id");
            fails(InvalidRegularExpression.class, () -> listed(admin, prefix, new ListTransactionsOptions()
                    .filterOnTransactionalIdPattern("(")));
            first.abortTransaction();
            // A producer with an empty transaction waits for 30 s in its close, for nobody.
            second.abortTransaction();
        }
    }

    private static Set<String> listed(Admin admin, String prefix, ListTransactionsOptions options) throws Exception {
        return names(get(admin.listTransactions(options).all()), prefix);
    }

    static void fenceProducers(Support support) throws Exception {
        String topic = support.topic("fence", 1);
        String id = support.fresh("id");
        String unused = support.fresh("unused");
        try (Admin admin = support.admin();
                Producer<String, String> producer = support.transactional(id)) {
            producer.beginTransaction();
            send(producer, topic, "lost");
            TransactionDescription open = describe(admin, id);
            Map<String, Short> epochs = Map.of(
                    id, get(admin.fenceProducers(List.of(id)).epochId(id)),
                    unused, get(admin.fenceProducers(List.of(unused)).epochId(unused)));
            check(epochs.get(id) > open.producerEpoch(), "epochs " + epochs + " after " + open.producerEpoch());
            equal((short) 0, epochs.get(unused), "epoch of an id that nobody used");
            fencedAtCommit(producer);
        }
        equal(List.of(), committed(support, topic), "committed values");
    }

    static void forceTerminate(Support support) throws Exception {
        String topic = support.topic("terminate", 1);
        String id = support.fresh("id");
        try (Admin admin = support.admin();
                Producer<String, String> producer = support.transactional(id)) {
            producer.beginTransaction();
            send(producer, topic, "lost");
            get(admin.forceTerminateTransaction(id).result());
            soon(TransactionState.COMPLETE_ABORT, () -> stateOf(admin, id), "state");
            fencedAtCommit(producer);
        }
        try (Producer<String, String> next = support.transactional(id)) {
            next.beginTransaction();
            send(next, topic, "kept");
            next.commitTransaction();
        }
        equal(List.of("kept"), committed(support, topic), "committed values");
    }

    /** Fencing ends in a state of its own once the transaction is aborted. */
    private static TransactionState stateOf(Admin admin, String id) throws Exception {
        TransactionState state = describe(admin, id).state();
        return state == TransactionState.EMPTY ? TransactionState.COMPLETE_ABORT : state;
    }

    static void abortTransaction(Support support) throws Exception {
        String topic = support.topic("abort", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = support.admin();
                Producer<String, String> producer = support.transactional(support.fresh("id"))) {
            producer.beginTransaction();
            send(producer, topic, "stuck");
            ProducerState stuck = onlyProducer(admin, partition);
            get(admin.abortTransaction(new AbortTransactionSpec(
                    partition, stuck.producerId(), (short) stuck.producerEpoch(),
                    stuck.coordinatorEpoch().orElse(0))).all());
            equal(OptionalLong.empty(), onlyProducer(admin, partition).currentTransactionStartOffset(), "start offset");
            equal(List.of(), committed(support, topic), "committed values");
        }
    }
}
