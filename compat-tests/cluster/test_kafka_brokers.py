"""Brokers of Apache Kafka whose controller is Ottla: they join, serve, fail, come back and leave as under Kafka's own."""

import json
import re
import time

import pytest

from harness import topics
from harness.tools import run_tool, table
from harness.waiting import eventually

pytestmark = pytest.mark.limit(240)

_LINES = [f"line {number}" for number in range(1_000)]


def test_brokers_register_and_serve(cluster):
    """Whoever is asked lists all three, unfenced."""
    everyone = {1: "unfenced", 2: "unfenced", 3: "unfenced"}
    eventually(lambda: cluster.endpoints(1) == everyone, "the controller does not list all")
    eventually(lambda: cluster.endpoints(2) == everyone, "a broker does not list all")


def test_the_controller_is_found_by_its_own_listener(cluster):
    """It tells of itself, and of no broker (KIP-919)."""
    controller_port = cluster.controller.controller_port
    where = ["--bootstrap-controller", f"127.0.0.1:{controller_port}"]
    (row,) = table(run_tool("kafka-cluster", "list-endpoints", *where).out)
    assert (row["ID"], row["PORT"]) == ("1", str(controller_port))


@pytest.mark.parametrize("asked", [1, 3])
def test_brokers_observe_the_metadata_log(cluster, asked):
    """They are observers that have all of it, whoever tells."""
    status = cluster.quorum("--status", asked).out
    fields = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.M))
    assert fields["LeaderId"] == "1"
    observers = json.loads(fields["CurrentObservers"])
    assert sorted(each["id"] for each in observers) == [2, 3]
    assert all(each["directoryId"] for each in observers)
    before_ms = time.time() * 1_000

    def caught_up():
        rows = table(cluster.quorum("--replication", asked).out)
        shown = [(row["NodeId"], row["Status"]) for row in rows]
        all_there = shown == [("1", "Leader"), ("2", "Observer"), ("3", "Observer")]
        return all_there and all(int(row["Lag"]) <= 2 for row in rows) and rows

    rows = eventually(caught_up, "not both brokers are observers that have caught up")
    assert all(before_ms - int(row["LastFetchTimestamp"]) < 10_000 for row in rows)
    assert all(before_ms - int(row["LastCaughtUpTimestamp"]) < 10_000 for row in rows)


def test_api_versions_of_a_broker_of_the_cluster(cluster):
    """The broker advertises of what it hands on what the controller serves."""
    shown = cluster.tools(2)("kafka-broker-api-versions").out
    assert re.search(r"^\tCreateTopics\(19\): 2 to 7 \[usable: 7\]", shown, re.M)
    assert re.search(r"^\tUpdateFeatures\(57\): 0 to 2 \[usable: 2\]", shown, re.M)
    assert shown.count("isFenced: false") == 3


def test_topics_on_kafka_brokers(cluster, name):
    """A topic with replicas 2 and 3, made through a broker: both are in sync, and what is produced is consumed."""
    topic = cluster.create(name, "2:3", "3:2")
    expected = {0: (2, [2, 3], [2, 3]), 1: (3, [3, 2], [2, 3])}

    def found():
        return {p: (leader, replicas, sorted(isr)) for p, (leader, replicas, isr) in cluster.partitions(topic).items()}

    eventually(lambda: found() == expected, "the partitions are not as they were asked for")
    # Idempotent by default: the brokers have asked the controller for producer ids.
    cluster.tools(2).produce(topic, _LINES, "--command-property", "acks=all")
    assert sorted(cluster.tools(3).consume(topic, len(_LINES))) == sorted(_LINES)
    assert sorted(cluster.tools(1).consume(topic, len(_LINES))) == sorted(_LINES), "Ottla tells who leads"


