"""kafka-groups and kafka-consumer-groups over many groups at once: of both protocols, at work, left, and never joined."""

import re
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness import background, offsets, topics
from harness.tools import Tools, table
from harness.waiting import eventually

RECORDS = 6
COMMITTED = {("a", 0): 3, ("a", 1): 4, ("b", 0): 2}
STATES = {
    "simple": "Empty", "was-classic": "Empty", "was-consumer": "Empty", "classic": "Stable", "consumer": "Stable",
}  # fmt: skip
TYPES = {
    "simple": "Classic", "was-classic": "Classic", "was-consumer": "Consumer", "classic": "Classic", "consumer": "Consumer",
}  # fmt: skip


@dataclass
class Populated:
    """A broker with the groups of STATES, each of which has committed COMMITTED; those at work read topic a."""

    tools: Tools
    members: dict

    def __call__(self, *arguments, **options):
        return self.tools("kafka-consumer-groups", *arguments, **options)

    def listed(self, tool, *filters):
        """{group: its other columns}."""
        rows = table(self.tools(tool, "--list", *filters).out)
        return {row.pop("GROUP"): row for row in rows}

    def committed(self, group):
        return offsets.committed(self.tools.broker.bootstrap, group)


def member(bootstrap, group, protocol, **settings):
    """A member that has all of topic a and has committed, and is not yet polled further."""
    config = {"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": protocol, "enable.auto.commit": False}
    consumer = Consumer({**config, **settings, "client.id": f"{group}-client", "log_level": 0})
    consumer.subscribe(["a"])

    def assigned():
        consumer.poll(0.05)
        return len(consumer.assignment()) == 2

    eventually(assigned, f"{group} has no assignment")
    parts = [TopicPartition(topic, partition, offset) for (topic, partition), offset in COMMITTED.items()]
    consumer.commit(offsets=parts, asynchronous=False)
    return consumer


@pytest.fixture
def groups(start_broker):
    broker = start_broker()
    bootstrap = broker.bootstrap
    topics.create(bootstrap, "a", 2)
    topics.create(bootstrap, "b", 1)
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    for topic, partition in COMMITTED:
        for number in range(RECORDS):
            producer.produce(topic, f"{number}", partition=partition)
    assert producer.flush(30) == 0
    offsets.commit(bootstrap, "simple", COMMITTED)
    for protocol in ("classic", "consumer"):
        member(bootstrap, f"was-{protocol}", protocol).close()
    members = {
        "classic": member(bootstrap, "classic", "classic"),
        "consumer": member(bootstrap, "consumer", "consumer", **{"group.instance.id": "fixed"}),
    }
    with ExitStack() as stays:
        for consumer in members.values():
            stays.callback(consumer.close)
            stays.enter_context(background.running(poll_until(consumer)))
        yield Populated(Tools(broker), members)


def poll_until(consumer):
    def run(stop):
        while not stop.is_set():
            consumer.poll(0.1)

    return run


def test_list(groups):
    """All groups, with state or type or both, and those of some states and some types."""
    assert set(groups("--list").lines) == set(STATES)
    assert {name: row["STATE"] for name, row in groups.listed("kafka-consumer-groups", "--state").items()} == STATES
    assert {name: row["TYPE"] for name, row in groups.listed("kafka-consumer-groups", "--type").items()} == TYPES
    assert set(groups.listed("kafka-consumer-groups", "--state", "stable")) == {"classic", "consumer"}
    assert set(groups.listed("kafka-consumer-groups", "--state", "Stable,Empty")) == set(STATES)
    assert set(groups.listed("kafka-consumer-groups", "--type", "classic")) == {"simple", "was-classic", "classic"}
    both = groups.listed("kafka-consumer-groups", "--type", "consumer", "--state", "empty")
    assert both == {"was-consumer": {"TYPE": "Consumer", "STATE": "Empty"}}
    wrong = groups("--list", "--state", "busy", code=None)
    assert "Invalid state list 'busy'" in wrong.text, wrong


