"""Clusters of Ottla's and Apache Kafka's nodes."""

import itertools
import re

import pytest

from harness import cluster as clusters
from harness import nodes, topics
from harness.tools import Tools, describe_topic, run_tool, table
from harness.waiting import eventually

SETTINGS = {"broker_session_timeout_ms": 4_000, "broker_heartbeat_interval_ms": 500}


class Cluster:
    """Node 1 is Ottla, broker and controller; the others are Kafka's brokers."""

    def __init__(self, folder, kafkas, static_voters=False, **overrides):
        self.controller = nodes.Combined(folder / "node-1", static_voters, **{**SETTINGS, **overrides})
        self.controller.format()
        self.folder = folder
        self.kafkas = {}
        self.controller.start()
        for node_id in kafkas:
            self.add(node_id)

    def add(self, node_id):
        """Starts one more of Kafka's brokers, which answers before the controller lets it in."""
        node = nodes.KafkaBroker(self.folder / f"node-{node_id}", node_id, self.controller)
        node.format()
        self.kafkas[node_id] = node
        node.start()
        self._everywhere(lambda bootstrap: node_id in topics.brokers(bootstrap), f"not all know of {node_id}")
        return node

    def _everywhere(self, question, otherwise):
        """Waits until it is so by all brokers that run."""
        running = [self[number].bootstrap for number in [1, *self.kafkas] if self[number].running]
        eventually(lambda: all(question(bootstrap) for bootstrap in running), otherwise)

    def __getitem__(self, node_id):
        return self.controller if node_id == 1 else self.kafkas[node_id]

    def tools(self, node_id):
        return Tools(self[node_id])

    def on_controller(self, tool, *arguments, **options):
        """A tool that is pointed at the controller's listener (KIP-919)."""
        where = f"127.0.0.1:{self.controller.controller_port}"
        return run_tool(tool, "--bootstrap-controller", where, *arguments, **options)

    def endpoints(self, node_id=1):
        """What kafka-cluster lists of brokers: {id: state}."""
        where = self[node_id].bootstrap
        done = run_tool(
            "kafka-cluster", "list-endpoints", "--bootstrap-server", where, "--include-fenced-brokers"
        )  # fmt: skip
        return {int(row["ID"]): row["STATE"] for row in table(done.out)}

    def partitions(self, topic, node_id=1):
        """{partition: (leader, replicas, isr)} by kafka-topics."""
        done = self.tools(node_id).topics("--describe", "--topic", topic)
        ids = lambda text: [int(each) for each in text.split(",") if each]  # noqa: E731
        rows = describe_topic(done)[1]
        return {
            int(row["Partition"]): (
                int(row["Leader"]) if row["Leader"].lstrip("-").isdigit() else -1, ids(row["Replicas"]), ids(row["Isr"])
            )
            for row in rows
        }  # fmt: skip

    def create(self, topic, *assignment, node_id=2, configs=()):
        """Makes a topic through a broker, with the replicas of each partition: create("t", "2:3", "3:2"). All know it then."""
        more = [argument for config in configs for argument in ("--config", config)]
        self.tools(node_id).topics("--create", "--topic", topic, "--replica-assignment", ",".join(assignment), *more)
        self._everywhere(lambda bootstrap: topics.leaders(bootstrap, topic), f"not all know of {topic}")
        return topic

    def quorum(self, what, node_id=1):
        return self.tools(node_id)("kafka-metadata-quorum", "describe", what)

    def close(self):
        for node in [*self.kafkas.values(), self.controller]:
            if node.running:
                node.kill()
        problem = self.controller.log_problem()
        assert not problem, f"Ottla's log: {problem}"

    def logs(self):
        return [(f"node {n}", self[n].log_tail()) for n in [1, *self.kafkas]]


@pytest.fixture(autouse=True)
def of_ottla(kind):
    if kind != "ottla":
        pytest.skip("Apache Kafka's controller needs no test here")


@pytest.fixture(scope="module")
def make_cluster(tmp_path_factory):
    made = []

    def make(kafkas, **overrides):
        cluster = Cluster(tmp_path_factory.mktemp("cluster"), kafkas, **overrides)
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.close()


@pytest.fixture(scope="module")
def cluster(make_cluster):
    return make_cluster([2, 3])


@pytest.fixture
def name(request):
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:80]


@pytest.fixture
def start_cluster(tmp_path):
    """Starts clusters: start_cluster("kafka", ["ottla", "ottla", "kafka"]), the controller first; with "quorum" in its place each
    broker is a controller too."""
    mine = []
    numbers = itertools.count()

    def start(controller, brokers, **overrides):
        folder = tmp_path / f"cluster-{next(numbers)}"
        folder.mkdir()
        started = clusters.make(folder, controller, brokers, **overrides)
        mine.append(started)
        return started.start()

    yield start
    for each in mine:
        each.close()
