"""A cluster of nodes, each with its roles, of Ottla or Apache Kafka: on hosts of a network of their own, or on loopback."""

import contextlib
import os
import re
import signal
from dataclasses import dataclass

from harness import broker as brokers
from harness import ports, wire
from harness import topics as admin
from harness.netns import Network
from harness.run import run
from harness.tools import run_tool
from harness.waiting import eventually

BROKER, CONTROLLER, COMBINED = "broker", "controller", "broker,controller"

# Short, so that tests of a minute see many elections.
QUICK = {
    "broker_session_timeout_ms": 3000,
    "broker_heartbeat_interval_ms": 500,
    "replica_lag_time_max_ms": 4000,
    "replica_fetch_backoff_ms": 100,
}
REPLICATED = {
    "default_replication_factor": 3,
    "offsets_topic_replication_factor": 3,
    "offsets_topic_num_partitions": 5,
    "transaction_state_log_replication_factor": 3,
    "transaction_state_log_min_isr": 2,
    "min_insync_replicas": 2,
}


@dataclass
class Spec:
    """What a node is to be."""

    id: int
    kind: str
    roles: str = BROKER

    @property
    def votes(self):
        return "controller" in self.roles

    @property
    def serves(self):
        return "broker" in self.roles


def specs(controllers, kinds):
    """Controllers alone, with the ids from 101 on, and brokers alone, from 1 on: specs(["kafka"], ["ottla"] * 3)."""
    voters = [Spec(number, kind, CONTROLLER) for number, kind in enumerate(controllers, 101)]
    return voters + [Spec(number, kind) for number, kind in enumerate(kinds, 1)]


def _node(spec, place, quorum, folder, overrides):
    """A node of its spec's kind and roles; `quorum` has the voters and their addresses, which configs list if there are several."""

    class Node(brokers.KINDS[spec.kind]):
        host, given_ports, launcher = place

        def _config(self, overrides):
            parts = {"broker": f"PLAINTEXT://{self.bootstrap}", "controller": f"CONTROLLER://{self.host}:{self.controller_port}"}
            own = {
                "process.roles": spec.roles,
                "node.id": spec.id,
                "listeners": ",".join(listener for role, listener in parts.items() if role in spec.roles.split(",")),
            }
            dropped = [] if spec.serves else ["advertised.listeners=", "inter.broker.listener.name="]
            if len(quorum) == 1:
                own["controller.quorum.bootstrap.servers"] = quorum[0][1]
            else:
                own["controller.quorum.voters"] = ",".join(f"{voter.id}@{address}" for voter, address in quorum)
                dropped.append("controller.quorum.bootstrap.servers=")
            lines = super()._config({**own, **overrides}).splitlines(keepends=True)
            return "".join(line for line in lines if not line.startswith(tuple(dropped)))

        def _is_ready(self):
            if spec.serves:
                return super()._is_ready()
            return wire.accepts(self.host, self.controller_port)

        def format(self):
            run([*self._format_command(), "-t", self.cluster_id, "-c", self.config_file, *self._format_flags()])

        def _format_flags(self):
            if len(quorum) > 1:
                return []
            if spec.votes:
                return ["--standalone"]
            return ["--no-initial-controllers"] if spec.kind == "kafka" else []

    Node.spec = spec
    return Node(folder, **overrides)


class Hosts:
    """Nodes by id, in order controllers first, running or not; without a network they share loopback."""

    def __init__(self, folder, nodes, network=None, **overrides):
        self.folder, self.network, self.specs = folder, network, nodes
        self.cluster_id = brokers.random_cluster_id()
        self._frozen = set()
        places = {spec.id: self._place(spec) for spec in nodes}
        quorum = [(spec, f"{places[spec.id][0]}:{places[spec.id][1][1]}") for spec in nodes if spec.votes]
        self.nodes = {}
        for spec in nodes:
            node = _node(spec, places[spec.id], quorum, folder / f"node-{spec.id}", {**REPLICATED, **overrides})
            node.cluster_id = self.cluster_id
            node.format()
            self.nodes[spec.id] = node

    def _place(self, spec):
        if not self.network:
            return ("127.0.0.1", ports.free_ports(2), ())
        host = self.network.add(self.host_of(spec.id))
        return (host.address, (9092, 9093), host.launcher)

    @staticmethod
    def host_of(node_id):
        return f"node-{node_id}"

    @property
    def brokers(self):
        return [spec.id for spec in self.specs if spec.serves]

    @property
    def controllers(self):
        return [spec.id for spec in self.specs if spec.votes]

    @property
    def bootstrap(self):
        return ",".join(self.nodes[number].bootstrap for number in self.brokers)

    def start(self):
        """All at once: a quorum answers when a majority is there."""
        return self._start(self.nodes.values())

    def _start(self, nodes):
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait()
        return self

    # Faults of processes.

    def kill(self, number):
        self.nodes[number].kill()
        self._frozen.discard(number)

    def freeze(self, number):
        os.kill(self.nodes[number].pid, signal.SIGSTOP)
        self._frozen.add(number)

    def thaw(self, number):
        self._frozen.discard(number)
        os.kill(self.nodes[number].pid, signal.SIGCONT)

    def recover(self):
        """Everything runs and everyone sees everyone."""
        for number in list(self._frozen):
            self.thaw(number)
        if self.network:
            self.network.heal()
        self._start([node for node in self.nodes.values() if not node.running])

    # What there is to see.

    def active_controller(self):
        done = run_tool("kafka-metadata-quorum", "--bootstrap-server", self.bootstrap, "describe", "--status")
        return int(re.search(r"^LeaderId:\s+(\d+)$", done.out, re.M)[1])

    def leader(self, topic, partition):
        return admin.leaders(self.bootstrap, topic)[partition]

    def in_sync(self, topic, seconds=60):
        """Every broker says so: one that was cut off knows of nothing."""
        said = lambda: [admin.out_of_sync(self.nodes[number].bootstrap, topic) for number in self.brokers]  # noqa: E731
        eventually(lambda: not any(said()), f"{topic} is not in sync", seconds)

    def replica_folders(self, topic, partition):
        return {f"node {number}": self.nodes[number].partition_folder(topic, partition) for number in self.brokers}

    def stop(self):
        """In order, brokers first."""
        for number in sorted(self.nodes, key=lambda number: self.nodes[number].spec.votes):
            if self.nodes[number].running:
                self.nodes[number].stop()

    def problems(self):
        found = {number: node.log_problem() for number, node in self.nodes.items()}
        return {number: problem for number, problem in found.items() if problem}

    def print_logs(self):
        """What a test that fails shows of each node."""
        for number, node in self.nodes.items():
            print(f"--- node {number}\n{node.log_tail(40)}")

    def close(self):
        """However the test ended."""
        with contextlib.suppress(ProcessLookupError):
            for number in list(self._frozen):
                self.thaw(number)
        for node in self.nodes.values():
            if node.running:
                node.kill()


@contextlib.contextmanager
def on_network(folder, nodes, clients=("client",), **overrides):
    """Hosts on a network of their own, with more hosts for clients; all of it goes when the block ends."""
    network = Network()
    cluster = None
    try:
        for name in clients:
            network.add(name)
        cluster = Hosts(folder, nodes, network, **overrides)
        yield cluster
    finally:
        if cluster:
            cluster.close()
        network.close()
