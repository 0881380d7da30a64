"""Faults of processes and of the network between them, in a schedule that a seed decides."""

import random
import time
from dataclasses import dataclass, field

from checker.recorder import Recorder
from harness.weather import Weather


@dataclass
class Step:
    """A fault, whom it meets, and for how long."""

    fault: str
    # A broker by its place among them, or the leader of a partition, found out when its time has come.
    broker: int
    partition: int
    seconds: float
    seed: int
    pause: float

    def __str__(self):
        return f"{self.fault}(broker {self.broker}, partition {self.partition}, {self.seconds:.1f} s)"


@dataclass
class Schedule:
    """The same steps for the same seed."""

    seed: int
    steps: list = field(default_factory=list)

    @classmethod
    def of_each(cls, seed, brokers, partitions, shortest_s, longest_s, faults=None):
        """Each fault once, in any order."""
        chance = random.Random(seed)
        names = sorted(faults or FAULTS)
        chance.shuffle(names)
        return cls(seed, [cls._step(chance, name, brokers, partitions, shortest_s, longest_s) for name in names])

    @classmethod
    def endless(cls, seed, brokers, partitions, shortest_s, longest_s, faults=None):
        chance = random.Random(seed)
        while True:
            yield cls._step(chance, chance.choice(sorted(faults or FAULTS)), brokers, partitions, shortest_s, longest_s)

    @staticmethod
    def _step(chance, name, brokers, partitions, shortest_s, longest_s):
        return Step(
            name, chance.randrange(brokers), chance.randrange(partitions), chance.uniform(shortest_s, longest_s),
            chance.randrange(1 << 30), chance.uniform(0, 1),
        )  # fmt: skip


class Nemesis:
    """Does the steps to a cluster and heals it after each; writes down when it did what."""

    def __init__(self, cluster, topic, history):
        self.cluster, self.topic = cluster, topic
        self._recorder = Recorder(history, 0)

    def close(self):
        self._recorder.close()

    def do(self, step):
        self._say(f"begins {step}")
        (FAULTS.get(step.fault) or OF_CLIENTS[step.fault])(self, step)
        self._say(f"heals {step}")
        self.cluster.recover()
        self._say(f"healed {step}")

    def _say(self, what):
        self._recorder.now("info", "nemesis", what=what)

    # Whom it meets.

    def broker(self, step):
        return self.cluster.brokers[step.broker]

    def others(self, number):
        return [each for each in self.cluster.brokers if each != number]

    def leader(self, step):
        leader = self.cluster.leader(self.topic, step.partition)
        number = leader if leader in self.cluster.brokers else self.broker(step)
        self._say(f"the leader is {number}")
        return number

    def controller(self, step):
        return self.cluster.controllers[step.seed % len(self.cluster.controllers)]

    def controllers(self, number):
        """As hosts, but for the broker's own."""
        return self.hosts([each for each in self.cluster.controllers if each != number])

    def hosts(self, numbers):
        return [self.cluster.host_of(number) for number in numbers]

    def host(self, number):
        return self.cluster.host_of(number)

    def clients(self, step):
        """A host that has no node."""
        nodes = self.hosts(self.cluster.nodes)
        names = [name for name in self.network.hosts if name not in nodes]
        return names[step.seed % len(names)]

    @property
    def network(self):
        return self.cluster.network


def _wait(step):
    time.sleep(step.seconds)


def kill_one(nemesis, step):
    nemesis.cluster.kill(nemesis.broker(step))
    _wait(step)


def kill_leader(nemesis, step):
    nemesis.cluster.kill(nemesis.leader(step))
    _wait(step)


def kill_and_restart_at_once(nemesis, step):
    """Before anyone has missed it."""
    nemesis.cluster.kill(nemesis.leader(step))


def kill_two(nemesis, step):
    """Fewer are left than may acknowledge anything."""
    for number in nemesis.others(nemesis.broker(step)):
        nemesis.cluster.kill(number)
    _wait(step)


def kill_all(nemesis, step):
    """They come back in any order, with time between them."""
    chance = random.Random(step.seed)
    numbers = list(nemesis.cluster.brokers)
    for number in numbers:
        nemesis.cluster.kill(number)
    chance.shuffle(numbers)
    for number in numbers:
        nemesis.cluster.nodes[number].launch()
        time.sleep(chance.uniform(0, 1))
    for number in numbers:
        nemesis.cluster.nodes[number].wait()


def kill_controllers(nemesis, step):
    for number in nemesis.cluster.controllers:
        nemesis.cluster.kill(number)
    _wait(step)


def kill_a_controller(nemesis, step):
    """Of several the others go on."""
    nemesis.cluster.kill(nemesis.controller(step))
    _wait(step)


def freeze_a_controller(nemesis, step):
    nemesis.cluster.freeze(nemesis.controller(step))
    _wait(step)


def isolate_a_controller(nemesis, step):
    nemesis.network.isolate(nemesis.host(nemesis.controller(step)))
    _wait(step)


def freeze_leader(nemesis, step):
    """It wakes up as one that does not know that another leads."""
    nemesis.cluster.freeze(nemesis.leader(step))
    _wait(step)


