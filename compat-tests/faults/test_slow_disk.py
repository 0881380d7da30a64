"""A disk that takes its time: who needs it waits and is told so in time, all others are served."""

import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from faults.tracing import injected
from faults.watch import wait_for
from harness import topics, wire

_TOPIC = "two-disks"
_SYNC_S = 5
_MIB = 1 << 20


class Cluster:
    """A broker with two log dirs, and a partition in each; the journal of the first is on the slow disk."""

    def __init__(self, start_broker, tmp_path):
        dirs = [tmp_path / "one", tmp_path / "two"]
        self.broker = start_broker(log_dirs=",".join(map(str, dirs)))
        topics.create(self.broker.bootstrap, _TOPIC, 4)
        numbers = range(4)
        self.slow, self.fast = (next(n for n in numbers if (each / f"{_TOPIC}-{n}").is_dir()) for each in dirs)
        self.journal = dirs[0] / "journal-0.ottla"
        for partition in (self.slow, self.fast):
            assert self.produce(partition) is None

    def producer(self, **settings):
        config = {"bootstrap.servers": self.broker.bootstrap, "linger.ms": 0, "log_level": 0}
        return Producer({**config, **{key.replace("_", "."): value for key, value in settings.items()}})

    def produce(self, partition, **settings):
        """Produces one record and returns its error, if any."""
        errors = []
        producer = self.producer(**settings)
        producer.produce(_TOPIC, b"value", partition=partition, on_delivery=lambda error, _: errors.append(error))
        assert producer.flush(30) == 0
        return errors[0]

    def fetch(self, partition):
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "slow"})
        consumer.assign([TopicPartition(_TOPIC, partition, OFFSET_BEGINNING)])
        message = consumer.poll(10)
        consumer.close()
        return message and message.value()

    def check_others(self):
        """All that needs nothing of the slow disk is done well before that has synced once."""
        begun = time.monotonic()
        assert wire.broker_count(self.broker.port, timeout_s=5) == 1
        assert self.produce(self.fast) is None
        assert self.fetch(self.fast) == self.fetch(self.slow) == b"value"
        took_s = time.monotonic() - begun
        assert took_s < _SYNC_S * 0.6, f"the others took {took_s:.1f} s"

    def peak_mib(self):
        with open(f"/proc/{self.broker.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024

    def slowly(self):
        """Each sync of the journal takes a while, as long as this lasts."""
        return injected(self.broker, "fdatasync", f"delay_enter={_SYNC_S * 1_000_000}", self.journal)


@pytest.fixture
def cluster(start_broker, tmp_path):
    return Cluster(start_broker, tmp_path)


def test_a_slow_disk_holds_up_only_those_who_need_it(cluster):
    with cluster.slowly():
        acknowledged = []
        producer = cluster.producer()
        def told(error, _message):
            acknowledged.append(error)

        producer.produce(_TOPIC, b"slow", partition=cluster.slow, on_delivery=told)
        producer.poll(0)
        begun = time.monotonic()
        cluster.check_others()
        assert not acknowledged, "acknowledged before the sync"
        assert producer.flush(30) == 0
        assert acknowledged == [None]
        assert time.monotonic() - begun > _SYNC_S / 2


def test_a_producer_hears_in_time_that_the_disk_did_not_answer(cluster):
    """Its own timeout holds; the record may be there later, as the error says."""
    with cluster.slowly():
        begun = time.monotonic()
        error = cluster.produce(cluster.slow, request_timeout_ms=1200, retries=0)
        took_s = time.monotonic() - begun
    assert error is not None and error.code() == KafkaError.REQUEST_TIMED_OUT, error
    assert 1 < took_s < _SYNC_S


def test_a_slow_disk_costs_no_more_than_its_queue(cluster):
    """Hundreds of MiB are offered to it: memory stays bounded, the others are served, and it takes up again."""
    before_mib = cluster.peak_mib()
    errors, acknowledged = [], []
    producer = cluster.producer(message_timeout_ms=120000, request_timeout_ms=60000)
    with cluster.slowly():
        for _ in range(600):
            producer.produce(
                _TOPIC,
                bytes(_MIB // 2),
                partition=cluster.slow,
                on_delivery=lambda error, _: (errors if error else acknowledged).append(error),
            )
            producer.poll(0)
        wait_for(lambda: producer.poll(0.1) or acknowledged, cluster.broker)
        cluster.check_others()
        grown_mib = cluster.peak_mib() - before_mib
    assert grown_mib < 300, f"{grown_mib} MiB more than before"
    assert producer.flush(60) == 0
    assert not errors and len(acknowledged) == 600
