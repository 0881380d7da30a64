"""Compaction while a broker serves: what consumers read of compacted topics, and a group's offsets that do not pile up."""

import contextlib
import re
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from harness import topics
from harness.tools import Tools

_DEADLINE_S = 60


def wait_for(what, seen=lambda: ""):
    deadline = time.monotonic() + _DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, seen()
        time.sleep(0.05)


def checkpoint(broker, topic):
    file = broker.data / "cleaner-offset-checkpoint"
    found = re.search(rf"^{topic} 0 (\d+)$", file.read_text() if file.exists() else "", re.MULTILINE)
    return int(found.group(1)) if found else 0


def size(folder):
    """Bytes in segments; one may go while the folder is read."""
    total = 0
    for log in folder.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            total += log.stat().st_size
    return total


def consume(broker, topic):
    """All records of partition 0: offset, key and value."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    while True:
        message = consumer.poll(_DEADLINE_S)
        assert message is not None
        if message.error():
            consumer.close()
            return records
        records.append((message.offset(), message.key().decode(), message.value()))


def test_a_compacted_topic_keeps_the_last_values(start_broker, fresh):
    """Keys are overwritten and deleted over many segments; after compaction and a kill the last values are there."""
    broker = start_broker(log_cleaner_backoff_ms=50)
    topic = fresh()
    topics.create(
        broker.bootstrap, topic, cleanup_policy="compact", segment_bytes=1_048_576, file_delete_delay_ms=0,
        min_cleanable_dirty_ratio=0.01, delete_retention_ms=0,
    )  # fmt: skip
    producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "enable.idempotence": True})
    last = {}
    for number in range(6_000):
        key, value = f"key-{number % 50}", None if number % 7 == 0 else f"{number}".encode().ljust(1_000)
        last[key] = (number, value)
        producer.produce(topic, value, key, on_delivery=lambda error, _: error and print(error))
        if number % 500 == 0:
            assert producer.flush(_DEADLINE_S) == 0
    assert producer.flush(_DEADLINE_S) == 0
    active = max(int(log.stem) for log in broker.partition_folder(topic).glob("*.log"))
    assert active > 4_000
    wait_for(lambda: checkpoint(broker, topic) == active, lambda: broker.log_tail())

    def check():
        read = consume(broker, topic)
        assert len([record for record in read if record[0] < active]) <= 50
        assert [record[0] for record in read if record[0] >= active] == list(range(active, 6_000))
        seen = {key: (offset, value) for offset, key, value in read}
        values = {key: entry for key, entry in last.items() if entry[1] is not None}
        assert {key: entry for key, entry in seen.items() if entry[1] is not None} == values

    check()
    broker.kill()
    broker.start()
    check()


def test_committed_offsets_do_not_pile_up(start_broker, fresh):
    """A group that commits again and again leaves a small __consumer_offsets, and its last commit survives a restart."""
    settings = {"offsets_topic_num_partitions": 1, "offsets_topic_segment_bytes": 1_048_576}
    broker = start_broker(log_cleaner_backoff_ms=50, log_segment_delete_delay_ms=0, **settings)
    topic, group = Tools(broker).create(fresh(), partitions=20), fresh("group")
    config = {"bootstrap.servers": broker.bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0}
    consumer = Consumer(config)
    metadata = "x" * 1_000
    for number in range(1, 251):
        wanted = [TopicPartition(topic, partition, number, metadata) for partition in range(20)]
        consumer.commit(offsets=wanted, asynchronous=False)
    folder = broker.partition_folder("__consumer_offsets")
    is_cleaned = lambda: size(folder) < 2_000_000 and checkpoint(broker, "__consumer_offsets") > 0  # noqa: E731
    wait_for(is_cleaned, lambda: broker.log_tail())
    consumer.close()
    broker.restart()
    consumer = Consumer(config)
    wait_for(lambda: committed(consumer, topic) == [250] * 20)
    consumer.close()


def committed(consumer, topic):
    """The committed offsets, or nothing while the coordinator loads."""
    partitions = [TopicPartition(topic, partition) for partition in range(20)]
    try:
        return [each.offset for each in consumer.committed(partitions, timeout=_DEADLINE_S)]
    except KafkaException:
        return None
