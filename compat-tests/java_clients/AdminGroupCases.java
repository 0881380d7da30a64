package ottla.compat;

import static ottla.compat.Support.check;
import static ottla.compat.Support.equal;
import static ottla.compat.Support.fails;
import static ottla.compat.Support.get;
import static ottla.compat.Support.partitions;
import static ottla.compat.Support.pollUntil;
import static ottla.compat.Support.soon;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DeleteConsumerGroupOffsetsResult;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** Groups and their offsets through the Java admin client. */
final class AdminGroupCases {
    private AdminGroupCases() {}

    /** A group without members that has committed 3 and 4 in the topic's two partitions. */
    private static String emptyGroup(Support support, String topic) throws Exception {
        String group = support.fresh("group");
        try (Consumer<String, String> consumer = support.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            pollUntil("no assignment", consumer, () -> consumer.assignment().size() == 2);
            consumer.commitSync(Map.of(
                    new TopicPartition(topic, 0), new OffsetAndMetadata(3, "three"),
                    new TopicPartition(topic, 1), new OffsetAndMetadata(4)));
        }
        return group;
    }

    static void listAndDescribeGroups(Support support) throws Exception {
        String topic = support.topic("describe-group", 2);
        String empty = emptyGroup(support, topic);
        String busy = support.fresh("busy");
        try (Admin admin = support.admin();
                Consumer<String, String> member = support.consumer("group.id", busy, "client.id", "worker")) {
            member.subscribe(List.of(topic));
            pollUntil("no assignment", member, () -> member.assignment().size() == 2);

            GroupListing listed = listing(admin, new ListGroupsOptions(), empty).orElseThrow();
            equal(Optional.of(GroupState.EMPTY), listed.groupState(), "state of the empty group");
            equal(Optional.of(GroupType.CLASSIC), listed.type(), "type");
            equal("consumer", listed.protocol(), "protocol");
            ListGroupsOptions stable = new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE));
            check(listing(admin, stable, busy).isPresent(), "the busy group is listed as stable");
            check(listing(admin, stable, empty).isEmpty(), "the empty group is listed as stable");
            ListGroupsOptions classic = new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC));
            check(listing(admin, classic, busy).isPresent(), "the busy group is listed as classic");

            ConsumerGroupDescription described = describe(admin, busy);
            equal(GroupState.STABLE, described.groupState(), "state");
            equal("range", described.partitionAssignor(), "assignor");
            equal(1, described.coordinator().id(), "coordinator");
            MemberDescription only = described.members().iterator().next();
            equal("worker", only.clientId(), "client id");
            equal("/127.0.0.1", only.host(), "host");
            equal(Set.copyOf(partitions(topic, 2)), only.assignment().topicPartitions(), "assignment");
            equal(member.groupMetadata().memberId(), only.consumerId(), "member id");

            ClassicGroupDescription raw = get(admin.describeClassicGroups(List.of(busy)).describedGroups().get(busy));
            equal(List.of("consumer", "range"), List.of(raw.protocol(), raw.protocolData()), "protocol and its data");
            equal(1, raw.members().size(), "members");
            String none = support.fresh("none");
            fails(GroupIdNotFoundException.class, () -> get(admin.describeConsumerGroups(List.of(none)).all()));
        }
    }

    private static ConsumerGroupDescription describe(Admin admin, String group) throws Exception {
        return get(admin.describeConsumerGroups(List.of(group)).describedGroups().get(group));
    }

    private static Optional<GroupListing> listing(Admin admin, ListGroupsOptions options, String group) throws Exception {
        Collection<GroupListing> all = get(admin.listGroups(options).all());
        return all.stream().filter(each -> each.groupId().equals(group)).findFirst();
    }

    static void groupOffsets(Support support) throws Exception {
        String topic = support.topic("group-offsets", 2);
        String group = emptyGroup(support, topic);
        String other = emptyGroup(support, topic);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Admin admin = support.admin()) {
            Map<TopicPartition, OffsetAndMetadata> all = offsets(admin, group);
            equal(Set.of(first, second), all.keySet(), "partitions with commits");
            equal(List.of(3L, "three"), List.of(all.get(first).offset(), all.get(first).metadata()), "first commit");
            equal(List.of(4L, ""), List.of(all.get(second).offset(), all.get(second).metadata()), "second commit");

            ListConsumerGroupOffsetsSpec some = new ListConsumerGroupOffsetsSpec()
                    .topicPartitions(List.of(first, new TopicPartition(topic, 7)));
            Map<String, Map<TopicPartition, OffsetAndMetadata>> batch = get(admin.listConsumerGroupOffsets(
                    Map.of(group, some, other, new ListConsumerGroupOffsetsSpec())).all());
            equal(3L, batch.get(group).get(first).offset(), "one of two groups, one partition");
            equal(null, batch.get(group).get(new TopicPartition(topic, 7)), "a partition without commit");
            equal(2, batch.get(other).size(), "all of the other group");

            get(admin.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(1, "moved"))).all());
            equal(1L, offsets(admin, group).get(first).offset(), "after altering");
            DeleteConsumerGroupOffsetsResult deleted = admin.deleteConsumerGroupOffsets(group, Set.of(first));
            get(deleted.partitionResult(first));
            equal(Set.of(second), offsets(admin, group).keySet(), "partitions after deleting one");
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Admin admin, String group) throws Exception {
        return get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
    }

    static void deleteGroups(Support support) throws Exception {
        String topic = support.topic("delete-group", 2);
        String empty = emptyGroup(support, topic);
        String busy = support.fresh("busy");
        try (Admin admin = support.admin(); Consumer<String, String> member = support.consumer("group.id", busy)) {
            member.subscribe(List.of(topic));
            pollUntil("no assignment", member, () -> member.assignment().size() == 2);
            member.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1)));
            get(admin.deleteConsumerGroups(List.of(empty)).all());
            equal(Map.of(), offsets(admin, empty), "offsets of a deleted group");
            fails(GroupIdNotFoundException.class, () -> get(admin.deleteConsumerGroups(List.of(empty)).all()));
            fails(GroupNotEmptyException.class, () -> get(admin.deleteConsumerGroups(List.of(busy)).all()));
            fails(UnknownMemberIdException.class, () -> get(admin.alterConsumerGroupOffsets(
                    busy, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0))).all()));
            TopicPartition subscribed = new TopicPartition(topic, 0);
            fails(GroupSubscribedToTopicException.class, () -> get(
                    admin.deleteConsumerGroupOffsets(busy, Set.of(subscribed)).partitionResult(subscribed)));
        }
    }

    static void removeMembers(Support support) throws Exception {
        String topic = support.topic("remove", 2);
        String group = support.fresh("group");
        Consumer<String, String> member = support.consumer("group.id", group, "group.instance.id", "fixed");
        member.subscribe(List.of(topic));
        pollUntil("no assignment", member, () -> member.assignment().size() == 2);
        member.close();
        try (Admin admin = support.admin()) {
            equal(Optional.of("fixed"), describe(admin, group).members().iterator().next().groupInstanceId(), "the static member");
            get(admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(
                    List.of(new MemberToRemove("fixed")))).all());
            soon(GroupState.EMPTY, () -> describe(admin, group).groupState(), "state");
            fails(UnknownMemberIdException.class, () -> get(admin.removeMembersFromConsumerGroup(
                    group, new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("fixed")))).all()));
        }
    }

    static void offsetsOfDeletedTopics(Support support) throws Exception {
        String topic = support.topic("forget", 2);
        String kept = support.topic("keep", 2);
        String group = emptyGroup(support, topic);
        try (Admin admin = support.admin()) {
            TopicPartition stays = new TopicPartition(kept, 1);
            get(admin.alterConsumerGroupOffsets(group, Map.of(stays, new OffsetAndMetadata(0))).all());
            get(admin.deleteTopics(List.of(topic)).all());
            soon(Set.of(stays), () -> offsets(admin, group).keySet(), "partitions with commits");
        }
    }
}