def test_one_replica_and_the_other_calls_that_brokers_hand_on(cluster, name):
    """Partitions are added, configs changed, the topic deleted, all of it through a broker."""
    topic = cluster.create(name, "2", "3", configs=["retention.ms=100000"])
    tools = cluster.tools(3)
    tools.topics("--alter", "--topic", topic, "--partitions", 3)
    eventually(lambda: len(cluster.partitions(topic, 2)) == 3, "the partition that was added is not there")
    tools("kafka-configs", "--entity-type", "topics", "--entity-name", topic, "--alter", "--add-config", "max.message.bytes=5000")
    shown = lambda: cluster.tools(2)("kafka-configs", "--entity-type", "topics", "--entity-name", topic, "--describe").out  # noqa: E731
    eventually(lambda: "max.message.bytes=5000" in shown(), "the config is not set")
    assert "retention.ms=100000" in shown()
    tools.topics("--delete", "--topic", topic)
    eventually(lambda: topic not in cluster.tools(2).topics("--list").lines, "the topic is still there")


def test_configs_of_brokers(cluster):
    """A broker's own dynamic config goes to it by way of the controller; the controller takes it itself too."""
    of_two = ["--entity-type", "brokers", "--entity-name", 2]
    cluster.tools(2)("kafka-configs", *of_two, "--alter", "--add-config", "log.cleaner.threads=2")
    described = lambda: cluster.tools(2)("kafka-configs", *of_two, "--describe").out  # noqa: E731
    eventually(lambda: "log.cleaner.threads=2" in described(), "the config is not set")
    cluster.on_controller("kafka-configs", *of_two, "--alter", "--add-config", "background.threads=11")
    eventually(lambda: "background.threads=11" in described(), "what the controller took is not set")
    unknown = cluster.on_controller(
        "kafka-configs", "--entity-type", "brokers", "--entity-name", 77, "--alter", "--add-config", "background.threads=11",
        code=None,
    )  # fmt: skip
    assert "No node with id 77 found." in unknown.text


def test_moving_a_partition(cluster, name, tmp_path):
    """kafka-reassign-partitions takes a partition with its records from broker 2 to broker 3."""
    topic = cluster.create(name, "2")
    cluster.tools(2).produce(topic, _LINES)
    plan = tmp_path / "plan.json"
    move = {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [3]}]}
    plan.write_text(json.dumps(move))
    tools = cluster.tools(2)
    tools("kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute")
    verify = lambda: tools("kafka-reassign-partitions", "--reassignment-json-file", plan, "--verify").out  # noqa: E731
    eventually(lambda: "is completed." in verify(), "the partition has not moved")
    eventually(lambda: cluster.partitions(topic) == {0: (3, [3], [3])}, "the controller's node does not know")
    assert sorted(cluster.tools(3).consume(topic, len(_LINES))) == sorted(_LINES)


def test_election_by_tool(cluster, name, tmp_path):
    """The preferred leader leads again when kafka-leader-election says so."""
    topic = cluster.create(name, "3:2")
    tools = cluster.tools(2)
    plan = tmp_path / "plan.json"
    swap = {"version": 1, "partitions": [{"topic": topic, "partition": 0, "replicas": [2, 3]}]}
    plan.write_text(json.dumps(swap))
    tools("kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute")
    eventually(lambda: cluster.partitions(topic)[0][1] == [2, 3], "the order has not changed")
    tools("kafka-leader-election", "--election-type", "preferred", "--topic", topic, "--partition", 0)
    eventually(lambda: cluster.partitions(topic)[0][0] == 2, "the preferred leader does not lead")


def test_a_killed_broker_is_fenced_and_comes_back(cluster, name):
    """The other replica leads, producing goes on; restarted it is in sync again and has everything."""
    topic = cluster.create(name, "2:3")
    cluster.tools(3).produce(topic, _LINES[:500], "--command-property", "acks=all")
    cluster[2].kill()
    eventually(lambda: cluster.partitions(topic)[0] == (3, [2, 3], [3]), "nobody else leads")
    eventually(lambda: cluster.endpoints(3)[2] == "fenced", "a broker does not see that it is fenced")
    cluster.tools(3).produce(topic, _LINES[500:], "--command-property", "acks=all")
    cluster[2].start()
    eventually(lambda: sorted(cluster.partitions(topic)[0][2]) == [2, 3], "it is not in sync again")
    assert cluster.endpoints(3)[2] == "unfenced"
    assert sorted(cluster.tools(2).consume(topic, len(_LINES))) == sorted(_LINES)


