"""confluent-kafka for Python, and through it a recent librdkafka."""

import time

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka import Consumer as PlainConsumer
from confluent_kafka import Producer as PlainProducer
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

from harness.topics import DEADLINE_S, serve, wait


@pytest.fixture
def producer(broker):
    def make(**settings):
        return PlainProducer({"bootstrap.servers": broker.bootstrap, "log_level": 0, **dotted(settings)})

    return make


@pytest.fixture
def consumer(broker):
    made = []

    def make(group, **settings):
        base = {"log_level": 0, "auto.offset.reset": "earliest", "enable.auto.commit": False, "group.id": group}
        made.append(PlainConsumer({"bootstrap.servers": broker.bootstrap, **base, **dotted(settings)}))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def admin(broker):
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


def dotted(settings):
    return {key.replace("_", "."): value for key, value in settings.items()}


def send(producer, topic, values, **options):
    """Produces the values and returns the offsets in the order of sending."""
    offsets = []

    def delivered(error, message):
        assert error is None, error
        offsets.append(message.offset())

    for value in values:
        producer.produce(topic, value, on_delivery=delivered, **options)
        producer.poll(0)
    assert producer.flush(DEADLINE_S) == 0
    return offsets


def receive(consumer, count):
    """The next `count` messages."""
    messages, end = [], time.monotonic() + DEADLINE_S
    while len(messages) < count:
        assert time.monotonic() < end, f"{len(messages)} of {count} messages in {DEADLINE_S} s"
        message = consumer.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            messages.append(message)
    return messages


def settle(consumers, sizes):
    """Polls all consumers until they own as many partitions as `sizes` says; returns their assignments."""
    end = time.monotonic() + DEADLINE_S
    while True:
        for each in consumers:
            assert each.poll(0.05) is None
        owned = [sorted(part.partition for part in each.assignment()) for each in consumers]
        if sorted(map(len, owned)) == sorted(sizes):
            return owned
        assert time.monotonic() < end, f"assignments stayed {owned}"


def test_idempotent_producer(producer, consumer, topic, fresh):
    """5,000 messages in small batches, idempotent: offsets in the order of sending, contents the same."""
    name, values = topic(), [f"{number}".encode() for number in range(5_000)]
    offsets = send(producer(enable_idempotence=True, batch_num_messages=100, linger_ms=1), name, values)
    assert offsets == list(range(5_000))
    reader = consumer(fresh("group"))
    reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    assert [message.value() for message in receive(reader, 5_000)] == values


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_codec(producer, consumer, topic, fresh, codec):
    """Keys, headers, timestamps, nulls and bytes through one codec come back as sent."""
    name, now = topic(), int(time.time() * 1_000)
    headers = [("a", b"1"), ("a", bytes(range(256))), ("null", None), ("empty", b"")]
    writer = producer(compression_type=codec, linger_ms=20)
    for number in range(200):
        value = None if number % 50 == 7 else bytes([number]) * number
        writer.produce(name, value, key=f"key-{number}", headers=headers, timestamp=now + number)
    assert writer.flush(DEADLINE_S) == 0
    reader = consumer(fresh("group"))
    reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    for number, message in enumerate(receive(reader, 200)):
        assert message.key() == f"key-{number}".encode()
        assert message.value() == (None if number % 50 == 7 else bytes([number]) * number)
        assert message.headers() == headers
        assert message.timestamp() == (1, now + number)
        assert message.offset() == number


def test_group_goes_on_from_its_commit(producer, consumer, topic, fresh):
    """Synchronous and asynchronous commits, committed(), and a second member that starts there."""
    name, group = topic(), fresh("group")
    send(producer(), name, [f"{number}" for number in range(20)])
    first = consumer(group)
    first.subscribe([name])
    messages = receive(first, 10)
    (committed,) = first.commit(message=messages[6], asynchronous=False)
    assert (committed.offset, committed.error) == (7, None)
    (stored,) = first.committed([TopicPartition(name, 0)], timeout=DEADLINE_S)
    assert stored.offset == 7
    assert first.position([TopicPartition(name, 0)])[0].offset == 10
    first.close()
    second = consumer(group)
    second.subscribe([name])
    assert [message.value() for message in receive(second, 13)] == [f"{n}".encode() for n in range(7, 20)]


