"""A broker with several log dirs, what is in them, and records that count up."""

import json
import re
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from harness import topics, wire
from harness.tools import Tools

_DEADLINE_S = 60
_VALUE_BYTES = 1000


def until(check, what):
    """Waits until `check` answers something true, and returns that."""
    end = time.monotonic() + _DEADLINE_S
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {_DEADLINE_S} s: {what}"
        threading.Event().wait(0.05)


class Several:
    """The broker with what a case asks of it."""

    def __init__(self, broker, paths):
        self.broker = broker
        self.paths = paths
        self.tools = Tools(broker)
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})

    def create(self, topic, partitions=1, **configs):
        return topics.create(self.broker.bootstrap, topic, partitions, **configs)

    def folders(self, topic, partition=0, deleted=False):
        """The folders of a partition, as (log dir's name, what follows the topic's name); if wanted, those to be deleted too."""
        pattern = re.compile(rf"{re.escape(topic)}-{partition}(\.[0-9a-f]+)?(-[a-z]+)?")
        found = ((path.name, pattern.fullmatch(entry.name)) for path in self.paths for entry in _entries(path))
        kinds = sorted((name, match[2] or "") for name, match in found if match)
        return [found for found in kinds if deleted or found[1] != "-delete"]

    def dir_of(self, topic, partition=0):
        """The log dir that has the partition's log."""
        (name,) = [name for name, kind in self.folders(topic, partition) if not kind]
        return next(path for path in self.paths if path.name == name)

    def another_dir(self, topic, partition=0):
        here = self.dir_of(topic, partition)
        return next(path for path in self.paths if path != here)

    def move(self, topic, to, partition=0):
        """Asks for a move and returns the error code."""
        return wire.alter_replica_log_dir(self.broker.port, to, topic, partition)

    def wait_until_only_in(self, path, topic, partition=0):
        until(lambda: self.folders(topic, partition, deleted=True) == [(path.name, "")], f"one copy of {topic}, in {path.name}")

    def described(self, *arguments):
        """What kafka-log-dirs tells, by log dir: error and {partition: its fields}."""
        done = self.tools("kafka-log-dirs", "--describe", *arguments)
        (report,) = [json.loads(line) for line in done.lines if line.startswith("{")]
        dirs = report["brokers"][0]["logDirs"]
        return {each["logDir"]: (each["error"], {p["partition"]: p for p in each["partitions"]}) for each in dirs}

    def configure(self, name, value):
        """Sets a config of the broker, or takes it back."""
        operation = AlterConfigOpType.SET if value is not None else AlterConfigOpType.DELETE
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        topics.wait(self.admin.incremental_alter_configs([resource]))

    def throttle(self, bytes_per_second):
        name = "replica.alter.log.dirs.io.max.bytes.per.second"
        change = ["--add-config", f"{name}={bytes_per_second}"] if bytes_per_second else ["--delete-config", name]
        self.tools("kafka-configs", "--alter", "--entity-type", "brokers", "--entity-default", *change)

    def produce(self, topic, values, partition=0):
        """Produces, and returns when all is acknowledged."""
        with Numbers(self.broker.bootstrap, topic, partition, values.start) as numbers:
            numbers.send(len(values))

    def values(self, topic, count, partition=0):
        """The numbers of all records, which must be `count` and in order of their offsets."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "unused", "log_level": 0})
        consumer.assign([TopicPartition(topic, partition, 0)])
        numbers = []
        end = time.monotonic() + _DEADLINE_S
        while len(numbers) < count and time.monotonic() < end:
            for message in consumer.consume(1000, timeout=1):
                assert not message.error(), message.error()
                assert message.offset() == len(numbers)
                numbers.append(int(message.value().split()[0]))
        _, high = consumer.get_watermark_offsets(TopicPartition(topic, partition))
        consumer.close()
        assert high == count
        return numbers


class Numbers:
    """A producer of records that count up; leaving it waits until all are acknowledged."""

    def __init__(self, bootstrap, topic, partition=0, start=0):
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "log_level": 0}
        self._producer = Producer(settings)
        self._topic, self._partition, self.next = topic, partition, start
        self._failed = []

    def _delivered(self, error, _message):
        if error:
            self._failed.append(error)

    def send(self, count):
        for _ in range(count):
            value = f"{self.next} ".encode().ljust(_VALUE_BYTES, b".")
            while True:
                try:
                    self._producer.produce(self._topic, value, partition=self._partition, on_delivery=self._delivered)
                    break
                except BufferError:
                    self._producer.poll(0.1)
            self.next += 1
            self._producer.poll(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        left = self._producer.flush(_DEADLINE_S)
        assert not left and not self._failed, (left, self._failed[:3])


class Load:
    """Produces all the time, in a thread, at some 2 MB/s."""

    def __init__(self, bootstrap, topic, start=0):
        self._numbers = Numbers(bootstrap, topic, start=start)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.wait(0.005):
            self._numbers.send(10)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *problem):
        self._stop.set()
        self._thread.join()
        self._numbers.__exit__(*problem)

    @property
    def count(self):
        return self._numbers.next


def _entries(path):
    return list(path.iterdir()) if path.is_dir() else []