def test_a_broker_stops_in_order(cluster, name):
    """SIGTERM: its partitions are led by others before it ends, and it does not wait for its session to end."""
    topic = cluster.create(name, "3:2", "2:3")
    began = time.monotonic()
    cluster[3].stop()
    assert time.monotonic() - began < 20
    # Less than a session.
    eventually(lambda: topics.leaders(cluster[1].bootstrap, topic) == {0: 2, 1: 2}, "the others do not lead", 3)
    assert "Controlled shutdown request returned successfully" in cluster[3].log_text() or (
        "Completed controlled shutdown" in cluster[3].log_text() or "finished controlled shutdown" in cluster[3].log_text()
        or "Transitioning from PENDING_CONTROLLED_SHUTDOWN to SHUTTING_DOWN" in cluster[3].log_text()
    )  # fmt: skip
    cluster[3].start()
    eventually(lambda: sorted(cluster.partitions(topic)[0][2]) == [2, 3], "it is not in sync again")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_the_controller_comes_back(cluster, name, how):
    """While it is away brokers serve what they lead; when it is back they follow it in its new epoch."""
    topic = cluster.create(name, "2:3")
    getattr(cluster.controller, how)()
    # Nobody gives producer ids now.
    properties = ["--command-property", "acks=all", "--command-property", "enable.idempotence=false"]
    cluster.tools(2).produce(topic, _LINES, *properties)
    cluster.controller.start()
    eventually(lambda: cluster.endpoints(1) == {1: "unfenced", 2: "unfenced", 3: "unfenced"}, "not all are there")
    other = cluster.create(f"{name}-after", "3:2")
    # A broker that had waited long may be late for its new session, and another leads then.
    eventually(lambda: sorted(cluster.partitions(other)[0][2]) == [2, 3], "not both replicas are in sync")
    assert cluster.partitions(other)[0][0] in (2, 3)
    assert sorted(cluster.tools(3).consume(topic, len(_LINES))) == sorted(_LINES)


def test_voters_that_are_listed_in_the_config(make_cluster):
    """controller.quorum.voters, as clusters of old have it: brokers join, serve, and are shown as observers."""
    cluster = make_cluster([2], static_voters=True)
    eventually(lambda: cluster.endpoints(2) == {1: "unfenced", 2: "unfenced"}, "not both are there")
    topic = cluster.create("listed", "2")
    cluster.tools(2).produce(topic, _LINES)
    assert cluster.tools(2).consume(topic, len(_LINES)) == _LINES
    rows = table(cluster.quorum("--replication").out)
    assert [(row["NodeId"], row["Status"]) for row in rows] == [("1", "Leader"), ("2", "Observer")]
    began = time.monotonic()
    cluster[2].stop()
    assert time.monotonic() - began < 20


def test_a_broker_is_unregistered(make_cluster):
    """kafka-cluster unregister takes a stopped broker out; one that runs under its id registers anew."""
    cluster = make_cluster([2])
    cluster[2].kill()
    eventually(lambda: cluster.endpoints(1)[2] == "fenced", "it is not fenced")
    run_tool("kafka-cluster", "unregister", "--bootstrap-server", cluster[1].bootstrap, "--id", 2)
    eventually(lambda: cluster.endpoints(1) == {1: "unfenced"}, "it is still there")
    again = run_tool(
        "kafka-cluster", "unregister", "--bootstrap-server", cluster[1].bootstrap, "--id", 2, code=None
    )  # fmt: skip
    assert "Broker ID 2 is not currently registered" in again.text
