"""Retention and deletion of segments: by size, by age and by request, with configs that are altered meanwhile."""

import json
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from harness import topics
from harness.tools import Tools

_DEADLINE_S = 60
_MIB = 1 << 20
_DAY_MS = 24 * 60 * 60 * 1000
# A file name's digits that stand for the base offset.
_DIGITS = 20


@pytest.fixture
def own_broker(start_broker):
    """Looks for what to delete all the time; Apache Kafka would do so 30 s after its start for the first time."""
    return start_broker(log_retention_check_interval_ms=100, log_initial_task_delay_ms=100)


class Log:
    """A topic of one partition, and the files of its log."""

    def __init__(self, broker, name, **configs):
        self.broker, self.name = broker, name
        topics.create(broker.bootstrap, name, **configs)
        self.tools = Tools(broker)
        self.folder = broker.partition_folder(name)
        settings = {"bootstrap.servers": broker.bootstrap, "batch.num.messages": 1, "log_level": 0}
        self._producer = Producer(settings)

    def serve(self):
        """Waits for the leader after a start, which in Apache Kafka answers a moment later than the broker."""
        topics.serve(AdminClient({"bootstrap.servers": self.broker.bootstrap, "log_level": 0}), self.name, 1)

    def produce(self, count, size=100_000, timestamp_ms=None):
        """Batches of one record each."""
        failed = []
        time_of = {} if timestamp_ms is None else {"timestamp": timestamp_ms}
        for _ in range(count):
            self._producer.produce(self.name, b"x" * size, on_delivery=lambda e, _: e and failed.append(e), **time_of)
        assert self._producer.flush(_DEADLINE_S) == 0 and not failed, failed

    def alter(self, **configs):
        """Through kafka-configs."""
        pairs = ",".join(f"{name.replace('_', '.')}={value}" for name, value in configs.items())
        where = ["--entity-type", "topics", "--entity-name", self.name]
        self.tools("kafka-configs", "--alter", *where, "--add-config", pairs)

    def segments(self):
        """Size by base offset; a file may go while the folder is read."""
        sizes = {}
        for path in self.folder.glob("*.log"):
            try:
                sizes[int(path.stem)] = path.stat().st_size
            except FileNotFoundError:
                continue
        return dict(sorted(sizes.items()))

    def deleted(self):
        """Base offsets of the log files that wait to be removed."""
        return sorted(int(path.name[:_DIGITS]) for path in self.folder.glob("*.log.deleted"))

    def offsets(self):
        """The first offset that may be read, and the next one to be written."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "watch", "log_level": 0})
        found = consumer.get_watermark_offsets(TopicPartition(self.name, 0), timeout=_DEADLINE_S)
        consumer.close()
        return found

    def read(self):
        """Offsets of the records that a consumer gets from the beginning."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap,
                "group.id": "read",
                "log_level": 0,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(self.name, 0, 0)])
        offsets = []
        while True:
            message = consumer.poll(_DEADLINE_S)
            assert message is not None
            if message.error():
                consumer.close()
                return offsets
            offsets.append(message.offset())

    def wait_for(self, what):
        deadline = time.monotonic() + _DEADLINE_S
        while not what():
            if time.monotonic() > deadline:
                raise AssertionError(f"segments {self.segments()}, deleted {self.deleted()}, offsets {self.offsets()}")
            time.sleep(0.02)


def test_retention_bytes(own_broker, fresh):
    """The oldest segments go as long as what is left is as large as retention.bytes; their files wait to be removed."""
    log = Log(own_broker, fresh(), segment_bytes=_MIB, file_delete_delay_ms=600_000)
    log.produce(55)
    before = log.segments()
    assert len(before) == 6 and all(size <= _MIB for size in before.values())
    kept, excess = list(before), sum(before.values()) - int(2.5 * _MIB)
    while excess >= before[kept[0]]:
        excess -= before[kept.pop(0)]
    log.alter(retention_bytes=int(2.5 * _MIB))
    log.wait_for(lambda: log.offsets() == (kept[0], 55))
    gone = [base for base in before if base < kept[0]]
    assert len(gone) >= 2
    log.wait_for(lambda: log.deleted() == gone)
    assert log.segments() == {base: before[base] for base in kept}
    assert log.read() == list(range(kept[0], 55))
    # What was to be removed later goes at the next start at the latest, and nothing else does.
    own_broker.restart()
    log.serve()
    assert log.offsets() == (kept[0], 55)
    log.wait_for(lambda: log.deleted() == [])
    assert log.segments() == {base: before[base] for base in kept}


