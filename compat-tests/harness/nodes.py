"""Nodes of a cluster of several: a combined Ottla, and Apache Kafka's brokers whose controller that is."""

from harness import wire
from harness.broker import Kafka, Ottla
from harness.run import run


def _quorum(controller):
    """How nodes find the controller: by way of any that they can reach, or by a list of the voters."""
    if controller.static_voters:
        return {
            "controller.quorum.bootstrap.servers": "",
            "controller.quorum.voters": f"1@127.0.0.1:{controller.controller_port}",
        }
    return {"controller.quorum.bootstrap.servers": f"127.0.0.1:{controller.controller_port}"}


class Combined(Ottla):
    """An Ottla that may know of other brokers by the time it answers."""

    def __init__(self, folder, static_voters=False, **overrides):
        self.static_voters = static_voters
        super().__init__(folder, **overrides)

    def _config(self, overrides):
        return super()._config({**_quorum(self), **overrides})

    def format(self):
        if not self.static_voters:
            return super().format()
        run([*self._format_command(), "-t", self.cluster_id, "-c", self.config_file])

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
            **_quorum(self.controller),
            "broker.heartbeat.interval.ms": 500,
        }
        return super()._config({**own, **overrides})

    def format(self):
        alone = [] if self.controller.static_voters else ["--no-initial-controllers"]
        run([*self._format_command(), "-t", self.cluster_id, "-c", self.config_file, *alone])

    def _is_ready(self):
        return wire.broker_count(self.port, timeout_s=5) >= 1
