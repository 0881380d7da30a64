"""Makes topics for cases that are about something else."""

import time
import uuid

from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

DEADLINE_S = 30
# For topics of thousands of partitions.
PATIENCE_S = 300
STEP = 2500


def wait(futures):
    """The results of an admin call's futures."""
    return {key: future.result(DEADLINE_S) for key, future in futures.items()}


def serve(admin, topic, partitions):
    """Waits until every partition's leader answers, which in Kafka is a moment after the topic is known."""
    asked = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(partitions)}
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            # A leader that has just gone never answers.
            return wait(admin.list_offsets(asked, request_timeout=10))
        except KafkaException:
            if time.monotonic() > end:
                raise


def create(bootstrap, topic, partitions=1, replicas=1, **configs):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    settings = {key.replace("_", "."): str(value) for key, value in configs.items()}
    wait(admin.create_topics([NewTopic(topic, partitions, replicas, config=settings)]))
    serve(admin, topic, partitions)
    return topic


def known_partitions(bootstrap, topic):
    """As one of the brokers sees them, by number, once it knows of the topic: of an unknown one it names none."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    end = time.monotonic() + DEADLINE_S
    while (found := admin.list_topics(topic, timeout=DEADLINE_S).topics[topic]).error is not None:
        if time.monotonic() > end:
            raise KafkaException(found.error)
        time.sleep(0.02)
    return found.partitions


def patient_admin(bootstrap):
    return AdminClient({
        "bootstrap.servers": bootstrap, "socket.timeout.ms": 120_000, "log_level": 0,
        "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 10,
    })


def create_many(bootstrap, topic, partitions):
    """Seconds until a topic of any size is there; in steps, for either broker refuses too many partitions at once."""
    admin, waits = patient_admin(bootstrap), {"operation_timeout": PATIENCE_S, "request_timeout": PATIENCE_S}
    began = time.monotonic()
    done = min(partitions, STEP)
    admin.create_topics([NewTopic(topic, done, 1)], **waits)[topic].result()
    while done < partitions:
        done = min(partitions, done + STEP)
        admin.create_partitions([NewPartitions(topic, done)], **waits)[topic].result()
    return time.monotonic() - began


def delete(bootstrap, names):
    admin = patient_admin(bootstrap)
    for future in admin.delete_topics(names, operation_timeout=PATIENCE_S, request_timeout=PATIENCE_S).values():
        future.result()


def all_ends(bootstrap, topic, partitions):
    """Where each partition ends, asked until a client is told of all; less often the longer it takes, as asking is work too."""
    began = time.monotonic()
    wanted = {TopicPartition(topic, n): OffsetSpec.latest() for n in range(partitions)}
    while True:
        admin = patient_admin(bootstrap)
        try:
            return [future.result().offset for future in admin.list_offsets(wanted, request_timeout=5).values()]
        except KafkaException:
            waited = time.monotonic() - began
            if waited > PATIENCE_S:
                raise
            time.sleep(min(1, waited / 20))


def out_of_sync(bootstrap, topic):
    """The partitions of a topic, by number, whose replicas are not all in sync, and who is."""
    described = known_partitions(bootstrap, topic)
    return {number: sorted(p.isrs) for number, p in described.items() if sorted(p.isrs) != sorted(p.replicas)}


def replicas(bootstrap, topic):
    """{partition: (its replicas in order, those in sync, sorted)}."""
    return {number: (p.replicas, sorted(p.isrs)) for number, p in known_partitions(bootstrap, topic).items()}


def leaders(bootstrap, topic):
    """The leader of each partition; -1 where there is none."""
    return {number: p.leader for number, p in known_partitions(bootstrap, topic).items()}


def brokers(bootstrap):
    """The ids of the brokers that are not fenced, as one of them sees it."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    return set(admin.list_topics(timeout=DEADLINE_S).brokers)


def topic_id(bootstrap, topic):
    """The id as it is on the wire."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    found = wait(admin.describe_topics(TopicCollection([topic])))[topic].topic_id
    most, least = found.get_most_significant_bits(), found.get_least_significant_bits()
    mask = (1 << 64) - 1
    return uuid.UUID(int=((most & mask) << 64) | (least & mask))


def alter(bootstrap, topic, **configs):
    """Sets some of a topic's configs, without the second that kafka-configs takes."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    entries = [
        ConfigEntry(key.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for key, value in configs.items()
    ]
    wait(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]))
