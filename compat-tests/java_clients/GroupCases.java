package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.numbers;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.poll;
import static ottla.compat.Support.pollUntil;
import static ottla.compat.Support.until;
import static ottla.compat.Support.values;

import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;

/** Java consumers in groups of both protocols. */
final class GroupCases {
    private static final Duration STEP = Duration.ofMillis(50);
    private static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";

    private GroupCases() {}

    /** What a member was told by its coordinator. */
    private static final class Told implements ConsumerRebalanceListener {
        final Set<TopicPartition> owned = new HashSet<>();
        final Set<TopicPartition> revoked = new HashSet<>();

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> added) {
            owned.addAll(added);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> removed) {
            owned.removeAll(removed);
            revoked.addAll(removed);
        }
    }

    static void commitAndResume(Support support) throws Exception {
        String topic = support.topic("resume", 1);
        String group = support.fresh("group");
        TopicPartition partition = new TopicPartition(topic, 0);
        support.fill(topic, 0, 30);
        try (Consumer<String, String> first = support.consumer("group.id", group, "max.poll.records", 10)) {
            first.subscribe(List.of(topic));
            equal(numbers(0, 10), values(poll(first, 10)), "the first ten");
            first.commitSync();
            equal(numbers(10, 20), values(poll(first, 10)), "ten more, not committed");
        }
        try (Consumer<String, String> second = support.consumer("group.id", group)) {
            second.subscribe(List.of(topic));
            equal(numbers(10, 30), values(poll(second, 20)), "from the commit on");
            CompletableFuture<Map<TopicPartition, OffsetAndMetadata>> done = new CompletableFuture<>();
            Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(partition, new OffsetAndMetadata(25, "why not"));
            second.commitAsync(offsets, (committed, problem) -> {
                if (problem == null) {
                    done.complete(committed);
                } else {
                    done.completeExceptionally(problem);
                }
            });
            pollUntil("commitAsync was not answered", second, done::isDone);
            equal(offsets, get(done), "what commitAsync committed");
            OffsetAndMetadata kept = second.committed(Set.of(partition)).get(partition);
            equal(List.of(25L, "why not"), List.of(kept.offset(), kept.metadata()), "the commit");
        }
    }

    static void autoCommit(Support support) throws Exception {
        String topic = support.topic("auto-commit", 1);
        String group = support.fresh("group");
        support.fill(topic, 0, 10);
        try (Consumer<String, String> first = support.consumer("group.id", group, "enable.auto.commit", true)) {
            first.subscribe(List.of(topic));
            poll(first, 10);
        }
        support.fill(topic, 0, 1);
        try (Consumer<String, String> second = support.consumer("group.id", group)) {
            second.subscribe(List.of(topic));
            equal(10L, poll(second, 1).get(0).offset(), "offset after what the first committed on closing");
        }
    }

    static void rangeRebalance(Support support) throws Exception {
        rebalance(support, "RangeAssignor", true);
    }

    static void stickyRebalance(Support support) throws Exception {
        rebalance(support, "StickyAssignor", true);
    }

    static void cooperativeRebalance(Support support) throws Exception {
        rebalance(support, "CooperativeStickyAssignor", false);
    }

    static void uniformRebalance(Support support) throws Exception {
        rebalance(support, false, "group.id", support.fresh("group"), "group.protocol", "consumer");
    }

    private static void rebalance(Support support, String assignor, boolean eager) throws Exception {
        String group = support.fresh("group");
        rebalance(
                support, eager, "group.id", group, "partition.assignment.strategy", ASSIGNORS + assignor,
                "heartbeat.interval.ms", 200);
    }

    /** Two members share 6 partitions; on the second's way out the first takes all over. */
    private static void rebalance(Support support, boolean eager, Object... config) throws Exception {
        String topic = support.topic("rebalance", 6);
        Set<TopicPartition> all = Set.copyOf(partitions(topic, 6));
        Told one = new Told();
        Told other = new Told();
        try (Consumer<String, String> first = support.consumer(config)) {
            first.subscribe(List.of(topic), one);
            pollUntil("the first member has not all partitions", first, () -> one.owned.equals(all));
            try (Consumer<String, String> second = support.consumer(config)) {
                second.subscribe(List.of(topic), other);
                until("the members do not have 3 partitions each", () -> {
                    first.poll(STEP);
                    second.poll(STEP);
                    return one.owned.size() == 3 && other.owned.size() == 3;
                });
                Set<TopicPartition> together = new HashSet<>(one.owned);
                together.addAll(other.owned);
                equal(all, together, "partitions of both members");
                equal(eager ? all : other.owned, one.revoked, "partitions the first gave up");
                // Who has what it keeps may hear a moment later of which generation that is.
                until("the members are not of one generation", () -> {
                    first.poll(STEP);
                    second.poll(STEP);
                    return first.groupMetadata().generationId() == second.groupMetadata().generationId();
                });
                checkDelivery(support, topic, first, second, one.owned, other.owned);
            }
            pollUntil("the first did not get all partitions back", first, () -> one.owned.equals(all));
        }
    }

    private static void checkDelivery(
            Support support, String topic, Consumer<String, String> first, Consumer<String, String> second,
            Set<TopicPartition> firsts, Set<TopicPartition> seconds) throws Exception {
        for (int partition = 0; partition < 6; partition++) {
            support.fill(topic, partition, 5);
        }
        poll(first, 15).forEach(record -> check(
                firsts.contains(new TopicPartition(topic, record.partition())), "a record of the other's partition"));
        poll(second, 15).forEach(record -> check(
                seconds.contains(new TopicPartition(topic, record.partition())), "a record of the first's partition"));
    }

    static void staticMembership(Support support) throws Exception {
        String topic = support.topic("static", 2);
        Object[] config = {"group.id", support.fresh("group"), "group.instance.id", "the-one"};
        Told told = new Told();
        int generation;
        String memberId;
        try (Consumer<String, String> first = support.consumer(config)) {
            first.subscribe(List.of(topic), told);
            pollUntil("no assignment", first, () -> told.owned.size() == 2);
            generation = first.groupMetadata().generationId();
            memberId = first.groupMetadata().memberId();
        }
        Told again = new Told();
        try (Consumer<String, String> second = support.consumer(config)) {
            second.subscribe(List.of(topic), again);
            pollUntil("no assignment after coming back", second, () -> again.owned.size() == 2);
            equal(generation, second.groupMetadata().generationId(), "generation after coming back");
            check(!memberId.equals(second.groupMetadata().memberId()), "a new member id after coming back");
            try (Consumer<String, String> third = support.consumer(config)) {
                Told taken = new Told();
                third.subscribe(List.of(topic), taken);
                pollUntil("no assignment for the one that took over", third, () -> taken.owned.size() == 2);
                fails(FencedInstanceIdException.class, () -> {
                    second.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0)));
                    return "a commit";
                });
            }
        }
    }

    /** A member of the consumer protocol that subscribes by an expression, which the coordinator resolves. */
    static void serverSideRegex(Support support) throws Exception {
        String first = support.topic("regex-one", 1);
        String expression = first.substring(0, first.length() - 3) + "[0-9a-f]{3}";
        Told told = new Told();
        try (Consumer<String, String> consumer = support.consumer(
                "group.id", support.fresh("group"), "group.protocol", "consumer", "auto.offset.reset", "earliest")) {
            consumer.subscribe(new SubscriptionPattern(expression), told);
            pollUntil("the topic was not found", consumer, () -> told.owned.size() == 1);
            support.fill(first, 0, 3);
            equal(numbers(0, 3), values(poll(consumer, 3)), "records of the topic");
        }
    }

    static void staticMemberOfTheConsumerProtocol(Support support) throws Exception {
        String topic = support.topic("static", 2);
        Object[] config = {
            "group.id", support.fresh("group"), "group.instance.id", "the-one", "group.protocol", "consumer"
        };
        Told told = new Told();
        try (Consumer<String, String> first = support.consumer(config)) {
            first.subscribe(List.of(topic), told);
            pollUntil("no assignment", first, () -> told.owned.size() == 2);
            try (Consumer<String, String> second = support.consumer(config)) {
                second.subscribe(List.of(topic));
                fails(UnreleasedInstanceIdException.class, () -> {
                    pollUntil("a second member of that name was not refused", second, () -> false);
                    return "a poll";
                });
            }
        }
        Told again = new Told();
        try (Consumer<String, String> third = support.consumer(config)) {
            third.subscribe(List.of(topic), again);
            pollUntil("no assignment after coming back", third, () -> again.owned.size() == 2);
        }
    }

    /** A group goes from the classic to the consumer protocol and back, member by member. */
    static void changeOfProtocol(Support support) throws Exception {
        String topic = support.topic("change", 4);
        String group = support.fresh("group");
        Set<TopicPartition> all = Set.copyOf(partitions(topic, 4));
        Told one = new Told();
        Told other = new Told();
        try (Consumer<String, String> classic =
                support.consumer("group.id", group, "heartbeat.interval.ms", 200)) {
            classic.subscribe(List.of(topic), one);
            pollUntil("the classic member has not all partitions", classic, () -> one.owned.equals(all));
            try (Consumer<String, String> consumer =
                    support.consumer("group.id", group, "group.protocol", "consumer")) {
                consumer.subscribe(List.of(topic), other);
                until("the members do not have 2 partitions each", () -> {
                    classic.poll(STEP);
                    consumer.poll(STEP);
                    return one.owned.size() == 2 && other.owned.size() == 2;
                });
                Set<TopicPartition> together = new HashSet<>(one.owned);
                together.addAll(other.owned);
                equal(all, together, "partitions of both members");
            }
            pollUntil("the classic member did not get all back", classic, () -> one.owned.equals(all));
        }
    }

    static void sessionTimeout(Support support) throws Exception {
        String topic = support.topic("expiry", 2);
        Object[] config = {"group.id", support.fresh("group"), "session.timeout.ms", 6_000, "heartbeat.interval.ms", 500};
        Told gone = new Told();
        Consumer<String, String> first = support.consumer(config);
        first.subscribe(List.of(topic), gone);
        pollUntil("no assignment", first, () -> gone.owned.size() == 2);
        // Closed without a word to the coordinator, as if the process had died.
        first.close(CloseOptions.groupMembershipOperation(GroupMembershipOperation.REMAIN_IN_GROUP));
        long start = System.nanoTime();
        Told told = new Told();
        try (Consumer<String, String> second = support.consumer(config)) {
            second.subscribe(List.of(topic), told);
            pollUntil("the silent member's partitions were not freed", second, () -> told.owned.size() == 2);
        }
        long waited = Duration.ofNanos(System.nanoTime() - start).toMillis();
        check(waited > 3_000, "the silent member was dropped after " + waited + " ms, before its session ended");
    }

    static void patternSubscription(Support support) throws Exception {
        String base = support.fresh("pattern");
        Told told = new Told();
        try (Consumer<String, String> consumer =
                support.consumer("group.id", support.fresh("group"), "metadata.max.age.ms", 200)) {
            String one = support.topic(base + "-a", 1);
            String unrelated = support.topic("un" + base + "-a", 1);
            consumer.subscribe(Pattern.compile(base + "-.*"), told);
            pollUntil("no assignment", consumer, () -> told.owned.equals(Set.copyOf(partitions(one, 1))));
            String two = support.topic(base + "-b", 1);
            Set<TopicPartition> both = Set.of(new TopicPartition(one, 0), new TopicPartition(two, 0));
            pollUntil("a new topic that matches was not taken up", consumer, () -> told.owned.equals(both));
            support.fill(unrelated, 0, 1);
            support.fill(two, 0, 1);
            equal(two, poll(consumer, 1).get(0).topic(), "topic of the record");
        }
    }
}
