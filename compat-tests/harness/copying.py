"""Groups of clients that copy a topic to another in transactions, are killed and frozen meanwhile, and must copy each record once."""

import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from harness import installed, java, topics
from harness.tools import command
from harness.waiting import eventually

_PATIENCE_S = 60
# A member that is killed with a transaction open holds its successor up for this long, unless its id comes back.
TRANSACTION_TIMEOUT_MS = 6_000
_SESSION = {"session.timeout.ms": 6_000, "heartbeat.interval.ms": 500}


def _java(group, id):
    """Its members are of the classic protocol, and it ends when it has copied what there was at its last rebalance."""
    return command(
        "TransactionalMessageCopier", "--broker-list", group.bootstrap, "--input-topic", group.source, "--input-partition", -1,
        "--output-topic", group.target, "--consumer-group", group.name, "--transactional-id", id, "--transaction-size", group.size,
        "--transaction-timeout", TRANSACTION_TIMEOUT_MS, "--group-mode", "--use-group-metadata", "--enable-random-aborts",
    )  # fmt: skip


def _librdkafka(member):
    def arguments(group, id):
        wish = {
            "bootstrap": group.bootstrap, "source": group.source, "target": group.target, "group": group.name, "id": id,
            "size": group.size, "aborts": 0.2, "timeout_ms": TRANSACTION_TIMEOUT_MS, "member": member,
        }  # fmt: skip
        return [sys.executable, "-B", installed.COMPAT_TESTS / "transactions" / "copier.py", json.dumps(wish)]

    return arguments


def _franz_go(group, id):
    return [
        installed.franz_go(), group.bootstrap, "copier", group.source, group.target, group.name, id, TRANSACTION_TIMEOUT_MS,
    ]  # fmt: skip


def _sarama(group, id):
    """Its transactional ids are those of the partitions, as it cannot say for which member it commits."""
    return [installed.sarama(), group.bootstrap, "copier", group.source, group.target, group.name, TRANSACTION_TIMEOUT_MS]


def _kafkajs(group, id):
    """Of transactional ids as sarama."""
    program = installed.COMPAT_TESTS / "kafkajs" / "copier.js"
    return ["node", program, group.bootstrap, group.source, group.target, group.name, TRANSACTION_TIMEOUT_MS]


def _streams(group, id):
    return java.on_suite_jars(
        "ottla.streams.Copy", group.bootstrap, group.name, group.source, group.target, group.folder / id, TRANSACTION_TIMEOUT_MS,
        classes=installed.streams(),
    )  # fmt: skip


KINDS = {
    "java": _java,
    "streams": _streams,
    "librdkafka-classic": _librdkafka({**_SESSION, "partition.assignment.strategy": "cooperative-sticky"}),
    "librdkafka-consumer": _librdkafka({"group.protocol": "consumer"}),
    "franz-go": _franz_go,
    "sarama": _sarama,
    "kafkajs": _kafkajs,
}


