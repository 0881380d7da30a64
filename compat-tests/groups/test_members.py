"""Groups of real members that join, leave, die and hang, on a broker that is killed in the middle of it."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from harness import background, topics

PARTITIONS = 8
ROUNDS = 12
SESSION_S = 3
PATIENCE_S = 60

CLASSIC = {"session.timeout.ms": SESSION_S * 1000, "heartbeat.interval.ms": 300}
PROTOCOLS = {
    "classic": CLASSIC | {"partition.assignment.strategy": "range"},
    "cooperative": CLASSIC | {"partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}
SESSIONS = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": SESSION_S * 1000,
}


class Process:
    """A member in a process of its own, whose lines outlive it."""

    def __init__(self, command, said):
        self._said = said
        with open(said, "wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)

    def send(self, number):
        self._process.send_signal(number)

    def end(self, number):
        self._process.send_signal(number)
        self._process.wait(timeout=PATIENCE_S)

    def lines(self):
        """What it said so far; the last line may be half written."""
        return [json.loads(line) for line in self._said.read_text().split("\n")[:-1]]

    def owned(self):
        owned = set()
        for line in self.lines():
            owned |= set(line.get("gets", ()))
            owned -= set(line.get("gives", ()))
        return owned


class Group:
    """The members that there are and were."""

    def __init__(self, broker, settings, folder):
        self.broker, self.folder = broker, folder
        self.topic, self.name = "read-by-members", "members"
        base = {
            "bootstrap.servers": broker.bootstrap, "group.id": self.name, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "reconnect.backoff.max.ms": 500, "log_level": 0,
        }  # fmt: skip
        self._settings = json.dumps(base | settings)
        self.alive, self._all = [], []

    def start(self):
        command = [sys.executable, "-B", Path(__file__).parent / "member.py", self._settings, self.topic]
        process = Process(command, self.folder / f"member-{len(self._all)}")
        self.alive.append(process)
        self._all.append(process)

    def end(self, process, number):
        self.alive.remove(process)
        process.end(number)

    def lines(self, kind):
        return [line[kind] for process in self._all for line in process.lines() if kind in line]

    def read(self):
        return {tuple(place) for place in self.lines("read")}

    def acknowledged(self):
        """By partition, the highest offset that some member was told is committed."""
        highest = {}
        for committed in self.lines("committed"):
            for partition, offset in committed.items():
                highest[int(partition)] = max(offset, highest.get(int(partition), 0))
        return highest

    def committed(self):
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap, "log_level": 0})
        asked = [TopicPartition(self.topic, partition) for partition in range(PARTITIONS)]
        (future,) = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name, asked)]).values()
        return {part.partition: part.offset for part in future.result(PATIENCE_S).topic_partitions}

    def check_commits(self):
        """Nothing that was acknowledged is lost."""
        acknowledged, committed = self.acknowledged(), self.committed()
        lost = {part: (offset, committed[part]) for part, offset in acknowledged.items() if committed[part] < offset}
        assert not lost, f"acknowledged and committed offsets by partition: {lost}"

    def wait_until_shared(self):
        """Each partition has one owner, and only one."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            owned = sorted(partition for process in self.alive for partition in process.owned())
            if owned == list(range(PARTITIONS)):
                return
            assert time.monotonic() < deadline, f"the members own {[process.owned() for process in self.alive]}"
            time.sleep(0.1)


class Writer:
    """Produces until told to stop, through all that happens to the broker; keeps what was acknowledged."""

    def __init__(self, bootstrap, topic):
        config = {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0}
        self._producer, self._topic = Producer(config | {"reconnect.backoff.max.ms": 500}), topic
        self.acknowledged = set()

    def run_until(self, stop):
        number = 0
        while not stop.wait(0.005):
            self._producer.produce(
                self._topic, f"{number}", partition=number % PARTITIONS, on_delivery=self._delivered
            )
            self._producer.poll(0)
            number += 1
        assert self._producer.flush(PATIENCE_S) == 0

    def _delivered(self, error, message):
        if error is None:
            self.acknowledged.add((message.partition(), message.offset()))

    def running(self):
        """A thread that produces."""
        return background.running(self.run_until)


@pytest.fixture
def group(request, start_broker, tmp_path):
    broker = start_broker(**SESSIONS)
    group = Group(broker, PROTOCOLS[request.param], tmp_path)
    topics.create(broker.bootstrap, group.topic, PARTITIONS)
    yield group
    for process in list(group.alive):
        process.send(signal.SIGCONT)
        group.end(process, signal.SIGKILL)


def kill_a_member(group, choice):
    group.end(choice.choice(group.alive), signal.SIGKILL)
    group.start()


def stop_a_member(group, choice):
    group.end(choice.choice(group.alive), signal.SIGTERM)


def hang_a_member(group, choice):
    """Longer than its session: it is another's partitions that it wakes up with."""
    process = choice.choice(group.alive)
    process.send(signal.SIGSTOP)
    time.sleep(SESSION_S + 1.5)
    process.send(signal.SIGCONT)


def add_a_member(group, choice):
    group.start()


def kill_the_broker(group, choice):
    """Just after somebody came, so that the group is in the middle of a rebalance, or a little later."""
    group.start()
    time.sleep(choice.choice([0.3, 0.6, 1.0, 2.0]))
    group.broker.kill()
    group.broker.start()
    group.check_commits()


def possible(group):
    """Three to six members, now and then a broker that is killed."""
    if len(group.alive) > 5:
        return [kill_a_member, hang_a_member, stop_a_member]
    if len(group.alive) < 4:
        return [kill_a_member, hang_a_member, add_a_member, kill_the_broker, kill_the_broker]
    return [kill_a_member, hang_a_member, stop_a_member, kill_the_broker]


@pytest.mark.parametrize("group", PROTOCOLS, indirect=True)
def test_members_come_and_go_and_the_broker_is_killed(group):
    """Every record is consumed, no acknowledged commit is lost, and in the end each partition has one owner."""
    choice = random.Random(1)
    writer = Writer(group.broker.bootstrap, group.topic)
    for _ in range(3):
        group.start()
    with writer.running():
        group.wait_until_shared()
        for _ in range(ROUNDS):
            choice.choice(possible(group))(group, choice)
            time.sleep(choice.uniform(0, 1))
    group.wait_until_shared()
    deadline = time.monotonic() + PATIENCE_S
    while lost := writer.acknowledged - group.read():
        assert time.monotonic() < deadline, f"{len(lost)} of {len(writer.acknowledged)} records are not consumed"
        time.sleep(0.2)
    group.check_commits()
    assert len(writer.acknowledged) > 1000