CLASSIC = {"heartbeat_interval_ms": 200}
CONSUMER = {"group_protocol": "consumer"}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(CLASSIC | {"partition_assignment_strategy": "range"}, id="range"),
        pytest.param(CLASSIC | {"partition_assignment_strategy": "roundrobin"}, id="roundrobin"),
        pytest.param(CLASSIC | {"partition_assignment_strategy": "cooperative-sticky"}, id="cooperative-sticky"),
        pytest.param(CONSUMER, id="consumer"),
        pytest.param(CONSUMER | {"group_remote_assignor": "range"}, id="consumer-range"),
    ],
)
def test_rebalance(producer, consumer, topic, fresh, settings):
    """Two members share four partitions under each assignor of both protocols; when one leaves the other has all."""
    name, group = topic(partitions=4), fresh("group")
    first, second = consumer(group, **settings), consumer(group, **settings)
    first.subscribe([name])
    assert settle([first], [4]) == [[0, 1, 2, 3]]
    second.subscribe([name])
    owned = settle([first, second], [2, 2])
    assert sorted(owned[0] + owned[1]) == [0, 1, 2, 3]
    writer = producer()
    for partition in range(4):
        send(writer, name, [f"{partition}"], partition=partition)
    for member, mine in zip((first, second), owned):
        assert sorted(message.partition() for message in receive(member, 2)) == mine
        # So that it does not come again to whoever has the partition next.
        member.commit(asynchronous=False)
    second.close()
    assert settle([first], [4]) == [[0, 1, 2, 3]]


def test_change_of_protocol(producer, consumer, topic, fresh):
    """A group changes to the consumer protocol and back while it has members, and goes on from its commits."""
    name, group = topic(partitions=4), fresh("group")
    writer = producer()
    old = consumer(group, **CLASSIC, partition_assignment_strategy="range")
    old.subscribe([name])
    assert settle([old], [4]) == [[0, 1, 2, 3]]
    new = consumer(group, **CONSUMER)
    new.subscribe([name])
    owned = settle([old, new], [2, 2])
    assert sorted(owned[0] + owned[1]) == [0, 1, 2, 3]
    for partition in range(4):
        send(writer, name, [f"{partition}"], partition=partition)
    for member, mine in zip((old, new), owned):
        assert sorted(message.partition() for message in receive(member, 2)) == mine
        member.commit(asynchronous=False)
    new.close()
    assert settle([old], [4]) == [[0, 1, 2, 3]]
    committed = old.committed([TopicPartition(name, partition) for partition in range(4)], timeout=DEADLINE_S)
    assert [each.offset for each in committed] == [1, 1, 1, 1]


def test_offsets(producer, consumer, topic, fresh):
    """Watermarks, offsets_for_times, seek, pause and resume."""
    name, now = topic(), int(time.time() * 1_000) - 10_000
    writer = producer()
    for number in range(10):
        writer.produce(name, f"{number}", timestamp=now + number * 100)
    assert writer.flush(DEADLINE_S) == 0
    reader = consumer(fresh("group"))
    assert reader.get_watermark_offsets(TopicPartition(name, 0), timeout=DEADLINE_S) == (0, 10)
    for asked, offset in ((now, 0), (now + 250, 3), (now + 900, 9), (now + 901, -1)):
        (found,) = reader.offsets_for_times([TopicPartition(name, 0, asked)], timeout=DEADLINE_S)
        assert found.offset == offset
    reader.assign([TopicPartition(name, 0, 8)])
    assert [message.value() for message in receive(reader, 2)] == [b"8", b"9"]
    reader.seek(TopicPartition(name, 0, 5))
    assert [message.value() for message in receive(reader, 5)] == [b"5", b"6", b"7", b"8", b"9"]
    reader.pause([TopicPartition(name, 0)])
    send(writer, name, ["later"])
    assert reader.poll(0.5) is None
    reader.resume([TopicPartition(name, 0)])
    assert receive(reader, 1)[0].value() == b"later"


def test_new_messages_reach_a_waiting_consumer(producer, consumer, topic, fresh):
    """A consumer at the end gets a message soon after it was sent, not at the end of its long poll."""
    name = topic()
    reader = consumer(fresh("group"), fetch_wait_max_ms=30_000, session_timeout_ms=45_000)
    reader.assign([TopicPartition(name, 0, OFFSET_END)])
    assert reader.poll(1.0) is None
    start = time.monotonic()
    send(producer(linger_ms=0), name, ["now"])
    assert receive(reader, 1)[0].value() == b"now"
    assert time.monotonic() - start < 15