def freeze_one_and_kill_another(nemesis, step):
    """Of three one is left that runs; the frozen one wakes up while the other is still away."""
    frozen = nemesis.leader(step)
    killed = nemesis.others(frozen)[step.seed % 2]
    nemesis.cluster.freeze(frozen)
    nemesis.cluster.kill(killed)
    _wait(step)
    nemesis.cluster.thaw(frozen)
    time.sleep(min(1, step.seconds))


def isolate(nemesis, step):
    nemesis.network.isolate(nemesis.host(nemesis.broker(step)))
    _wait(step)


def isolate_leader(nemesis, step):
    nemesis.network.isolate(nemesis.host(nemesis.leader(step)))
    _wait(step)


def cut_from_controllers(nemesis, step):
    """Clients and other brokers see it as before: it may acknowledge nothing that the next leader does not have."""
    number = nemesis.leader(step)
    nemesis.network.cut_from(nemesis.host(number), nemesis.controllers(number))
    _wait(step)


def cut_from_peers(nemesis, step):
    """The controller hears of it: the leader asks for a smaller set of replicas in sync."""
    number = nemesis.leader(step)
    nemesis.network.cut_from(nemesis.host(number), nemesis.hosts(nemesis.others(number)))
    _wait(step)


def cut_from_all_nodes(nemesis, step):
    """Clients see it as before, and it does not know that another leads."""
    number = nemesis.leader(step)
    nemesis.network.cut_from(nemesis.host(number), [*nemesis.hosts(nemesis.others(number)), *nemesis.controllers(number)])
    _wait(step)


def cut_two(nemesis, step):
    """These two do not see each other; both see everyone else."""
    number = nemesis.leader(step)
    nemesis.network.cut(nemesis.host(number), nemesis.host(nemesis.others(number)[step.seed % 2]))
    _wait(step)


def reset_from_peers(nemesis, step):
    number = nemesis.leader(step)
    nemesis.network.cut_from(nemesis.host(number), nemesis.hosts(nemesis.others(number)), reset=True)
    _wait(step)


def leader_is_not_heard(nemesis, step):
    """By its peers: it hears them."""
    number = nemesis.leader(step)
    for other in nemesis.others(number):
        nemesis.network.cut_one_way(nemesis.host(number), nemesis.host(other))
    _wait(step)


def leader_does_not_hear(nemesis, step):
    number = nemesis.leader(step)
    for other in nemesis.others(number):
        nemesis.network.cut_one_way(nemesis.host(other), nemesis.host(number))
    _wait(step)


def controller_does_not_hear_leader(nemesis, step):
    number = nemesis.leader(step)
    for controller in nemesis.controllers(number):
        nemesis.network.cut_one_way(nemesis.host(number), controller)
    _wait(step)


def leader_does_not_hear_controller(nemesis, step):
    number = nemesis.leader(step)
    for controller in nemesis.controllers(number):
        nemesis.network.cut_one_way(controller, nemesis.host(number))
    _wait(step)


def flap(nemesis, step):
    """Isolated and healed, again and again."""
    host = nemesis.host(nemesis.leader(step))
    with nemesis.network.flapping(lambda: nemesis.network.isolate(host), step.seed):
        _wait(step)


def bad_weather(nemesis, step):
    """What nodes send each other is late, lost, doubled and out of order; clients see them as before."""
    _weather(nemesis, step, nemesis.hosts(nemesis.cluster.nodes), Weather(lost=0.02, doubled=0.02, least_s=0.001, most_s=0.03))


def storm(nemesis, step):
    """So bad that sessions end and requests time out; clients are in it too."""
    _weather(nemesis, step, list(nemesis.network.hosts), Weather(lost=0.25, doubled=0.1, least_s=0.01, most_s=0.3))


def _weather(nemesis, step, hosts, weather):
    with nemesis.network.in_weather(hosts, weather, step.seed) as router:
        _wait(step)
    nemesis._say(f"{router.passed} packets came, {router.lost} did not, {router.overtaken} came late")
    assert router.passed > 100 and router.lost and router.overtaken, "there was no such weather"


def isolate_clients(nemesis, step):
    """The nodes see each other."""
    nemesis.network.isolate(nemesis.clients(step))
    _wait(step)


def cut_clients_from_leader(nemesis, step):
    """These clients see the others only."""
    nemesis.network.cut(nemesis.clients(step), nemesis.host(nemesis.leader(step)))
    _wait(step)


def leader_does_not_reach_clients(nemesis, step):
    """What they ask for is done, and they never hear of it."""
    nemesis.network.cut_one_way(nemesis.host(nemesis.leader(step)), nemesis.clients(step))
    _wait(step)


FAULTS = {
    each.__name__: each
    for each in (
        kill_one, kill_leader, kill_and_restart_at_once, kill_two, kill_all, kill_controllers, kill_a_controller,
        freeze_a_controller, isolate_a_controller, freeze_leader,
        freeze_one_and_kill_another, isolate, isolate_leader, cut_from_controllers, cut_from_peers, cut_from_all_nodes, cut_two,
        reset_from_peers,
        leader_is_not_heard, leader_does_not_hear, controller_does_not_hear_leader, leader_does_not_hear_controller, flap,
        bad_weather, storm,
    )
}  # fmt: skip

# For tests whose clients are cut off by themselves.
OF_CLIENTS = {each.__name__: each for each in (isolate_clients, cut_clients_from_leader, leader_does_not_reach_clients)}
