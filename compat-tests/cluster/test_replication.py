"""Partitions on three brokers, of Ottla and of Apache Kafka side by side, which are killed, stopped and moved under load."""

import hashlib
import os
import random
import signal
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from faults.load import Load
from harness import topics, wire
from harness.tools import Tools
from harness.waiting import eventually

OTTLA = ["ottla", "ottla", "ottla"]
MIXED = ["ottla", "kafka", "ottla"]
KILLS = 4
PARTITIONS = 20
SESSION_S = 60
COORDINATOR_NOT_AVAILABLE = 15


def _more(load, count=500):
    """Waits until so many more records are acknowledged."""
    wanted = len(load.acknowledged) + count
    eventually(lambda: len(load.acknowledged) >= wanted or load.errors, "nothing more is acknowledged")
    assert not load.errors, load.errors[:3]


def _segments(node, topic, partition):
    folder = node.partition_folder(topic, partition)
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in sorted(folder.glob("*.log"))]


def _check_same(cluster, topic):
    """All replicas have the same bytes; the brokers are stopped, so that none has more than is committed."""
    cluster.in_sync(topic)
    cluster.close()
    for partition in range(PARTITIONS):
        found = {number: _segments(node, topic, partition) for number, node in cluster.nodes.items()}
        assert len(set(map(tuple, found.values()))) == 1, f"{topic}-{partition}: {found}"


@pytest.mark.limit(300)
@pytest.mark.parametrize(
    "controller, kinds", [("quorum", OTTLA), ("kafka", OTTLA), ("ottla", MIXED)], ids=["quorum", "kafka-leads", "ottla-leads"]
)
def test_what_was_acknowledged_outlives_brokers_that_are_killed(start_cluster, controller, kinds):
    cluster = start_cluster(controller, kinds)
    chance = random.Random(7)
    load = Load(cluster.bootstrap, "kept", idempotent=True)
    load.create_topic(replicas=3)
    with load.running():
        for _ in range(KILLS):
            _more(load)
            number = chance.choice([*cluster.nodes])
            cluster.nodes[number].kill()
            _more(load)
            time.sleep(chance.uniform(0, 1))
            cluster.nodes[number].start()
            cluster.in_sync("kept")
        _more(load)
    load.check()
    _check_same(cluster, "kept")


def test_a_broker_that_stopped_in_order_need_not_wait_for_its_session_to_end(start_cluster):
    cluster = start_cluster("ottla", OTTLA, broker_session_timeout_ms=SESSION_S * 1000)
    node = cluster.nodes[2]
    node.stop()
    stopped = time.monotonic()
    node.start()
    assert time.monotonic() - stopped < SESSION_S / 2


@pytest.mark.limit(240)
@pytest.mark.parametrize("controller", ["quorum", "kafka"])
def test_brokers_stop_and_start_in_turn_and_no_producer_hears_of_it(start_cluster, controller):
    cluster = start_cluster(controller, OTTLA)
    load = Load(cluster.bootstrap, "rolled", idempotent=True)
    load.create_topic(replicas=3)
    with load.running():
        for node in cluster.nodes.values():
            _more(load)
            node.stop()
            _more(load)
            node.start()
            cluster.in_sync("rolled")
        _more(load)
    load.check()
    assert not load.errors
    _check_same(cluster, "rolled")


@pytest.mark.parametrize("controller", ["quorum", "kafka"])
def test_a_group_goes_on_when_its_coordinator_is_killed(start_cluster, controller):
    cluster = start_cluster(controller, OTTLA)
    tools = Tools(cluster)
    topics.create(cluster.bootstrap, "read", 1, replicas=3)
    tools.produce("read", range(100))
    # A commit that waits makes librdkafka give up the coordinator that it has just found, again and again until it has luck, on
    # Kafka as well. Each try waits for a fetch: short ones keep this from taking as long as a session.
    settings = {
        "bootstrap.servers": cluster.bootstrap, "group.id": "readers", "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "fetch.wait.max.ms": 20,
    }  # fmt: skip
    consumer = Consumer(settings)
    consumer.subscribe(["read"])
    seen = []

    def read(count):
        while len(seen) < count:
            for message in consumer.consume(count - len(seen), timeout=1):
                assert not message.error(), message.error()
                seen.append(int(message.value()))
                consumer.commit(message, asynchronous=False)

    read(50)
    described = tools("kafka-consumer-groups", "--describe", "--group", "readers", "--state").text
    coordinator = int(described.split(f"127.0.0.1:")[1].split("(")[1].split(")")[0])
    cluster.nodes[coordinator].kill()
    read(100)
    assert seen == [*range(100)]
    [committed] = consumer.committed([TopicPartition("read", 0)], timeout=30)
    assert committed.offset == 100
    consumer.close()


