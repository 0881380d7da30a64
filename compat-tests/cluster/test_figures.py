"""What nodes tell Prometheus of replicas and of the cluster is so."""

import os
import signal

import pytest

from harness import topics
from harness.tools import Tools
from harness.waiting import eventually

LINES = [f"{n} {'x' * 1000}" for n in range(200)]
SIZE = sum(map(len, LINES))


class Figures:
    """The figures of a cluster's nodes, by their names without `ottla_`."""

    def __init__(self, cluster):
        self._cluster = cluster

    def of(self, node, name):
        return node.metrics()[f"ottla_{name}"]

    def each(self, name):
        """Of the brokers that run."""
        return [self.of(node, name) for node in self._cluster.nodes.values() if node.running]

    def sum(self, name):
        return sum(self.each(name))

    def become(self, name, wanted):
        eventually(lambda: self.sum(name) == wanted, f"{name} is {self.each(name)}, not {wanted}")


def _create(cluster, topic, *assignment, configs=()):
    given = [argument for config in configs for argument in ("--config", config)]
    Tools(cluster).topics("--create", "--topic", topic, "--replica-assignment", ",".join(assignment), *given)


@pytest.mark.limit(240)
def test_figures_follow_what_becomes_of_brokers(start_cluster):
    # Longer than a session: the controller alone takes replicas out of the in-sync sets, or a leader might wish for it too late.
    cluster = start_cluster("ottla", ["ottla"] * 3, replica_lag_time_max_ms=10_000)
    figures, controller = Figures(cluster), cluster.controller
    of_cluster = lambda name: figures.of(controller, name)  # noqa: E731

    def becomes(name, wanted):
        eventually(lambda: of_cluster(name) == wanted, f"{name} is {of_cluster(name)}, not {wanted}")

    _create(cluster, "wide", "1:2:3", "2:3:1", "3:1:2")
    _create(cluster, "alone", "3", configs=["min.insync.replicas=1"])
    cluster.in_sync("wide")
    cluster.in_sync("alone")
    Tools(cluster).produce("wide", LINES, "--command-property", "acks=all")
    assert of_cluster("active_controller") == 1
    assert of_cluster("cluster_partitions") == 4
    assert (of_cluster("cluster_active_brokers"), of_cluster("cluster_fenced_brokers")) == (3, 0)
    assert (of_cluster("cluster_offline_partitions"), of_cluster("cluster_imbalanced_partitions")) == (0, 0)
    figures.become("partitions", 10)
    assert (figures.each("led_partitions"), figures.sum("under_replicated_partitions")) == ([1, 1, 2], 0)
    assert figures.sum("at_min_isr_partitions") == 1
    assert figures.sum("replication_received_bytes_total") >= 2 * SIZE
    # A fetch that was given up for new partitions was sent and not received.
    assert figures.sum("replication_sent_bytes_total") >= figures.sum("replication_received_bytes_total")
    assert figures.sum("fetched_bytes_total") == 0
    figures.become("replica_max_lag_records", 0)
    elections = of_cluster("leader_elections_total")

    cluster.nodes[3].kill()
    becomes("cluster_fenced_brokers", 1)
    becomes("cluster_offline_partitions", 1)
    becomes("leader_elections_total", elections + 1)
    becomes("cluster_active_brokers", 2)
    becomes("cluster_imbalanced_partitions", 2)
    figures.become("under_replicated_partitions", 3)
    figures.become("at_min_isr_partitions", 3)
    cluster.nodes[2].kill()
    figures.become("under_min_isr_partitions", 3)
    figures.become("led_partitions", 3)
    cluster.nodes[2].start()
    cluster.nodes[3].start()
    figures.become("under_replicated_partitions", 0)
    becomes("cluster_offline_partitions", 0)
    eventually(lambda: figures.sum("isr_expands_total") > 0, "that sets grow is not counted")
    assert figures.sum("failed_isr_updates_total") == 0
    # Of the partition whose only replica was killed nobody knows that its leader has all, as in Kafka.
    unclean = of_cluster("unclean_leader_elections_total")
    assert unclean == 1

    # Nobody is left who has all, and the one who has less is told to lead.
    _create(cluster, "two", "1:2", configs=["min.insync.replicas=1"])
    cluster.in_sync("two")
    cluster.nodes[2].stop()
    Tools(cluster).produce("two", LINES)
    cluster.nodes[1].kill()
    cluster.nodes[2].start()
    becomes("cluster_offline_partitions", 1)
    Tools(cluster.nodes[2])(
        "kafka-leader-election", "--election-type", "unclean", "--topic", "two", "--partition", 0
    )  # fmt: skip
    becomes("unclean_leader_elections_total", unclean + 1)
    eventually(lambda: topics.leaders(cluster.nodes[2].bootstrap, "two") == {0: 2}, "it does not know that it leads")


def test_a_frozen_replica_shrinks_the_in_sync_set(start_cluster):
    cluster = start_cluster("quorum", ["ottla"] * 3, replica_lag_time_max_ms=1500, broker_session_timeout_ms=60_000)
    figures = Figures(cluster)
    _create(cluster, "two", "1:2", configs=["min.insync.replicas=1"])
    cluster.in_sync("two")
    figures.become("active_controller", 1)
    before = figures.of(cluster.nodes[1], "isr_shrinks_total")
    leader, follower = cluster.nodes[1], cluster.nodes[2]
    os.kill(follower.pid, signal.SIGSTOP)
    Tools(leader).produce("two", LINES, "--command-property", "acks=1")
    eventually(lambda: figures.of(leader, "under_replicated_partitions") == 1, "the set does not shrink")
    eventually(lambda: figures.of(leader, "isr_shrinks_total") > before, "the shrink is not counted")
    os.kill(follower.pid, signal.SIGCONT)
    figures.become("under_replicated_partitions", 0)
    eventually(lambda: figures.sum("isr_expands_total") >= 1, "that the set grows is not counted")
