"""Who leads in place of the broker that was asked (KIP-951): a broker of Ottla and one of Apache Kafka in the same cluster tell
the same."""

import pytest

from harness import flexible, topics
from harness.tools import Tools
from harness.waiting import eventually

NOT_LEADER_OR_FOLLOWER = 6
FENCED_LEADER_EPOCH = 74
KAFKA, OTTLA, LEADER = 1, 2, 3


@pytest.fixture
def cluster(start_cluster):
    return start_cluster("kafka", ["kafka", "ottla", "kafka"], min_insync_replicas=1)



def _create(cluster, topic, *replicas):
    """A topic with one partition on these brokers, the leader first, and a record in it."""
    tools = Tools(cluster)
    tools.topics("--create", "--topic", topic, "--replica-assignment", ":".join(map(str, replicas)))
    tools.produce(topic, ["x"])
    cluster.in_sync(topic)
    return topics.topic_id(cluster.bootstrap, topic)


def _port(cluster, node):
    return int(cluster.nodes[node].bootstrap.split(":")[1])


def _records(cluster, node, topic_id):
    """A follower has them when it next hears of the high watermark."""
    return eventually(lambda: flexible.fetch(_port(cluster, node), topic_id).records, "the record is not there")


@pytest.mark.parametrize("replicas", [(3,), (3, 1, 2)], ids=["elsewhere", "follower"])
def test_who_does_not_lead_says_who_does(cluster, replicas):
    topic_id = _create(cluster, "led", *replicas)
    records = _records(cluster, LEADER, topic_id)
    for follower in replicas[1:]:
        _records(cluster, follower, topic_id)
    expected = {LEADER: ("127.0.0.1", _port(cluster, LEADER), None)}
    produced = [flexible.produce(_port(cluster, node), "led", records) for node in (KAFKA, OTTLA)]
    assert produced[0] == produced[1]
    assert produced[1] == flexible.Answer(NOT_LEADER_OR_FOLLOWER, (LEADER, 0), nodes=expected)
    # Of a follower consumers may read; who follows may not.
    as_consumer = [flexible.fetch(_port(cluster, node), topic_id) for node in (KAFKA, OTTLA)]
    assert as_consumer[0] == as_consumer[1]
    if len(replicas) == 1:
        assert as_consumer[1] == flexible.Answer(NOT_LEADER_OR_FOLLOWER, (LEADER, 0), nodes=expected)
    as_follower = [flexible.fetch(_port(cluster, node), topic_id, replica=(9, -1)) for node in (KAFKA, OTTLA)]
    assert as_follower[0] == as_follower[1]
    assert as_follower[1] == flexible.Answer(NOT_LEADER_OR_FOLLOWER, (LEADER, 0))


def test_who_knows_an_older_leader_is_told_of_the_present_one(cluster):
    answers = {}
    for node in (KAFKA, OTTLA):
        topic = f"led-by-{node}"
        topic_id = _create(cluster, topic, LEADER, node)
        answers[node] = (topic, topic_id)
    cluster.nodes[LEADER].stop()
    for node, (topic, topic_id) in answers.items():
        eventually(lambda: topics.leaders(cluster.nodes[node].bootstrap, topic) == {0: node}, f"{node} does not lead")
        answer = eventually(
            lambda: (found := flexible.fetch(_port(cluster, node), topic_id, leader_epoch=0)).error and found,
            "the older epoch is not fenced",
        )  # fmt: skip
        assert answer.error == FENCED_LEADER_EPOCH
        nodes = {node: ("127.0.0.1", _port(cluster, node), None)}
        epoch = answer.leader[1]
        assert epoch > 0
        assert answer == flexible.Answer(FENCED_LEADER_EPOCH, (node, epoch), nodes=nodes)