def test_who_commits_offsets_is_told_when_the_replicas_do_not_follow(start_cluster):
    cluster = start_cluster("kafka", OTTLA, offsets_commit_timeout_ms=1500, offsets_topic_num_partitions=1)
    tools = Tools(cluster)
    topics.create(cluster.bootstrap, "read", 1, replicas=3)
    tools.produce("read", ["x"])
    tools.consume("read", 1, "--group", "readers")
    leader = topics.leaders(cluster.bootstrap, "__consumer_offsets")[0]
    others = [node for number, node in cluster.nodes.items() if number != leader]
    cluster.in_sync("__consumer_offsets")

    def commit(offset):
        return wire.commit_error(int(cluster.nodes[leader].bootstrap.split(":")[1]), "alone", "read", offset)

    assert commit(1) == 0
    for node in others:
        os.kill(node.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert commit(2) == COORDINATOR_NOT_AVAILABLE
    assert 1.4 < time.monotonic() - began < 4
    # Once the others are out of sync nothing is waited for, which Kafka's brokers go on to do.
    eventually(lambda: (began := time.monotonic()) and commit(3) and time.monotonic() - began < 1, "commits still wait")
    assert commit(4) == COORDINATOR_NOT_AVAILABLE
    for node in others:
        os.kill(node.pid, signal.SIGCONT)
    eventually(lambda: commit(5) == 0, "nothing can be committed again")


def test_partitions_move_from_kafka_to_ottla_and_lose_nothing(start_cluster, tmp_path):
    cluster = start_cluster("kafka", ["kafka", "ottla", "ottla"], min_insync_replicas=1)
    tools = Tools(cluster)
    assignment = ",".join(["1"] * PARTITIONS)
    tools.topics("--create", "--topic", "moved", "--replica-assignment", assignment)
    load = Load(cluster.bootstrap, "moved", idempotent=True)
    partitions = [{"topic": "moved", "partition": n, "replicas": [2, 3]} for n in range(PARTITIONS)]
    plan = tmp_path / "plan.json"
    plan.write_text(f'{{"version": 1, "partitions": {partitions}}}'.replace("'", '"'))
    with load.running():
        _more(load)
        tools("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan)
        verify = ("kafka-reassign-partitions", "--verify", "--reassignment-json-file", plan)
        eventually(lambda: "still in progress" not in tools(*verify).text, "the partitions do not arrive")
        _more(load)
    eventually(lambda: set(topics.leaders(cluster.bootstrap, "moved").values()) <= {2, 3}, "another leads")
    # Nothing is left on the broker of Kafka, which can go.
    cluster.nodes[1].stop()
    load.check()


def test_records_that_are_deleted_go_from_all_replicas(start_cluster, tmp_path):
    cluster = start_cluster("quorum", OTTLA)
    tools = Tools(cluster)
    topics.create(cluster.bootstrap, "cut", 1, replicas=3)
    tools.produce("cut", range(100))
    wish = tmp_path / "offsets.json"
    wish.write_text('{"version": 1, "partitions": [{"topic": "cut", "partition": 0, "offset": 40}]}')
    done = tools("kafka-delete-records", "--offset-json-file", wish)
    assert "low_watermark: 40" in done.text, done
    # Whoever leads next has none of them either.
    leader = topics.leaders(cluster.bootstrap, "cut")[0]
    cluster.nodes[leader].kill()
    eventually(lambda: topics.leaders(tools.broker.bootstrap, "cut")[0] not in (leader, -1), "nobody leads")
    assert tools.offsets("cut", "--time", "earliest") == {0: 40}
    assert tools.consume("cut", 60) == [str(n) for n in range(40, 100)]


def test_a_new_replica_begins_within_a_batch_of_which_records_are_deleted(start_cluster, tmp_path):
    cluster = start_cluster("ottla", OTTLA, min_insync_replicas=1)
    tools = Tools(cluster)
    tools.topics("--create", "--topic", "within", "--replica-assignment", "2")
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 500, "log_level": 0})
    for number in range(100):
        producer.produce("within", str(number).encode())
    assert producer.flush(60) == 0
    wish = tmp_path / "offsets.json"
    wish.write_text('{"version": 1, "partitions": [{"topic": "within", "partition": 0, "offset": 40}]}')
    tools("kafka-delete-records", "--offset-json-file", wish)
    plan = tmp_path / "plan.json"
    plan.write_text('{"version": 1, "partitions": [{"topic": "within", "partition": 0, "replicas": [1]}]}')
    tools("kafka-reassign-partitions", "--execute", "--reassignment-json-file", plan)
    eventually(lambda: topics.leaders(cluster.bootstrap, "within") == {0: 1}, "the new replica does not catch up")
    cluster.nodes[1].kill()
    cluster.nodes[1].start()
    assert tools.consume("within", 60) == [str(n) for n in range(40, 100)]
