"""Topics that are deleted, or deleted and made anew, while a broker that has their logs is down."""

from confluent_kafka import Consumer, ElectionType, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import topics
from harness.waiting import eventually

# It leads whenever it can.
AWAY = 2
PLACES = [AWAY, 1, 3]


def _create(cluster, *names):
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    topics.wait(admin.create_topics([NewTopic(name, 1, replica_assignment=[PLACES]) for name in names]))


def _produce(cluster, topic, values):
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all"})
    failed = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _message: error and failed.append(error))
    assert producer.flush(60) == 0 and not failed, failed


def _read(bootstrap, topic, count):
    """As many values as are expected, and what else comes."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, timeout=30) + consumer.consume(1, timeout=1)
    consumer.close()
    assert not any(message.error() for message in messages)
    return [message.value() for message in messages]


def test_a_topic_that_is_made_anew_while_a_broker_is_down_has_nothing_of_the_old(start_cluster):
    cluster = start_cluster("quorum", ["ottla", "ottla", "ottla"])
    _create(cluster, "anew", "gone")
    for topic in ("anew", "gone"):
        _produce(cluster, topic, [b"old %d" % n for n in range(500)])
        cluster.in_sync(topic)
    node = cluster.nodes[AWAY]
    node.kill()
    topics.delete(cluster.bootstrap, ["anew", "gone"])
    _create(cluster, "anew")
    values = [b"new %d" % n for n in range(100)]
    _produce(cluster, "anew", values)
    node.start()
    cluster.in_sync("anew")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition("anew", 0)]).result(30)
    eventually(lambda: topics.leaders(node.bootstrap, "anew") == {0: AWAY}, "the broker that was away does not lead")
    assert _read(node.bootstrap, "anew", len(values)) == values
    assert not node.partition_folder("gone").exists()