def test_kafka_groups(groups):
    """All groups with type and protocol; of one type, of one protocol, and whatever consumes."""
    listed = groups.listed("kafka-groups")
    assert {name: row["TYPE"] for name, row in listed.items()} == TYPES
    # A group that nobody ever joined has no protocol.
    assert {name for name, row in listed.items() if row.get("PROTOCOL") == "consumer"} == set(STATES) - {"simple"}
    assert set(groups.listed("kafka-groups", "--group-type", "consumer")) == {"was-consumer", "consumer"}
    assert set(groups.listed("kafka-groups", "--group-type", "classic", "--protocol", "consumer")) == {"was-classic", "classic"}
    assert set(groups.listed("kafka-groups", "--consumer")) == set(STATES)
    assert groups("--list", "--type", "share", code=None).code != 0


def sections(done):
    """The rows of each table, by the group they are about."""
    found = {}
    for part in re.split(r"\n\s*\n", done.out):
        if part.strip().startswith("GROUP "):
            for row in table(part):
                found.setdefault(row["GROUP"], []).append(row)
    return found


def test_describe_offsets(groups):
    """--all-groups has each group's offsets, with who reads them; --verbose adds the epoch; some groups are described alone."""
    found = sections(groups("--describe", "--all-groups"))
    assert set(found) == set(STATES)
    for name, rows in found.items():
        shown = {(row["TOPIC"], int(row["PARTITION"])): int(row["CURRENT-OFFSET"]) for row in rows}
        assert shown == COMMITTED, name
        assert all(int(row["LAG"]) == RECORDS - int(row["CURRENT-OFFSET"]) for row in rows), name
        readers = {row["CLIENT-ID"] for row in rows if row["TOPIC"] == "a"}
        assert readers == ({f"{name}-client"} if STATES[name] == "Stable" else {"-"}), name
        assert {row["CLIENT-ID"] for row in rows if row["TOPIC"] == "b"} == {"-"}, name
    some = sections(groups("--describe", "--group", "simple", "--group", "consumer", "--offsets", "--verbose", "--timeout", 20_000))
    assert set(some) == {"simple", "consumer"}
    # librdkafka commits without the leader's epoch where nothing was read.
    assert all("LEADER-EPOCH" in row for rows in some.values() for row in rows)


def test_describe_state(groups):
    """Coordinator, assignor, state and members of all groups; --verbose adds the epochs of the consumer protocol."""
    found = {name: row for name, (row,) in sections(groups("--describe", "--all-groups", "--state", "--verbose")).items()}
    assert set(found) == set(STATES)
    assert {found[name]["COORDINATOR"] for name in found} == {groups.tools.broker.bootstrap}
    classic, consumer, left = found["classic"], found["consumer"], found["was-consumer"]
    assert (classic["ASSIGNMENT-STRATEGY"], classic["STATE"], classic["#MEMBERS"]) == ("range", "Stable", "1")
    assert (classic["GROUP-EPOCH"], classic["TARGET-ASSIGNMENT-EPOCH"]) == ("-", "-")
    assert (consumer["ASSIGNMENT-STRATEGY"], consumer["STATE"], consumer["#MEMBERS"]) == ("uniform", "Stable", "1")
    assert consumer["GROUP-EPOCH"] == consumer["TARGET-ASSIGNMENT-EPOCH"]
    assert (left["STATE"], left["#MEMBERS"]) == ("Empty", "0")
    # The last that went left an epoch for which nothing is assigned.
    assert int(left["GROUP-EPOCH"]) == int(left["TARGET-ASSIGNMENT-EPOCH"]) + 1