def test_admin_topics(admin, broker, fresh):
    """Create, describe, grow, list and delete topics, and the errors of doing so twice."""
    name = fresh()
    wait(admin.create_topics([NewTopic(name, 2, 1, config={"retention.ms": "5000"})]))
    with pytest.raises(KafkaException, match="already exists"):
        wait(admin.create_topics([NewTopic(name, 2, 1)]))
    serve(admin, name, 2)
    described = wait(admin.describe_topics(TopicCollection([name])))[name]
    assert [(part.id, part.leader.id, [node.id for node in part.isr]) for part in described.partitions] == [
        (0, 1, [1]),
        (1, 1, [1]),
    ]
    wait(admin.create_partitions([NewPartitions(name, 3)]))
    end = time.monotonic() + DEADLINE_S
    while len((listed := admin.list_topics(timeout=DEADLINE_S)).topics[name].partitions) < 3:
        assert time.monotonic() < end, listed.topics[name].partitions
    assert (listed.controller_id, listed.cluster_id) == (1, broker.cluster_id)
    wait(admin.delete_topics([name]))
    with pytest.raises(KafkaException, match="Unknown topic or partition"):
        wait(admin.delete_topics([name]))


@pytest.mark.filterwarnings("ignore:alter_configs has been deprecated")
def test_admin_configs(admin, topic):
    """describe_configs, incremental_alter_configs, and alter_configs, which replaces all that was set."""
    name = topic(retention_ms=5000)
    resource = ConfigResource(ResourceType.TOPIC, name)

    def configs():
        found = wait(admin.describe_configs([ConfigResource(ResourceType.TOPIC, name)])).popitem()[1]
        return {key: entry.value for key, entry in found.items() if not entry.is_default}

    def soon(expected):
        end = time.monotonic() + DEADLINE_S
        while (found := {key: value for key, value in configs().items() if key != "min.insync.replicas"}) != expected:
            assert time.monotonic() < end, found

    soon({"retention.ms": "5000"})
    change = ConfigEntry("max.message.bytes", "7000", incremental_operation=AlterConfigOpType.SET)
    wait(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=[change])]))
    soon({"retention.ms": "5000", "max.message.bytes": "7000"})
    resource.set_config("segment.ms", "60000")
    wait(admin.alter_configs([resource]))
    soon({"segment.ms": "60000"})
    wrong = ConfigEntry("retention.ms", "soon", incremental_operation=AlterConfigOpType.SET)
    with pytest.raises(KafkaException, match="Invalid value soon for configuration retention.ms"):
        wait(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, name, incremental_configs=[wrong])]))


def test_admin_cluster_and_records(admin, broker, producer, topic):
    """describe_cluster, list_offsets with every spec, delete_records."""
    cluster = admin.describe_cluster().result(DEADLINE_S)
    assert (cluster.cluster_id, cluster.controller.id, [node.id for node in cluster.nodes]) == (broker.cluster_id, 1, [1])
    name = topic()
    partition = TopicPartition(name, 0)
    writer, now = producer(linger_ms=0), int(time.time() * 1_000) - 1_000
    for step in (0, 50, 20):
        writer.produce(name, "x", timestamp=now + step)
        assert writer.flush(DEADLINE_S) == 0
    for spec, offset in (
        (OffsetSpec.earliest(), 0),
        (OffsetSpec.latest(), 3),
        (OffsetSpec.max_timestamp(), 1),
        (OffsetSpec.for_timestamp(now + 1), 1),
    ):
        found = wait(admin.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_COMMITTED))
        assert found.popitem()[1].offset == offset
    deleted = wait(admin.delete_records([TopicPartition(name, 0, 2)])).popitem()[1]
    assert deleted.low_watermark == 2
    assert wait(admin.list_offsets({partition: OffsetSpec.earliest()})).popitem()[1].offset == 2


def test_admin_groups(admin, producer, consumer, topic, fresh):
    """List, describe, list and alter offsets, and delete a group."""
    name, group = topic(), fresh("group")
    send(producer(), name, ["a", "b"])
    member = consumer(group, client_id="worker")
    member.subscribe([name])
    member.commit(message=receive(member, 2)[1], asynchronous=False)
    described = wait(admin.describe_consumer_groups([group]))[group]
    assert (described.state.name, described.partition_assignor, described.coordinator.id) == ("STABLE", "range", 1)
    (only,) = described.members
    assert (only.client_id, only.host) == ("worker", "/127.0.0.1")
    assert [(part.topic, part.partition) for part in only.assignment.topic_partitions] == [(name, 0)]
    member.close()

    listed = admin.list_consumer_groups().result(DEADLINE_S)
    assert [each.state.name for each in listed.valid if each.group_id == group] == ["EMPTY"]

    def offset():
        found = wait(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))[group]
        return [(part.partition, part.offset) for part in found.topic_partitions]

    assert offset() == [(0, 2)]
    wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 1)])
    wait(admin.alter_consumer_group_offsets([wanted]))
    assert offset() == [(0, 1)]
    wait(admin.delete_consumer_groups([group]))
    with pytest.raises(KafkaException, match="GROUP_ID_NOT_FOUND"):
        wait(admin.delete_consumer_groups([group]))
