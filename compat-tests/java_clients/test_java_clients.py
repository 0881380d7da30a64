"""The Java clients: each case is a method in this folder's Java files, all run in one JVM."""

import pytest

from harness.java_cases import JavaCases


@pytest.fixture(scope="module")
def cases(broker):
    with JavaCases(broker) as cases:
        yield cases


@pytest.fixture
def passes(cases):
    """passes("name") runs the case."""
    return cases.passes


def test_every_codec(passes):
    """Each of the 5 codecs: keys, values, nulls, headers, timestamps and offsets come back as sent."""
    passes("everyCodec")


def test_idempotent_producer(passes):
    """15,000 records in small batches, 5 in flight: offsets in the order of sending, no gap or repeat."""
    passes("idempotent")


def test_every_acks(passes):
    """acks 0, 1 and all: an offset is returned or not, the records are there in order."""
    passes("everyAcks")


def test_large_records(passes):
    """A 1.9 MB record passes a raised limit and any fetch limit; one over the limit is refused alone."""
    passes("largeRecords")


def test_log_append_time(passes):
    """With LogAppendTime the broker's timestamp is in the acknowledgement and in the record."""
    passes("logAppendTime")


def test_refused_records(passes):
    """No key in a compacted topic and timestamps out of bounds are refused with Kafka's errors."""
    passes("refusedRecords")


def test_auto_creation(passes):
    """Asking for a topic's partitions creates it."""
    passes("autoCreation")


def test_assign_and_seek(passes):
    """seek, seekToBeginning, seekToEnd and position over two partitions."""
    passes("assignAndSeek")


def test_offsets_and_times(passes):
    """beginningOffsets, endOffsets and offsetsForTimes, also in an empty partition and past the end."""
    passes("offsetsAndTimes")


def test_pause_and_resume(passes):
    """A paused partition gives nothing, and everything once resumed."""
    passes("pauseAndResume")


def test_fetch_limits(passes):
    """Under small fetch and poll limits every record of three partitions still comes, in order."""
    passes("fetchLimits")


def test_fetch_waits(passes):
    """A fetch waits for min bytes no longer than max wait, and a new record wakes it at once."""
    passes("waitsForMinBytes")


def test_reset_policies(passes):
    """auto.offset.reset none, earliest and latest, without a commit and out of range at both ends."""
    passes("resetPolicies")


def test_leader_epochs(passes):
    """Records and commits carry the leader epoch, and a position with one is validated (KIP-320)."""
    passes("leaderEpochs")


def test_commit_and_resume(passes):
    """A group goes on from its commit; commitAsync and commit metadata are kept."""
    passes("commitAndResume")


def test_auto_commit(passes):
    """With auto commit, closing commits what was polled."""
    passes("autoCommit")


def test_range_rebalance(passes):
    """Two members share 6 partitions by range, get only their records; one leaves, the other takes all."""
    passes("rangeRebalance")


def test_sticky_rebalance(passes):
    """The same under the sticky assignor, whose user data passes through the coordinator."""
    passes("stickyRebalance")


def test_cooperative_rebalance(passes):
    """The same under cooperative-sticky: the first member gives up only what moves."""
    passes("cooperativeRebalance")


def test_uniform_rebalance(passes):
    """The same under the consumer protocol, where the coordinator assigns (KIP-848)."""
    passes("uniformRebalance")


def test_server_side_regex(passes):
    """A subscription by an expression in RE2's syntax, which the coordinator resolves."""
    passes("serverSideRegex")


def test_static_member_of_the_consumer_protocol(passes):
    """A second of a static member's name is refused while the first lives, and comes in once it has left."""
    passes("staticMemberOfTheConsumerProtocol")


def test_change_of_protocol(passes):
    """A group changes from the classic to the consumer protocol and back while it has members."""
    passes("changeOfProtocol")


def test_static_membership(passes):
    """A static member comes back in the same generation; a second of that name fences the first."""
    passes("staticMembership")


def test_session_timeout(passes):
    """A member that falls silent loses its partitions when its session ends, not before."""
    passes("sessionTimeout")


def test_pattern_subscription(passes):
    """A pattern takes up a matching topic made later, and no other."""
    passes("patternSubscription")


def test_create_topics(passes):
    """createTopics answers partitions, replication, configs and id; validateOnly creates nothing."""
    passes("createTopics")


def test_create_topic_errors(passes):
    """Each wrong topic gets Kafka's exception, and does not spoil a good one in the same request."""
    passes("createTopicErrors")


def test_describe_topics(passes):
    """describeTopics by name, by id and by pages of 2 partitions agree; missing ones fail."""
    passes("describeTopics")


def test_delete_topics(passes):
    """deleteTopics by name and by id, and both again as errors."""
    passes("deleteTopics")


def test_create_partitions(passes):
    """createPartitions with and without assignment, validateOnly, and its errors."""
    passes("createPartitions")


def test_describe_configs(passes):
    """describeConfigs: value, source, type, synonyms, documentation, read-only and sensitive flags."""
    passes("describeConfigs")


def test_alter_configs(passes):
    """incrementalAlterConfigs: SET, DELETE, APPEND, SUBTRACT, validateOnly, and bad values."""
    passes("alterConfigs")


def test_list_config_resources(passes):
    """listConfigResources lists topics and the broker, filtered by type."""
    passes("listConfigResources")


def test_describe_cluster(passes):
    """describeCluster: the one broker, its address, the controller, the cluster id."""
    passes("describeCluster")


def test_list_offsets(passes):
    """listOffsets with every OffsetSpec on timestamps out of order."""
    passes("listOffsets")


def test_delete_records(passes):
    """deleteRecords moves the low watermark forward only, to the end at most."""
    passes("deleteRecords")


def test_describe_log_dirs(passes):
    """describeLogDirs: volume sizes and the sizes of replicas."""
    passes("describeLogDirs")


def test_describe_producers(passes):
    """describeProducers shows two idempotent producers with their last sequence, and not the plain one."""
    passes("describeProducers")


def test_many_topics(passes):
    """100 topics in one request are created, listed, described and deleted."""
    passes("manyTopics")


def test_list_and_describe_groups(passes):
    """listGroups by state and type; describeConsumerGroups and describeClassicGroups of a live member."""
    passes("listAndDescribeGroups")


def test_group_offsets(passes):
    """listConsumerGroupOffsets of two groups at once, alterConsumerGroupOffsets, deleteConsumerGroupOffsets."""
    passes("groupOffsets")


def test_delete_groups(passes):
    """deleteConsumerGroups of an empty, an unknown and a busy group; a busy group's offsets are safe."""
    passes("deleteGroups")


def test_remove_members(passes):
    """removeMembersFromConsumerGroup takes a static member out by its instance id."""
    passes("removeMembers")


def test_offsets_of_deleted_topics(passes):
    """When a topic is deleted its commits go, those of other topics stay."""
    passes("offsetsOfDeletedTopics")
