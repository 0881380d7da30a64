"""Several nodes on one machine: controllers and brokers, of Ottla or Apache Kafka in any mix."""

import socket

from harness import broker as brokers
from harness import topics
from harness.waiting import eventually


def _controller(kind):
    class Controller(kind):
        """A controller alone; who asks it gets no Metadata."""

        def _is_ready(self):
            socket.create_connection(("127.0.0.1", self.controller_port), timeout=5).close()
            return True

    return Controller


class Cluster:
    """One controller node, and brokers that join it: nodes[id], running or not."""

    def __init__(self, folder, controller, kinds, **overrides):
        """`controller` and each of `kinds` is "ottla" or "kafka"; brokers have the ids from 1 on, the controller 100."""
        self.folder = folder
        self.cluster_id = brokers.random_cluster_id()
        self.controller = self._make(_controller(brokers.KINDS[controller]), 100, overrides, role="controller")
        address = f"127.0.0.1:{self.controller.controller_port}"
        self.nodes = {
            number: self._make(brokers.KINDS[kind], number, overrides, role="broker", quorum=address)
            for number, kind in enumerate(kinds, 1)
        }

    def _make(self, kind, number, overrides, role, quorum=None):
        name = f"{role}-{number}"
        common = {
            "process_roles": role,
            "node_id": number,
            "offsets_topic_replication_factor": 3,
            "offsets_topic_num_partitions": 5,
            "broker_session_timeout_ms": 3000,
            "broker_heartbeat_interval_ms": 500,
            "replica_lag_time_max_ms": 4000,
            "replica_fetch_backoff_ms": 100,
            "min_insync_replicas": 2,
        }
        node = kind(self.folder / name, **{**common, **overrides})
        text = node.config_file.read_text()
        drop = {
            "broker": (f",CONTROLLER://127.0.0.1:{node.controller_port}",),
            "controller": (f"PLAINTEXT://{node.bootstrap},", f"advertised.listeners=PLAINTEXT://{node.bootstrap}\n",
                           "inter.broker.listener.name=PLAINTEXT\n"),
        }
        for part in drop[role]:
            text = text.replace(part, "")
        if quorum:
            own = f"controller.quorum.bootstrap.servers=127.0.0.1:{node.controller_port}"
            text = text.replace(own, f"controller.quorum.bootstrap.servers={quorum}")
            node.format_flags = ()
        node.config_file.write_text(text)
        node.cluster_id = self.cluster_id
        node.format()
        return node

    @property
    def bootstrap(self):
        return ",".join(node.bootstrap for node in self.nodes.values())

    def start(self):
        self.controller.start()
        for node in self.nodes.values():
            node.start()
        return self

    def all(self):
        return [*self.nodes.values(), self.controller]

    def close(self):
        """Stops what runs, brokers first, and says what a log tells that no broker may write."""
        for node in self.all():
            if node.running:
                node.stop()
        problems = [f"{node.folder.name}: {node.log_problem()}" for node in self.all() if node.log_problem()]
        assert not problems, problems

    def in_sync(self, topic):
        """Waits until all replicas of a topic are in sync."""
        eventually(lambda: not topics.out_of_sync(self.bootstrap, topic), f"{topic} is not in sync")
