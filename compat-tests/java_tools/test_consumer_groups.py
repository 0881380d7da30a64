"""kafka-consumer-groups and kafka-groups on classic groups."""

import re

import pytest

from harness.process import Client
from harness.tools import command, table


def groups(tools, *arguments, **options):
    return tools("kafka-consumer-groups", *arguments, **options)


def positions(done):
    """{partition: (committed, end, lag)} of a --describe."""
    rows = table(done.out[done.out.index("GROUP") :])
    return {
        int(row["PARTITION"]): (row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"]) for row in rows
    }


def resets(done):
    rows = table(done.out[done.out.index("GROUP") :])
    return {int(row["PARTITION"]): int(row["NEW-OFFSET"]) for row in rows}


@pytest.fixture
def consumed(tools, fresh):
    """A topic of 2 partitions with 10 and 10 records, and an empty group that has read 20 of them."""
    topic, group = tools.create(fresh(), partitions=2), fresh("group")
    lines = [f"{number}" for number in range(20)]
    tools.produce(
        topic, lines, "--command-property", "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner",
        "--command-property", "batch.size=1",
    )  # fmt: skip
    ends = tools.offsets(topic)
    assert sum(ends.values()) == 20
    assert sorted(tools.consume(topic, 20, "--group", group), key=int) == lines
    return topic, group, ends


def test_list_and_describe_an_empty_group(tools, consumed):
    """A group without members is listed as Empty and described with offset, end and lag per partition."""
    topic, group, ends = consumed
    assert group in groups(tools, "--list").lines
    states = table(groups(tools, "--list", "--state").out)
    assert [row["STATE"] for row in states if row["GROUP"] == group] == ["Empty"]
    types = table(tools("kafka-groups", "--list").out)
    assert [(row["TYPE"], row["PROTOCOL"]) for row in types if row["GROUP"] == group] == [("Classic", "consumer")]
    described = groups(tools, "--describe", "--group", group)
    assert f"Consumer group '{group}' has no active members." in described.text
    assert positions(described) == {part: (str(end), str(end), "0") for part, end in ends.items()}
    tools.produce(topic, ["more"])
    behind = positions(groups(tools, "--describe", "--group", group))
    assert sorted(int(lag) for _, _, lag in behind.values()) == [0, 1]


def test_reset_offsets(tools, consumed):
    """Each way of resetting gives Kafka's offsets; --dry-run changes nothing, --execute does."""
    topic, group, ends = consumed
    reset = ("--group", group, "--topic", topic, "--reset-offsets")
    assert resets(groups(tools, *reset, "--to-earliest", "--dry-run")) == {0: 0, 1: 0}
    assert positions(groups(tools, "--describe", "--group", group))[0][0] == str(ends[0])
    assert resets(groups(tools, *reset, "--to-offset", 4, "--execute")) == {0: 4, 1: 4}
    assert resets(groups(tools, *reset, "--shift-by", 3, "--execute")) == {0: 7, 1: 7}
    assert resets(groups(tools, *reset, "--to-current", "--dry-run")) == {0: 7, 1: 7}
    assert resets(groups(tools, *reset, "--to-latest", "--dry-run")) == ends
    assert resets(groups(tools, *reset, "--to-datetime", "2000-01-01T00:00:00.000", "--dry-run")) == {0: 0, 1: 0}
    assert resets(groups(tools, *reset, "--to-offset", 1_000, "--dry-run")) == ends
    assert resets(groups(tools, *reset, "--by-duration", "P1D", "--dry-run")) == {0: 0, 1: 0}
    everything = ("--group", group, "--all-topics", "--reset-offsets", "--to-earliest", "--dry-run")
    assert resets(groups(tools, *everything)) == {0: 0, 1: 0}
    described = positions(groups(tools, "--describe", "--group", group))
    assert {part: committed for part, (committed, _, _) in described.items()} == {0: "7", 1: "7"}
    assert len(tools.consume(topic, 20 - 14, "--group", group)) == 6


def test_reset_one_partition_from_a_file(tools, consumed, tmp_path):
    """--export writes a plan that --from-file executes, for the one partition it names."""
    topic, group, ends = consumed
    exported = groups(
        tools, "--group", group, "--topic", f"{topic}:1", "--reset-offsets", "--to-offset", 2, "--export", "--dry-run"
    )
    assert exported.out.strip() == f'"{topic}",1,2'
    plan = tmp_path / "plan.csv"
    plan.write_text(exported.out)
    groups(tools, "--group", group, "--reset-offsets", "--from-file", plan, "--execute")
    described = positions(groups(tools, "--describe", "--group", group))
    assert {part: committed for part, (committed, _, _) in described.items()} == {0: str(ends[0]), 1: "2"}


def test_delete_offsets_and_group(tools, consumed):
    """--delete-offsets forgets a topic's offsets; --delete removes the group; a second time is an error."""
    topic, group, _ = consumed
    deleted = groups(tools, "--group", group, "--topic", f"{topic}:0", "--delete-offsets")
    assert deleted.lines[0] == f"Request succeeded for deleting offsets from group {group}."
    assert re.search(rf"^{re.escape(topic)} +0 +Successful *$", deleted.out, re.MULTILINE)
    assert list(positions(groups(tools, "--describe", "--group", group))) == [1]
    done = groups(tools, "--group", group, "--delete")
    assert done.out.strip() == f"Deletion of requested consumer groups ('{group}') was successful."
    assert group not in groups(tools, "--list").lines
    again = groups(tools, "--group", group, "--delete")
    assert f"* Group '{group}' could not be deleted due to:" in again.text
    assert "GroupIdNotFoundException: The group id does not exist." in again.text


def test_unknown_group(tools, fresh):
    """Describing a group that never was says so."""
    group = fresh()
    assert f"GroupIdNotFoundException: Group {group} not found." in groups(tools, "--describe", "--group", group).text


def test_a_group_at_work(tools, broker, fresh):
    """A live member is shown with client id, host and assignment; its group can be neither reset nor deleted."""
    topic, group = tools.create(fresh(), partitions=3), fresh("group")
    verifiable = command(
        "kafka-verifiable-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic, "--group-id", group
    )
    with Client(verifiable) as member:
        member.wait_for(lambda line: '"partitions_assigned"' in line, timeout_s=60)
        stable = table(groups(tools, "--describe", "--group", group, "--state").out)[0]
        assert (stable["ASSIGNMENT-STRATEGY"], stable["STATE"], stable["#MEMBERS"]) == ("range", "Stable", "1")
        shown = groups(tools, "--describe", "--group", group, "--members", "--verbose")
        row = table(shown.out)[0]
        assert row["HOST"] == "/127.0.0.1"
        assert row["CLIENT-ID"] == f"consumer-{group}-1"
        assert row["CONSUMER-ID"].startswith(row["CLIENT-ID"] + "-")
        assert row["#PARTITIONS"] == "3"
        assert f"{topic}:0,1,2" in shown.out
        refused = groups(tools, "--group", group, "--topic", topic, "--reset-offsets", "--to-earliest", "--execute", code=None)
        assert f"Assignments can only be reset if the group '{group}' is inactive" in refused.text
        kept = groups(tools, "--group", group, "--delete")
        assert "GroupNotEmptyException" in kept.text
    assert group in groups(tools, "--list").lines
