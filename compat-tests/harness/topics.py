"""Makes topics for cases that are about something else."""

import time

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

DEADLINE_S = 30


def wait(futures):
    """The results of an admin call's futures."""
    return {key: future.result(DEADLINE_S) for key, future in futures.items()}


def serve(admin, topic, partitions):
    """Waits until every partition's leader answers, which in Kafka is a moment after the topic is known."""
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(partitions)}
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return wait(admin.list_offsets(asked))
        except KafkaException:
            if time.monotonic() > end:
                raise


def create(bootstrap, topic, partitions=1, **configs):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    settings = {key.replace("_", "."): str(value) for key, value in configs.items()}
    wait(admin.create_topics([NewTopic(topic, partitions, 1, config=settings)]))
    serve(admin, topic, partitions)
    return topic


def alter(bootstrap, topic, **configs):
    """Sets some of a topic's configs, without the second that kafka-configs takes."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    entries = [
        ConfigEntry(key.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for key, value in configs.items()
    ]
    wait(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]))
