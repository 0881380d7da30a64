"""What settings do to the files of segments: preallocation, and flushing after a time where no journal does it."""

import contextlib
import subprocess
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from harness import topics

_DEADLINE_S = 60
_MIB = 1 << 20
_FIRST = "00000000000000000000.log"


def wait_for(what, seen):
    deadline = time.monotonic() + _DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, seen()
        time.sleep(0.02)


def produce(broker, topic, count):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "batch.num.messages": 1, "log_level": 0})
    failed = []
    for number in range(count):
        value = f"{number}".encode().ljust(100_000)
        producer.produce(topic, value, on_delivery=lambda error, _: error and failed.append(error))
    assert producer.flush(_DEADLINE_S) == 0 and not failed, failed


def read(broker, topic):
    """Offsets and the numbers in the values."""
    settings = {"bootstrap.servers": broker.bootstrap, "group.id": "read", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(topic, 0, 0)])
    records = []
    while True:
        message = consumer.poll(_DEADLINE_S)
        assert message is not None
        if message.error():
            consumer.close()
            return records
        records.append((message.offset(), int(message.value())))


@contextlib.contextmanager
def syncs_of(broker, file):
    """Writes down which files the broker syncs."""
    watch = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", file, "-p", str(broker.pid)]
    strace = subprocess.Popen(watch, stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in strace.stderr.readline()
        yield
    finally:
        strace.terminate()
        strace.communicate(timeout=_DEADLINE_S)


def test_flush_ms(start_broker, fresh, tmp_path):
    """What was appended is synced after flush.ms, which is altered meanwhile; before it is, nothing is."""
    broker = start_broker(ottla_journal_enable="false", log_flush_scheduler_interval_ms=100)
    topic = topics.create(broker.bootstrap, fresh(), flush_ms=10**9)
    other = topics.create(broker.bootstrap, fresh("other"), flush_ms=200)
    file = tmp_path / "syncs"
    synced = lambda name: file.exists() and f"{name}-0/{_FIRST}" in file.read_text()  # noqa: E731
    with syncs_of(broker, file):
        produce(broker, topic, 3)
        produce(broker, other, 3)
        wait_for(lambda: synced(other), broker.log_tail)
        assert not synced(topic)
        topics.alter(broker.bootstrap, topic, flush_ms=200)
        wait_for(lambda: synced(topic), broker.log_tail)


def test_preallocate(start_broker, fresh):
    """A segment has its full length while it is filled and its own afterwards; zeros that a kill leaves do no harm."""
    broker = start_broker()
    topic = topics.create(broker.bootstrap, fresh(), preallocate="true", segment_bytes=_MIB)
    folder = broker.partition_folder(topic)

    def lens():
        return {int(path.stem): path.stat().st_size for path in sorted(folder.glob("*.log"))}

    def serve():
        topics.serve(AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0}), topic, 1)

    produce(broker, topic, 3)
    assert lens() == {0: _MIB}
    produce(broker, topic, 10)
    assert list(lens()) == [0, 10] and 1_000_000 < lens()[0] < _MIB and lens()[10] == _MIB
    expected = list(enumerate([0, 1, 2, *range(10)]))
    assert read(broker, topic) == expected
    broker.kill()
    broker.start()
    serve()
    assert read(broker, topic) == expected
    produce(broker, topic, 2)
    expected += [(13, 0), (14, 1)]
    assert read(broker, topic) == expected
    broker.stop()
    assert list(lens()) == [0, 10] and 500_000 < lens()[10] < 600_000
    broker.start()
    serve()
    assert read(broker, topic) == expected