class _Member:
    """A process that copies."""

    def __init__(self, group, id, launcher):
        self.id, self.launcher = id, launcher
        self._log = group.folder / f"{id}.log"
        with open(self._log, "ab") as out:
            full = [*launcher, "setpriv", "--pdeathsig", "KILL", *map(str, group.arguments(id))]
            self.process = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)

    def said(self):
        return self._log.read_text(errors="replace").splitlines()[-5:]

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Group:
    """Members of one kind that copy a source to a topic of their own, which exists already; one is started with each launcher."""

    def __init__(self, kind, bootstrap, source, partitions, folder, size=50, launchers=((), ())):
        self.kind, self.bootstrap, self.source, self.partitions = kind, bootstrap, source, partitions
        self.name, self.target, self.size, self._launchers = f"copy-by-{kind}", f"copied-by-{kind}", size, launchers
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count()
        self._asking = None
        self.members = []

    def arguments(self, id):
        return KINDS[self.kind](self, id)

    def start(self):
        for launcher in self._launchers:
            self._join(self._new_id(), launcher)

    def _new_id(self):
        return f"{self.name}-{next(self._numbers)}"

    def _join(self, id, launcher):
        self.members.append(_Member(self, id, launcher))

    def replace(self, member, same_id):
        """Kills a member; its place is taken by one that has its transactional id, or another."""
        member.kill()
        self.members.remove(member)
        self._join(member.id if same_id else self._new_id(), member.launcher)

    def revive(self):
        """Starts those again that have ended, as they do when they are fenced."""
        for member in [member for member in self.members if member.process.poll() is not None]:
            self.members.remove(member)
            self._join(member.id, member.launcher)

    def close(self):
        for member in self.members:
            member.kill()
        self.members.clear()
        if self._asking is not None:
            self._asking.close()

    # What it has done.

    def offsets(self):
        """The group's offsets, by partition; None while they are not known for sure."""
        if self._asking is None:
            settings = {"bootstrap.servers": self.bootstrap, "group.id": self.name, "isolation.level": "read_committed"}
            self._asking = Consumer({**settings, "reconnect.backoff.max.ms": 500, "log_level": 0})
        asked = [TopicPartition(self.source, number) for number in range(self.partitions)]
        try:
            found = self._asking.committed(asked, timeout=5)
        except KafkaException:
            return None
        return None if any(part.error for part in found) else [part.offset for part in found]

    def ends(self, topic, isolation):
        asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(self.partitions)}
        try:
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            found = admin.list_offsets(asked, isolation_level=isolation, request_timeout=5)
            return [future.result(10).offset for future in found.values()]
        except (KafkaException, TimeoutError):
            return None

    def is_done(self):
        """Whether all of the source is committed as copied."""
        offsets = self.offsets()
        return offsets is not None and offsets == self.ends(self.source, IsolationLevel.READ_UNCOMMITTED)

    def wait(self, seconds):
        def done():
            self.revive()
            return self.is_done()

        try:
            eventually(done, f"{self.name} has not copied all", seconds)
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {self.progress()}") from None

    def progress(self):
        """For a test that fails: how far it is, and what its members said last."""
        said = {member.id: member.said() for member in self.members}
        return f"offsets {self.offsets()} of {self.ends(self.source, IsolationLevel.READ_UNCOMMITTED)}; {said}"

    def problems(self, expected):
        """What is wrong with the copy: of each partition the values that are expected, in their order."""
        levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        ends = eventually(
            lambda: (ends := [self.ends(self.target, level) for level in levels])[0] == ends[1] and ends[0],
            f"a transaction is open in {self.target}",
        )  # fmt: skip
        copied = read_committed(self.bootstrap, self.target, ends)
        return [problem for number in range(self.partitions) for problem in _compare(number, expected[number], copied[number])]


def _compare(partition, expected, copied):
    if copied == expected:
        return
    counted = Counter(copied)
    twice = [value for value, count in counted.items() if count > 1]
    lost = [value for value in expected if value not in counted]
    unknown = sorted(counted.keys() - set(expected))
    what = {"lost": lost, "copied twice": twice, "unknown": unknown}
    found = {name: (len(values), values[:5]) for name, values in what.items() if values}
    yield f"partition {partition}: {found or 'in another order'} of {len(expected)}"


def read_committed(bootstrap, topic, ends):
    """The values of each partition up to its end, as numbers."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "checks", "isolation.level": "read_committed", "log_level": 0,
        "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest",
    })  # fmt: skip
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(len(ends))])
        values, open_ones = [[] for _ in ends], set(range(len(ends)))
        while open_ones:
            messages = consumer.consume(10_000, timeout=1)
            for message in messages:
                if message.error() is None:
                    values[message.partition()].append(int(message.value()))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    open_ones.discard(message.partition())
        return values
    finally:
        consumer.close()


class Source:
    """A topic of numbers, which get more by and by, and what a copy of its partitions has to be."""

    def __init__(self, bootstrap, topic, partitions, replicas=1):
        self.topic, self.expected = topics.create(bootstrap, topic, partitions, replicas), [[] for _ in range(partitions)]
        self._producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 20, "log_level": 0})
        self._numbers, self._failed = itertools.count(), []

    def add(self, count):
        for number in itertools.islice(self._numbers, count):
            partition = number % len(self.expected)
            self.expected[partition].append(number)
            while not self._send(partition, number):
                self._producer.poll(0.1)
        assert self._producer.flush(_PATIENCE_S) == 0 and not self._failed, self._failed[:1]

    def _send(self, partition, number):
        try:
            self._producer.produce(self.topic, str(number), partition=partition, on_delivery=self._heard)
        except BufferError:
            return False
        return True

    def _heard(self, error, message):
        if error:
            self._failed.append(error)
