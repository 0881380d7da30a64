"""What replication costs, and how a cluster of many partitions starts: three combined nodes of Ottla beside three of Apache Kafka.

    compat-tests/perf/cluster [--rounds=3] [--seconds=4] [--partitions=5000] [ottla|kafka|ottla-unsynced|kafka-synced]...

Loads are ottla-load's, acks=all with `min.insync.replicas` 2, into topics that one node leads. CPU and memory are those of all three
nodes. A round has each side in turn, with a cluster of its own.
"""

import argparse
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent / "bench")]

import machine
import sides
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewTopic

from harness import broker as brokers
from harness import hosts, java, topics, usage
from harness.run import run
from harness.waiting import eventually

GIB = 1 << 30
PATIENCE_S = 300
# So much at most that the page cache takes it, on three disks that are one.
MOST_MB = 500
LOADS = {
    "16 KiB, 16 partitions, RF 3": dict(partitions=16, connections=4, replicas=3),
    "16 KiB, 16 partitions, RF 1": dict(partitions=16, connections=4, replicas=1),
    "16 KiB at 20 MB/s, RF 3": dict(partitions=16, connections=4, replicas=3, rate=20),
    "1 MiB, 1 partition, RF 3": dict(partitions=1, connections=1, replicas=3, batch=1 << 20),
}


class Measured:
    def __init__(self, side, folder):
        nodes = [hosts.Spec(number, side.kind, hosts.COMBINED) for number in (1, 2, 3)]
        self.cluster = hosts.Hosts(folder, nodes, **side.settings)
        self._numbers = itertools.count()

    def pids(self):
        return [node.pid for node in self.cluster.nodes.values()]

    def cpu_s(self):
        return sum(usage.cpu_seconds(pid) for pid in self.pids())

    def led_by_first(self, partitions, replicas):
        """A topic that node 1 leads, with all replicas in sync."""
        topic = f"load-{next(self._numbers)}"
        assignment = [[1, 2, 3][:replicas]] * partitions
        admin = topics.patient_admin(self.cluster.bootstrap)
        topics.wait(admin.create_topics([NewTopic(topic, partitions, replica_assignment=assignment)]))
        topics.serve(admin, topic, partitions)
        self.cluster.in_sync(topic)
        return topic

    def load(self, topic, **options):
        flags = [f"--{name}={value}" for name, value in options.items()]
        before = self.cpu_s()
        done = run([os.environ["OTTLA_LOAD"], "produce", self.cluster.nodes[1].bootstrap, topic, *flags], timeout_s=PATIENCE_S)
        self.cluster.in_sync(topic)
        return json.loads(done.out) | {"cpu_s": self.cpu_s() - before}

    def produce(self, seconds, partitions, replicas, megabytes=MOST_MB, **options):
        topic = self.led_by_first(partitions, replicas)
        options = {**options, "partitions": partitions}
        self.load(topic, **options, seconds=1, megabytes=100)
        done = self.load(topic, **options, seconds=seconds, megabytes=megabytes)
        topics.delete(self.cluster.bootstrap, [topic])
        figures = {"MB/s": done["MB/s"], "CPU s a GiB": done["cpu_s"] / (max(done["bytes"], 1) / GIB)}
        return figures | ({"p50 ms": done["p50"], "p99 ms": done["p99"]} if done["kept up"] else {})

    def many(self, partitions):
        """A topic of many partitions at RF 3: how long until it is made and in sync, and until a node that was killed, or stopped in
        order, is in sync again."""
        topic, figures = "many", {}
        admin = topics.patient_admin(self.cluster.bootstrap)
        began = time.monotonic()
        admin.create_topics([NewTopic(topic, partitions, 3)], operation_timeout=PATIENCE_S, request_timeout=PATIENCE_S)[topic].result()
        figures["create s"] = time.monotonic() - began
        self.wait_in_sync(topic)
        figures["create, in sync s"] = time.monotonic() - began
        topics.all_ends(self.cluster.bootstrap, topic, partitions)
        figures["create, served s"] = time.monotonic() - began
        time.sleep(3)
        before = self.cpu_s()
        time.sleep(5)
        figures["idle CPU ms a second"] = (self.cpu_s() - before) / 5 * 1000
        figures["memory of all MiB"] = sum(usage.resident_mib(pid) for pid in self.pids())
        for how, label in (("stop", "stopped and started"), ("kill", "killed and started")):
            node = self.cluster.nodes[2]
            node.start_timeout_s = PATIENCE_S
            getattr(node, how)()
            time.sleep(1)
            began = time.monotonic()
            node.start()
            self.wait_in_sync(topic)
            figures[f"{label}, in sync s"] = time.monotonic() - began
        figures["active controller killed, topic made s"] = self.controller_killed()
        return figures

    def controller_killed(self):
        """How long until another controller makes a topic."""
        active = self.cluster.active_controller()
        other = next(node for number, node in self.cluster.nodes.items() if number != active)
        admin = topics.patient_admin(other.bootstrap)
        admin.list_topics("many", timeout=PATIENCE_S)
        self.cluster.nodes[active].kill()
        began = time.monotonic()
        eventually(lambda: made(admin, f"late-{next(self._numbers)}"), "no topic is made", PATIENCE_S)
        return time.monotonic() - began

    def wait_in_sync(self, topic):
        address = self.cluster.nodes[1].bootstrap
        eventually(lambda: not topics.out_of_sync(address, topic), f"{topic} is not in sync", PATIENCE_S)


def made(admin, topic):
    try:
        return topics.wait(admin.create_topics([NewTopic(topic, 1, 2)], operation_timeout=1, request_timeout=1))
    except KafkaException:
        return None


def measure(side, wish):
    with tempfile.TemporaryDirectory(dir=wish.folder) as folder:
        it = Measured(side, Path(folder))
        try:
            machine.touch_memory()
            it.cluster.start()
            # A JVM compiles what the loads use, and a journal of Ottla grows to its full size.
            it.produce(20, partitions=16, connections=4, replicas=3, megabytes=2 * MOST_MB)
            found = {}
            for name, load in LOADS.items():
                found[name] = it.produce(wish.seconds, **load)
            if wish.partitions:
                found[f"{wish.partitions:,} partitions, RF 3"] = it.many(wish.partitions)
            return found
        finally:
            it.cluster.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--partitions", type=int, default=5000)
    parser.add_argument("--folder", help="where the nodes' data goes", default=None)
    parser.add_argument("sides", nargs="*", default=["ottla", "kafka"])
    wish = parser.parse_args()
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    chosen = [side for side in sides.ALL if side.name in wish.sides]
    rounds = {side.name: [] for side in chosen}
    for number in range(wish.rounds):
        for side in chosen:
            rounds[side.name].append(measure(side, wish))
            print(f"round {number + 1}, {side.label}: {json.dumps(rounds[side.name][-1])}", file=sys.stderr, flush=True)
    print(f"\n| | | {' | '.join(side.label for side in chosen)} | first / second |\n|---|---|{'---:|' * (len(chosen) + 1)}")
    first = rounds[chosen[0].name]
    for work, figures in first[0].items():
        for figure in figures:
            each = [[one[work][figure] for one in rounds[side.name] if figure in one[work]] for side in chosen]
            medians = [statistics.median(values) if values else None for values in each]
            ratio = f"{medians[0] / medians[1]:.2f}" if len(medians) > 1 and medians[1] else ""
            cells = " | ".join("" if median is None else f"{median:,.3g}" for median in medians)
            print(f"| {work} | {figure} | {cells} | {ratio} |")


if __name__ == "__main__":
    main()
