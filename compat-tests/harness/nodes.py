"""Nodes of a cluster of several: a combined Ottla, and Apache Kafka's brokers whose controller that is."""

from harness import wire
from harness.broker import Kafka, Ottla
from harness.run import run


class Combined(Ottla):
    """An Ottla that may know of other brokers by the time it answers."""

    def _is_ready(self):
        return wire.broker_count(self.port, timeout_s=5) >= 1


class KafkaBroker(Kafka):
    """A Kafka that is a broker and nothing else, in the cluster of a combined node."""

    def __init__(self, folder, node_id, controller, **overrides):
        self.node_id = node_id
        self.controller = controller
        super().__init__(folder, **overrides)
        self.cluster_id = controller.cluster_id

    def _config(self, overrides):
        own = {
            "process.roles": "broker",
            "node.id": self.node_id,
            "listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller.controller_port}",
            "broker.heartbeat.interval.ms": 500,
        }
        return super()._config({**own, **overrides})

    def format(self):
        run([*self._format_command(), "-t", self.cluster_id, "-c", self.config_file, "--no-initial-controllers"])

    def _is_ready(self):
        return wire.broker_count(self.port, timeout_s=5) >= 1
