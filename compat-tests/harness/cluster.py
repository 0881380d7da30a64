"""Several nodes on one machine: controllers and brokers, of Ottla or Apache Kafka in any mix."""

import socket

from harness import broker as brokers
from harness import ports, topics
from harness.waiting import eventually


def controller_of(kind):
    class Controller(kind):
        """A controller alone; who asks it gets no Metadata."""

        def _is_ready(self):
            socket.create_connection(("127.0.0.1", self.controller_port), timeout=5).close()
            return True

    return Controller


SETTINGS = {
    "offsets_topic_replication_factor": 3,
    "offsets_topic_num_partitions": 5,
    "broker_session_timeout_ms": 3000,
    "broker_heartbeat_interval_ms": 500,
    "replica_lag_time_max_ms": 4000,
    "replica_fetch_backoff_ms": 100,
    "min_insync_replicas": 2,
}


class Nodes:
    """Nodes by their ids, running or not."""

    def __init__(self, folder):
        self.folder = folder
        self.cluster_id = brokers.random_cluster_id()
        self.nodes = {}

    @property
    def bootstrap(self):
        return ",".join(node.bootstrap for node in self.nodes.values())

    def all(self):
        return [*self.nodes.values()]

    def close(self):
        """Stops what runs, brokers first, and says what a log tells that no broker may write."""
        for node in self.all():
            if node.running:
                node.stop()
        problems = [f"{node.folder.name}: {node.log_problem()}" for node in self.all() if node.log_problem()]
        assert not problems, problems

    def serving(self):
        """The addresses of the brokers that run, by their ids."""
        return {number: node.bootstrap for number, node in self.nodes.items() if node.running}

    def all_there(self):
        """Waits until every broker knows of every other: one of Kafka's answers before the controller lets it in."""
        serving = self.serving()
        known = lambda: all(topics.brokers(address) == serving.keys() for address in serving.values())  # noqa: E731
        eventually(known, f"not all of {[*serving]} know of each other")

    def in_sync(self, topic):
        """Waits until all replicas of a topic are in sync, and every broker knows."""
        said = lambda: [topics.out_of_sync(address, topic) for address in self.serving().values()]  # noqa: E731
        eventually(lambda: not any(said()), f"{topic} is not in sync")


def _own(number, folder, overrides):
    """The overrides of one node: `racks` has one a broker, and `{folder}` stands for the node's own."""
    racks = overrides.get("racks", ())
    place = lambda value: value.replace("{folder}", str(folder)) if isinstance(value, str) else value  # noqa: E731
    own = {key: place(value) for key, value in overrides.items() if key != "racks"}
    return {**own, "broker_rack": racks[number - 1]} if number <= len(racks) else own


class Quorum(Nodes):
    """Combined nodes of Ottla, each a controller and a broker; all vote."""

    def __init__(self, folder, count=3, **overrides):
        super().__init__(folder)
        for number in range(1, count + 1):
            place = folder / f"node-{number}"
            settings = {**SETTINGS, "node_id": number, **_own(number, place, overrides)}
            self.nodes[number] = brokers.Ottla(place, **settings)
            (self.nodes[number].http_port,) = ports.free_ports(1)
        voters = ",".join(f"{number}@127.0.0.1:{node.controller_port}" for number, node in self.nodes.items())
        for node in self.nodes.values():
            lines = node.config_file.read_text().splitlines()
            kept = [line for line in lines if not line.startswith("controller.quorum.bootstrap.servers")]
            node.config_file.write_text("\n".join([*kept, f"controller.quorum.voters={voters}", ""]))
            node.format_flags = ()
            node.cluster_id = self.cluster_id
            node.format()

    def start(self):
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.wait()
        self.all_there()
        return self

    def close(self):
        # Alone a node cannot take its leave: who is stopped last is killed.
        running = [node for node in self.all() if node.running]
        for node in running[: len(running) - 1]:
            node.stop()
        for node in running[-1:]:
            node.kill()
        super().close()


class Cluster(Nodes):
    """One controller node, and brokers that join it."""

    def __init__(self, folder, controller, kinds, **overrides):
        """`controller` and each of `kinds` is "ottla" or "kafka"; brokers have the ids from 1 on, the controller 100."""
        super().__init__(folder)
        self.controller = self._make(controller_of(brokers.KINDS[controller]), 100, overrides, role="controller")
        address = f"127.0.0.1:{self.controller.controller_port}"
        self.nodes = {
            number: self._make(brokers.KINDS[kind], number, overrides, role="broker", quorum=address)
            for number, kind in enumerate(kinds, 1)
        }

    def _make(self, kind, number, overrides, role, quorum=None):
        own = {**SETTINGS, "process_roles": role, "node_id": number}
        folder = self.folder / f"{role}-{number}"
        node = kind(folder, **{**own, **_own(number, folder, overrides)})
        (node.http_port,) = ports.free_ports(1)
        text = node.config_file.read_text()
        drop = {
            "broker": (f",CONTROLLER://127.0.0.1:{node.controller_port}",),
            "controller": (
                f"PLAINTEXT://{node.bootstrap},",
                f"advertised.listeners=PLAINTEXT://{node.bootstrap}\n",
                "inter.broker.listener.name=PLAINTEXT\n",
            ),
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

    def start(self):
        self.controller.start()
        for node in self.nodes.values():
            node.start()
        self.all_there()
        return self

    def all(self):
        return [*self.nodes.values(), self.controller]


def make(folder, controller, kinds, **overrides):
    """Brokers with a controller apart, or as a quorum of their own."""
    if controller == "quorum":
        assert set(kinds) == {"ottla"}, "others cannot vote with Ottla"
        return Quorum(folder, len(kinds), **overrides)
    return Cluster(folder, controller, kinds, **overrides)
