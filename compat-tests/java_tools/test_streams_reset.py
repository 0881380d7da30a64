"""kafka-streams-application-reset on the topics and the group of an application; streams/ has one that runs again after it."""

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from harness import offsets, topics
from harness.tools import run_tool
from harness.waiting import eventually

RECORDS = 10
INTERNAL = ("counts-repartition", "counts-changelog")


class Application:
    """What an application leaves when it has read two partitions to their fourth record."""

    def __init__(self, bootstrap, name):
        self.bootstrap, self.name = bootstrap, name
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self.input = topics.create(bootstrap, f"{name}-input", 2)
        for each in INTERNAL:
            topics.create(bootstrap, f"{name}-{each}", 2)
        producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
        for number in range(2 * RECORDS):
            producer.produce(self.input, f"{number}", partition=number % 2)
        assert producer.flush(30) == 0
        self.commit(4)

    def commit(self, offset):
        offsets.commit(self.bootstrap, self.name, {(self.input, partition): offset for partition in range(2)})

    def committed(self):
        """What is committed of the input, which is the same in both partitions."""
        found = offsets.committed(self.bootstrap, self.name)
        return {offset for (topic, _), offset in found.items() if topic == self.input}

    def internal(self):
        named = self._admin.list_topics().topics
        return {each for each in INTERNAL if f"{self.name}-{each}" in named}

    def reset(self, *options, code=0):
        return run_tool(
            "kafka-streams-application-reset", "--bootstrap-server", self.bootstrap, "--application-id", self.name,
            "--input-topics", self.input, *options, code=code,
        )  # fmt: skip


@pytest.fixture
def application(broker, fresh):
    return Application(broker.bootstrap, fresh("app"))


def test_dry_run(application):
    """It says what it would do and changes nothing."""
    done = application.reset("--dry-run")
    assert f"Topic: {application.input} Partition: 0 Offset: 0" in done.lines, done
    assert application.committed() == {4} and application.internal() == set(INTERNAL)


def test_positions(application, tmp_path):
    """Each position that it can reset to, but for the start, which is the default."""
    plan = tmp_path / "plan.csv"
    plan.write_text(f"{application.input},0,6\n{application.input},1,6\n")
    for options, expected in [
        (("--to-offset", 7), 7), (("--to-offset", 99), RECORDS), (("--shift-by", 2), 6), (("--shift-by", -1), 3),
        (("--to-latest",), RECORDS), (("--to-datetime", "2000-01-01T00:00:00.000"), 0), (("--by-duration", "P1D"), 0),
        (("--from-file", plan), 6),
    ]:  # fmt: skip
        application.commit(4)
        application.reset(*options)
        assert application.committed() == {expected}, options


def test_internal_topics(application):
    """Only those that are named go, and none that is not of the application."""
    refused = application.reset("--internal-topics", application.input, code=1)
    assert "Invalid topic specified in the --internal-topics option." in refused.text, refused
    application.reset("--internal-topics", f"{application.name}-{INTERNAL[0]}")
    eventually(lambda: application.internal() == {INTERNAL[1]}, "not deleted, or too much")


def test_force(application):
    """While an instance is there nothing is reset; with --force it is put out of the group."""
    # What it has read it commits of its own every few seconds, if it may; and it joins again only when it polls.
    settings = {"bootstrap.servers": application.bootstrap, "group.id": application.name, "enable.auto.commit": False}
    instance = Consumer({**settings, "log_level": 0})
    instance.subscribe([application.input])
    eventually(lambda: (instance.poll(0.05), instance.assignment())[1], "no assignment")
    refused = application.reset(code=1)
    assert f"Consumer group '{application.name}' is still active" in refused.text, refused
    assert application.committed() == {4}
    done = application.reset("--force")
    assert f"Force deleting all active members in the group: {application.name}" in done.text, done
    assert application.committed() == {0}
    instance.close()
