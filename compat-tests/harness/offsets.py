"""Committed offsets, of groups that are not joined for it: {(topic, partition): offset}."""

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from harness import topics
from harness.waiting import eventually


def commit(bootstrap, group, offsets):
    """For a group without members; asked again while its coordinator begins."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    parts = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]

    def taken():
        wish = [ConsumerGroupTopicPartitions(group, parts)]
        (done,) = topics.wait(admin.alter_consumer_group_offsets(wish)).values()
        return all(part.error is None for part in done.topic_partitions)

    eventually(taken, f"nobody takes a commit of {group}")


def committed(bootstrap, group):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    (found,) = topics.wait(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()
    return {(part.topic, part.partition): part.offset for part in found.topic_partitions}
