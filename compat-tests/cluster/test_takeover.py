"""Ottla takes over a quorum that Apache Kafka's nodes formed: their folders, with all that was acknowledged, and their configs."""

import base64
import itertools
import re
import shutil
import uuid

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from faults.load import Load
from harness import background, hosts, topics
from harness import broker as brokers
from harness.tools import run_tool
from harness.waiting import eventually

pytestmark = pytest.mark.limit(300)

_LOG = "__cluster_metadata-0"
_WENT_ON = "Apache Kafka's controllers went on with the metadata log"


def become(cluster, kind):
    """Other programs on the same nodes."""
    for number, node in cluster.nodes.items():
        own = {name: getattr(node, name) for name in ("host", "given_ports", "launcher", "spec")}
        other = object.__new__(type("Node", (brokers.KINDS[kind],), own))
        other.__dict__.update(node.__dict__)
        cluster.nodes[number] = other


def let_go(cluster):
    """Has Apache Kafka's nodes begin as voters that come and go, in place of fixed ones."""
    addresses = {number: f"127.0.0.1:{node.controller_port}" for number, node in cluster.nodes.items()}
    disks = {number: brokers.random_cluster_id() for number in cluster.nodes}
    voters = ",".join(f"{number}@{address}:{disks[number]}" for number, address in addresses.items())
    servers = "controller.quorum.bootstrap.servers=" + ",".join(addresses.values())
    for node in cluster.nodes.values():
        text = re.sub(r"^controller\.quorum\.voters=.*$", servers, node.config_file.read_text(), flags=re.M)
        node.config_file.write_text(text)
        shutil.rmtree(node.data)
        node._format_flags = lambda: ["--initial-controllers", voters]
        node.format()
        del node.__dict__["_format_flags"]


class Changes:
    """Sets a topic's config again and again, so that the metadata log is never at rest."""

    def __init__(self, bootstrap, topic):
        self.bootstrap, self.topic = bootstrap, topic
        self.tried = self.acknowledged = 0

    def run_until(self, stop):
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for value in itertools.count(10_000_000):
            self.tried = value
            entry = ConfigEntry("retention.ms", str(value), incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, self.topic, incremental_configs=[entry])
            try:
                topics.wait(admin.incremental_alter_configs([resource], request_timeout=3))
            except KafkaException:
                # Nobody is there to take it: it may be done or not.
                return
            self.acknowledged = value
            if stop.is_set():
                return


def value_of(bootstrap, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    return int(topics.wait(admin.describe_configs([resource]))[resource]["retention.ms"].value)


def commit(bootstrap, offsets):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "of-kafka", "log_level": 0})
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()


def committed(bootstrap, partitions):
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    asked = ConsumerGroupTopicPartitions("of-kafka", [TopicPartition(each.topic, each.partition) for each in partitions])
    return topics.wait(admin.list_consumer_group_offsets([asked]))["of-kafka"].topic_partitions


def story(node):
    """{offset: record} of a node's metadata log by kafka-dump-log."""
    text = "".join(
        run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", segment).out
        for segment in sorted((node.data / _LOG).glob("*.log"))
    )
    return {int(offset): record for offset, record in re.findall(r"^\| offset: (\d+) (.*)$", text, re.M)}


def same_story(cluster):
    stories = [story(node) for node in cluster.nodes.values()]
    first, last = max(min(each) for each in stories), min(max(each) for each in stories)
    common = [{at: record for at, record in each.items() if first <= at <= last} for each in stories]
    assert len(common[0]) > 20 and common[0] == common[1] == common[2]


def filled_by_kafka(tmp_path, dynamic):
    """Three nodes of Apache Kafka that were killed in the middle of their work, and what they had."""
    nodes = [hosts.Spec(number, "kafka", hosts.COMBINED) for number in (1, 2, 3)]
    # Each has snapshots of its own, at other offsets.
    settings = {**hosts.QUICK, "metadata_log_max_record_bytes_between_snapshots": 3000}
    cluster = hosts.Hosts(tmp_path, nodes, **settings)
    if dynamic:
        let_go(cluster)
    cluster.start()
    load = Load(cluster.bootstrap, "kept", idempotent=True)
    load.create_topic(replicas=3)
    commit(cluster.bootstrap, [TopicPartition("kept", n, 1 + n) for n in range(20)])
    changes = Changes(cluster.bootstrap, "kept")
    with load.running(), background.running(changes.run_until):
        eventually(lambda: len(load.acknowledged) > 1000 and changes.tried > 10_000_150, "Apache Kafka is not at work")
        for number in cluster.nodes:
            cluster.kill(number)
    return cluster, load, changes


def check_all_there(cluster, load, changes, topic_id):
    assert topics.topic_id(cluster.bootstrap, "kept") == topic_id
    assert changes.acknowledged <= value_of(cluster.bootstrap, "kept") <= changes.tried
    offsets = committed(cluster.bootstrap, [TopicPartition("kept", n) for n in range(20)])
    assert [(each.partition, each.offset) for each in offsets] == [(n, 1 + n) for n in range(20)]
    load.check(bootstrap=cluster.bootstrap)


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_a_quorum_of_kafka_is_taken_over_with_all_that_it_has(tmp_path, request, dynamic):
    if not request.config.getoption("--full"):
        pytest.skip("it takes a minute: --full")
    cluster, load, changes = filled_by_kafka(tmp_path, dynamic)
    try:
        text = (cluster.nodes[1].data / "kept-0" / "partition.metadata").read_text()
        topic_id = _uuid(re.search(r"topic_id: (.*)", text)[1])
        become(cluster, "ottla")
        cluster.start()
        cluster.in_sync("kept")
        assert all("takes over a metadata log" in node.log_text() for node in cluster.nodes.values())
        check_all_there(cluster, load, changes, topic_id)
        # It goes on as any other quorum.
        cluster.kill(1)
        # Partitions that it leads would be asked of it.
        eventually(lambda: 1 not in topics.brokers(cluster.nodes[2].bootstrap), "the one that was killed is there still")
        topics.create(cluster.nodes[2].bootstrap, "made-after", 3, 2)
        cluster.recover()
        cluster.in_sync("kept")
        more = Load(cluster.bootstrap, "more", idempotent=True)
        more.create_topic(replicas=3)
        with more.running():
            eventually(lambda: len(more.acknowledged) > 1000, "nothing is acknowledged")
        more.check()
        cluster.stop()
        same_story(cluster)
        there_and_back(cluster, load, changes, topic_id)
        assert not cluster.problems()
    finally:
        cluster.close()


def there_and_back(cluster, load, changes, topic_id):
    """Apache Kafka goes on where Ottla stopped; then Ottla must be told to take over once more."""
    become(cluster, "kafka")
    cluster.start()
    cluster.in_sync("kept")
    check_all_there(cluster, load, changes, topic_id)
    topics.create(cluster.bootstrap, "made-by-kafka", 3, 3)
    # The last of Apache Kafka's nodes does not stop without a majority.
    for number in cluster.nodes:
        cluster.kill(number)
    become(cluster, "ottla")
    for node in cluster.nodes.values():
        node.launch()
        assert node.ends() == 1 and _WENT_ON in node.log_text(), node.log_tail()
        shutil.rmtree(node.data / _LOG / "quorum")
    cluster.start()
    cluster.in_sync("made-by-kafka")
    check_all_there(cluster, load, changes, topic_id)
    cluster.stop()
    same_story(cluster)


def _uuid(text):
    """An id as Apache Kafka writes it."""
    return uuid.UUID(bytes=base64.urlsafe_b64decode(text + "=="))