def test_describe_members(groups):
    """Members with instance id, host and client; --verbose adds their assignments and, for the consumer protocol, epochs."""
    done = groups("--describe", "--all-groups", "--members", "--verbose")
    found = sections(done)
    assert set(found) == {"classic", "consumer"}
    for name in ("simple", "was-classic", "was-consumer"):
        assert f"Consumer group '{name}' has no active members." in done.text
    (classic,), (consumer,) = found["classic"], found["consumer"]
    for row in (classic, consumer):
        assert (row["HOST"], row["#PARTITIONS"], row["CURRENT-ASSIGNMENT"]) == ("/127.0.0.1", "2", "a:0,1")
    assert consumer["GROUP-INSTANCE-ID"] == "fixed"
    assert (consumer["CURRENT-EPOCH"], consumer["TARGET-ASSIGNMENT"]) == (consumer["TARGET-EPOCH"], "a:0,1")
    assert "GROUP-INSTANCE-ID" not in classic


def inactive(refused):
    return set(re.findall(r"Assignments can only be reset if the group '([a-z-]+)' is inactive", refused.text))


def test_reset_all_groups(groups):
    """--all-groups resets those that nobody reads for, and says of the others that it does not."""
    done = groups("--all-groups", "--all-topics", "--reset-offsets", "--shift-by", -2, "--execute", code=None)
    assert inactive(done) == {"classic", "consumer"}
    shifted = {part: offset - 2 for part, offset in COMMITTED.items()}
    for name, state in STATES.items():
        assert groups.committed(name) == (shifted if state == "Empty" else COMMITTED), name


def test_reset_scopes(groups, tmp_path):
    """Some partitions of some topics; a group that never was; a plan for several groups, exported and executed."""
    groups("--group", "was-consumer", "--topic", "a:1", "--topic", "b", "--reset-offsets", "--to-latest", "--execute")
    assert groups.committed("was-consumer") == {("a", 0): 3, ("a", 1): RECORDS, ("b", 0): RECORDS}
    groups("--group", "new", "--topic", "a:0", "--reset-offsets", "--to-offset", 2, "--execute")
    assert groups.committed("new") == {("a", 0): 2}
    two = ("--group", "simple", "--group", "was-consumer")
    exported = groups(*two, "--topic", "a:0", "--reset-offsets", "--to-offset", 5, "--dry-run", "--export")
    assert sorted(exported.out.split()) == ["simple,a,0,5", "was-consumer,a,0,5"]
    plan = tmp_path / "plan.csv"
    plan.write_text(exported.out)
    groups(*two, "--reset-offsets", "--from-file", plan, "--execute")
    assert groups.committed("simple") == {**COMMITTED, ("a", 0): 5}
    assert groups.committed("was-consumer")[("a", 0)] == 5


def test_delete_offsets(groups):
    """Of several topics at once; of a group at work only those of topics that it does not read."""
    done = groups("--group", "was-consumer", "--topic", "a:0", "--topic", "b", "--delete-offsets")
    assert done.lines[0] == "Request succeeded for deleting offsets from group was-consumer."
    assert groups.committed("was-consumer") == {("a", 1): 4}
    for name in ("classic", "consumer"):
        refused = groups("--group", name, "--topic", "a", "--delete-offsets", code=None)
        assert "Encountered some partition-level error" in refused.text, refused
        groups("--group", name, "--topic", "b", "--delete-offsets")
        assert set(groups.committed(name)) == {("a", 0), ("a", 1)}


def test_delete_groups(groups):
    """Several at once; with --all-groups all but those at work."""
    done = groups("--delete", "--group", "simple", "--group", "was-consumer")
    assert re.fullmatch(r"Deletion of requested consumer groups \('.*', '.*'\) was successful\.", done.out.strip()), done
    rest = groups("--delete", "--all-groups")
    assert "Deletion of some consumer groups failed:" in rest.text
    for name in ("classic", "consumer"):
        assert re.search(rf"\* Group '{name}' could not be deleted due to:.*GroupNotEmptyException", rest.text), rest
    assert "These consumer groups were deleted successfully: 'was-classic'" in rest.text
    assert set(groups("--list").lines) == {"classic", "consumer"}
