"""Replication is throttled where it is asked to be, and nowhere else (KIP-73)."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from harness import topics
from harness.tools import Tools
from harness.waiting import eventually

RATE = 1_000_000
SIZE = 8_000_000
RECORD = 10_000
# A fetch brings more at once than the rate allows in the time it takes, and the last is not waited for.
LEAST_S = 0.8 * SIZE / RATE
MOST_S = 1.4 * SIZE / RATE + 2


def _alter(cluster, kind, name, **configs):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    entries = [
        ConfigEntry(key.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for key, value in configs.items()
    ]
    topics.wait(admin.incremental_alter_configs([ConfigResource(kind, str(name), incremental_configs=entries)]))


def _fill(cluster, topic, *replicas, size=SIZE):
    Tools(cluster).topics("--create", "--topic", topic, "--replica-assignment", ":".join(map(str, replicas)))
    _produce(cluster, topic, size // RECORD)


def _produce(cluster, topic, count):
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "linger.ms": 20})
    refused = []
    for _ in range(count):
        producer.produce(topic, b"x" * RECORD, on_delivery=lambda error, _: error and refused.append(error))
    assert producer.flush(60) == 0
    assert not refused


def _plan(folder, topic, *replicas):
    file = folder / "plan.json"
    partitions = [{"topic": topic, "partition": 0, "replicas": replicas}]
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return file


def _move(cluster, folder, topic, *replicas):
    """Seconds until all of these replicas are in sync: from before the tool was started that asks for it, and from its end on."""
    plan = _plan(folder, topic, *replicas)
    began = time.monotonic()
    Tools(cluster)("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan)
    asked = time.monotonic()
    seen = lambda: topics.replicas(cluster.bootstrap, topic)[0]  # noqa: E731
    eventually(lambda: seen() == ([*replicas], sorted(replicas)), f"not on {replicas}")
    arrived = time.monotonic()
    return arrived - began, arrived - asked


@pytest.mark.parametrize("kinds", [("ottla", "ottla"), ("kafka", "ottla"), ("ottla", "kafka")], ids="-".join)
@pytest.mark.parametrize("side", ["leader", "follower"])
def test_a_replica_that_catches_up_takes_its_time(start_cluster, tmp_path, kinds, side):
    """Broker 1 leads and broker 2 is to follow; one of the two has a limit."""
    cluster = start_cluster("kafka", [*kinds], min_insync_replicas=1)
    _fill(cluster, "free", 1)
    assert _move(cluster, tmp_path, "free", 1, 2)[1] < LEAST_S
    _fill(cluster, "held", 1)
    limited = {"leader": 1, "follower": 2}[side]
    _alter(cluster, ResourceType.BROKER, limited, **{f"{side}_replication_throttled_rate": RATE})
    _alter(cluster, ResourceType.TOPIC, "held", **{f"{side}_replication_throttled_replicas": f"0:{limited}"})
    most, least = _move(cluster, tmp_path, "held", 1, 2)
    assert LEAST_S < most and least < MOST_S
    # Others go on as they like.
    _fill(cluster, "other", 1)
    assert _move(cluster, tmp_path, "other", 1, 2)[1] < LEAST_S


def test_who_is_in_sync_is_not_held_back(start_cluster):
    cluster = start_cluster("quorum", ["ottla"] * 3, replica_lag_time_max_ms=60_000)
    _fill(cluster, "led", 1, 2, 3, size=SIZE // 4)
    for side in ("leader", "follower"):
        for node in cluster.nodes:
            _alter(cluster, ResourceType.BROKER, node, **{f"{side}_replication_throttled_rate": 1})
        _alter(cluster, ResourceType.TOPIC, "led", **{f"{side}_replication_throttled_replicas": "*"})
    # At a byte a second it would never be there.
    _produce(cluster, "led", SIZE // RECORD)
    assert not topics.out_of_sync(cluster.bootstrap, "led")
    # A replica that comes back behind is held, for as long as there is a limit.
    cluster.nodes[3].stop()
    _produce(cluster, "led", SIZE // RECORD // 4)
    cluster.nodes[3].start()
    time.sleep(3)
    assert topics.out_of_sync(cluster.bootstrap, "led") == {0: [1, 2]}
    for side in ("leader", "follower"):
        _alter(cluster, ResourceType.TOPIC, "led", **{f"{side}_replication_throttled_replicas": ""})
    cluster.in_sync("led")


def _configs(cluster):
    """What throttles broker 1 and the topic that is moved: names and values."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    resources = [ConfigResource(ResourceType.BROKER, "1"), ConfigResource(ResourceType.TOPIC, "moved")]
    described = [found for each in resources for found in topics.wait(admin.describe_configs([each])).values()]
    return {(name, entry.value) for found in described for name, entry in found.items() if ".throttled." in name}


def test_kafka_reassign_partitions_throttles_a_move(start_cluster, tmp_path):
    cluster = start_cluster("quorum", ["ottla"] * 3)
    _fill(cluster, "moved", 1, 2)
    tools = Tools(cluster)
    plan = _plan(tmp_path, "moved", 1, 3)
    given = ("--reassignment-json-file", plan)
    before = _configs(cluster)
    began = time.monotonic()
    done = tools("kafka-reassign-partitions", "--execute", *given, "--throttle", RATE)
    asked = time.monotonic()
    assert "The inter-broker throttle limit was set to" in done.text
    in_sync = lambda: topics.replicas(cluster.bootstrap, "moved")[0] == ([1, 3], [1, 3])  # noqa: E731
    with ThreadPoolExecutor() as beside:
        arrived = beside.submit(lambda: eventually(in_sync, "the partition does not arrive") and time.monotonic())
        wanted = {("leader.replication.throttled.rate", str(RATE)), ("follower.replication.throttled.replicas", "0:3")}
        eventually(lambda: wanted <= _configs(cluster), "the throttles are not set")
        verified = tools("kafka-reassign-partitions", "--verify", *given).text
        # Unless the tools alone took as long as the move must.
        assert "is still in progress" in verified or time.monotonic() - began > LEAST_S
    assert LEAST_S < arrived.result() - began and arrived.result() - asked < MOST_S
    done = tools("kafka-reassign-partitions", "--verify", *given)
    assert "Clearing broker-level throttles" in done.text
    eventually(lambda: _configs(cluster) == before, "the throttles are not cleared")
