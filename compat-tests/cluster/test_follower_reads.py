"""Consumers read from a replica in their rack (KIP-392)."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from harness import flexible, topics
from harness.tools import Tools
from harness.waiting import eventually

SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
RACKS = ["a", "b", "c"]
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_LEADER_EPOCH = 75
LINES = [f"line {n}" for n in range(200)]


def _port(cluster, node):
    return int(cluster.nodes[node].bootstrap.split(":")[1])


def _create(cluster, topic, *replicas, lines=LINES, **configs):
    tools = Tools(cluster)
    tools.topics("--create", "--topic", topic, "--replica-assignment", ":".join(map(str, replicas)))
    tools.produce(topic, lines, "--command-property", "acks=all")
    cluster.in_sync(topic)
    return topics.topic_id(cluster.bootstrap, topic)


@pytest.mark.parametrize("leader", [1, 2], ids=["kafka-leads", "ottla-leads"])
def test_the_leader_sends_consumers_to_their_rack(start_cluster, leader):
    """What a leader of Apache Kafka answers, one of Ottla answers too."""
    cluster = start_cluster("kafka", ["kafka", "ottla", "ottla"], replica_selector_class=SELECTOR, racks=RACKS)
    follower = 3 - leader
    topic_id = _create(cluster, "racks", leader, follower, 3)

    def ask(**wanted):
        answer = flexible.fetch(_port(cluster, leader), topic_id, **wanted)
        return answer.error, answer.preferred, bool(answer.records), answer.aborted

    def sends(rack, **wanted):
        return eventually(lambda: (found := ask(rack=rack, **wanted))[1] >= 0 and found, f"nobody is preferred in {rack}")

    assert sends(RACKS[follower - 1]) == (0, follower, False, None)
    assert sends("c", offset=len(LINES)) == (0, 3, False, None)
    # The answer does not wait for records.
    assert sends("c", offset=len(LINES), max_wait_ms=20_000)[1] == 3
    assert ask(rack=RACKS[leader - 1]) == (0, -1, True, None)
    assert ask(rack="elsewhere") == (0, -1, True, None)
    assert ask(rack="") == (0, -1, True, None)
    assert ask(rack="c", offset=len(LINES) + 1)[:3] == (OFFSET_OUT_OF_RANGE, -1, False)
    assert ask(rack="c", leader_epoch=7)[:2] == (UNKNOWN_LEADER_EPOCH, -1)
    # Followers send nobody on, and have the records when they next hear of the high watermark.
    of_follower = lambda: flexible.fetch(_port(cluster, 3), topic_id, rack=RACKS[follower - 1])  # noqa: E731
    assert eventually(lambda: (found := of_follower()).records and found, "no records").preferred == -1


def test_who_is_not_in_sync_is_not_read_from(start_cluster):
    cluster = start_cluster("quorum", ["ottla"] * 3, replica_selector_class=SELECTOR, racks=RACKS)
    topic_id = _create(cluster, "racks", 1, 2, 3)
    preferred = lambda: flexible.fetch(_port(cluster, 1), topic_id, rack="c").preferred  # noqa: E731
    eventually(lambda: preferred() == 3, "nobody is preferred")
    cluster.nodes[3].kill()
    eventually(lambda: preferred() == -1, "a broker that is gone is preferred")
    Tools(cluster).produce("racks", LINES)
    cluster.nodes[3].start()
    cluster.in_sync("racks")
    eventually(lambda: preferred() == 3, "a broker that is back is not preferred")


def test_unmodified_consumers_read_near_by(start_cluster):
    """Kafka's consumer and librdkafka's, of both rebalance protocols or none: what they read is what followers have sent."""
    cluster = start_cluster("quorum", ["ottla"] * 3, replica_selector_class=SELECTOR, racks=RACKS)
    wide = [f"{n} {'x' * 1000}" for n in range(500)]
    topic_id = _create(cluster, "racks", 1, 2, 3, lines=wide)
    size = sum(map(len, wide))
    for node in (2, 3):
        preferred = lambda: flexible.fetch(_port(cluster, 1), topic_id, rack=RACKS[node - 1]).preferred  # noqa: B023, E731
        eventually(lambda: preferred() == node, f"{node} is not preferred")  # noqa: B023

    def fetched(node):
        return cluster.nodes[node].metrics()["ottla_fetched_bytes_total"]

    tools = Tools(cluster)
    before = {node: fetched(node) for node in cluster.nodes}
    for protocol in ("classic", "consumer"):
        properties = ["client.rack=b", f"group.protocol={protocol}"]
        given = [argument for each in properties for argument in ("--command-property", each)]
        assert tools.consume("racks", len(wide), *given) == wide
    assert fetched(2) - before[2] > 2 * size
    assert fetched(1) - before[1] < size / 10
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "near", "client.rack": "c"})
    consumer.assign([TopicPartition("racks", 0, 0)])
    seen = []
    while len(seen) < len(wide):
        for message in consumer.consume(len(wide) - len(seen), timeout=1):
            assert not message.error(), message.error()
            seen.append(message.value().decode())
    consumer.close()
    assert seen == wide
    assert fetched(3) - before[3] > size
    assert fetched(1) - before[1] < size / 10
    # The replica is found wanting and left, and nothing is lost on the way.
    cluster.nodes[2].kill()
    assert tools.consume("racks", len(wide), "--command-property", "client.rack=b") == wide