def test_retention_ms(own_broker, fresh):
    """Segments go by their largest timestamp, from the oldest on, up to the first that is young enough."""
    now = int(time.time() * 1000)
    log = Log(own_broker, fresh(), segment_bytes=_MIB, retention_ms=-1, file_delete_delay_ms=0)
    for age_days, count in [(9, 10), (8, 10), (1, 10), (8, 10), (0, 3)]:
        log.produce(count, timestamp_ms=now - age_days * _DAY_MS)
    before = list(log.segments())
    assert before == [0, 10, 20, 30, 40]
    log.alter(retention_ms=7 * _DAY_MS)
    log.wait_for(lambda: log.offsets() == (20, 43))
    log.wait_for(lambda: list(log.segments()) == [20, 30, 40] and log.deleted() == [])
    assert log.read() == list(range(20, 43))


def test_an_expired_active_segment_is_completed_and_deleted(own_broker, fresh):
    """When all records have expired an empty segment is left, at the offset that the next record gets."""
    log = Log(own_broker, fresh(), retention_ms=-1, file_delete_delay_ms=0)
    log.produce(5, size=100, timestamp_ms=int(time.time() * 1000) - _DAY_MS)
    assert list(log.segments()) == [0]
    log.alter(retention_ms=1000)
    log.wait_for(lambda: log.offsets() == (5, 5))
    log.wait_for(lambda: log.segments() == {5: 0} and log.deleted() == [])
    log.alter(retention_ms=_DAY_MS)
    log.produce(2, size=100)
    assert (log.offsets(), log.read()) == ((5, 7), [5, 6])
    own_broker.kill()
    own_broker.start()
    log.serve()
    assert (log.offsets(), log.read()) == ((5, 7), [5, 6])


def test_deleted_files_stay_for_their_delay(own_broker, fresh):
    """Files are renamed at once and removed after file.delete.delay.ms."""
    delay_s = 3
    log = Log(own_broker, fresh(), retention_ms=-1, segment_bytes=_MIB, file_delete_delay_ms=delay_s * 1000)
    log.produce(25)
    assert list(log.segments()) == [0, 10, 20]
    began = time.monotonic()
    # Not by the tool: while that ends, the files may have come and gone.
    topics.alter(own_broker.bootstrap, log.name, retention_bytes=400_000)
    log.wait_for(lambda: log.deleted() == [0, 10])
    kinds = sorted({path.name[_DIGITS:] for path in log.folder.glob("*.deleted")})
    assert {".index.deleted", ".log.deleted", ".timeindex.deleted"} <= set(kinds)
    log.wait_for(lambda: not list(log.folder.glob("*.deleted")))
    assert time.monotonic() - began >= delay_s
    assert list(log.segments()) == [20]


def test_segments_end_by_altered_size_and_age(own_broker, fresh):
    """segment.bytes and segment.ms hold for the next append after they were altered; age is told by timestamps."""
    now = int(time.time() * 1000)
    log = Log(own_broker, fresh(), retention_ms=-1)
    log.produce(15, timestamp_ms=now)
    assert list(log.segments()) == [0]
    log.alter(segment_bytes=_MIB)
    log.produce(1, timestamp_ms=now)
    assert list(log.segments()) == [0, 15]
    log.produce(11, timestamp_ms=now)
    assert list(log.segments()) == [0, 15, 25]
    log.alter(segment_bytes=100 * _MIB, segment_ms=60_000)
    log.produce(1, size=100, timestamp_ms=now + 60_000)
    assert list(log.segments()) == [0, 15, 25]
    log.produce(1, size=100, timestamp_ms=now + 60_001)
    assert list(log.segments()) == [0, 15, 25, 28]
    log.produce(1, size=100, timestamp_ms=now)
    assert list(log.segments()) == [0, 15, 25, 28]
    assert log.read() == list(range(30))


def test_delete_records(own_broker, fresh, tmp_path):
    """Records below an offset are gone at once and stay gone; segments follow when all of them is below it."""
    log = Log(own_broker, fresh(), retention_ms=-1, segment_bytes=_MIB, file_delete_delay_ms=0)
    log.produce(25)

    def delete(offset):
        request = tmp_path / "request.json"
        partition = {"topic": log.name, "partition": 0, "offset": offset}
        request.write_text(json.dumps({"partitions": [partition], "version": 1}))
        return log.tools("kafka-delete-records", "--offset-json-file", request).out

    assert f"partition: {log.name}-0\tlow_watermark: 13" in delete(13)
    assert (log.offsets(), log.read()) == ((13, 25), list(range(13, 25)))
    log.wait_for(lambda: list(log.segments()) == [10, 20] and log.deleted() == [])
    assert "low_watermark: 13" in delete(4), "the log start offset does not go back"
    assert "OffsetOutOfRangeException" in delete(26)
    own_broker.restart()
    log.serve()
    assert (log.offsets(), log.read()) == ((13, 25), list(range(13, 25)))
    assert "low_watermark: 25" in delete(-1)
    log.wait_for(lambda: list(log.segments()) == [20])
    assert (log.offsets(), log.read()) == ((25, 25), [])
    log.produce(1)
    assert (log.offsets(), log.read()) == ((25, 26), [25])
