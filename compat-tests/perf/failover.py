"""How long producers hear nothing when a node is killed with -9, or stopped in order, that leads a partition and maybe the quorum.

    compat-tests/perf/failover [--rounds=5] [--controller=kafka] [ottla|kafka]...

Three nodes, brokers and controllers in one, with the configs' defaults (a session of 9 s); with --controller brokers alone, and one
controller of that kind apart. Three partitions, each led by a node of its own, with three replicas of which two must be in sync.
Producers with acks=all, idempotence and else their defaults send 200 records a second: librdkafka, and Apache Kafka's Java
producer. The silence is the longest time between two acknowledgements of one partition.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from confluent_kafka import ElectionType, Producer, TopicPartition

from harness import broker as brokers
from harness import hosts, java, topics
from harness.tools import command
from harness.waiting import eventually

TOPIC = "led"
RATE = 200
QUIET_S = 2
PATIENCE_S = 60
PARTITIONS = 3
SIGNALS = {"kill -9": "kill", "SIGTERM": "stop"}


class Acknowledged:
    """When each acknowledgement came, by partition."""

    def __init__(self):
        self.times, self.refused = [[] for _ in range(PARTITIONS)], []

    def note(self, partition):
        self.times[partition].append(time.monotonic())

    def longest_silence_since(self, began, partition):
        times = [at for at in list(self.times[partition]) if at >= began]
        return max(after - before for before, after in zip([began, *times], times))


class Librdkafka(Acknowledged):
    def __init__(self, bootstrap, _folder):
        super().__init__()
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0})
        self._turns = itertools.cycle(range(PARTITIONS))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            self._producer.produce(TOPIC, b"x" * 100, partition=next(self._turns), on_delivery=self._delivered)
            self._producer.poll(1 / RATE)
            time.sleep(1 / RATE)

    def _delivered(self, error, message):
        self.refused.append(error.name()) if error else self.note(message.partition())

    def close(self):
        self._stop.set()
        self._thread.join()
        self._producer.flush(PATIENCE_S)


class Java(Acknowledged):
    def __init__(self, bootstrap, folder):
        super().__init__()
        properties = folder / "producer.properties"
        # The tool sets retries to 0; this is the producer's own default.
        properties.write_text("enable.idempotence=true\nretries=2147483647\n")
        arguments = command(
            "kafka-verifiable-producer", "--bootstrap-server", bootstrap, "--topic", TOPIC, "--throughput", RATE,
            "--repeating-keys", 4 * PARTITIONS, "--command-config", properties,
        )  # fmt: skip
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        for line in self._process.stdout:
            event = json.loads(line)
            if event["name"] == "producer_send_success":
                self.note(event["partition"])
            elif event["name"] == "producer_send_error":
                self.refused.append(line)

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._thread.join()
        self._process.stdout.close()


CLIENTS = {"librdkafka": Librdkafka, "Java": Java}


def spread(cluster):
    """Each node leads the partition that it is the preferred leader of."""
    admin = topics.patient_admin(cluster.bootstrap)
    partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    eventually(lambda: admin.elect_leaders(ElectionType.PREFERRED, partitions).result() and len(led(cluster)) == PARTITIONS, "not spread")


def led(cluster):
    """The partition of each leader."""
    return {leader: partition for partition, leader in topics.leaders(cluster.bootstrap, TOPIC).items()}


def round_of(cluster, clients, victim, how):
    """One node goes, and comes back when others have led for a moment."""
    partition = led(cluster)[victim]
    began = time.monotonic()
    getattr(cluster.nodes[victim], SIGNALS[how])()
    ended = time.monotonic()

    def all_go_on(client):
        return all(times and times[-1] > max(began + 0.5, ended) + 0.2 for times in client.times)

    for client in clients.values():
        eventually(lambda client=client: all_go_on(client), "no acknowledgement", PATIENCE_S)
    time.sleep(QUIET_S)
    found = {"process ends": ended - began}
    for name, client in clients.items():
        found[name] = client.longest_silence_since(began, partition)
        others = [client.longest_silence_since(began, other) for other in range(PARTITIONS) if other != partition]
        found[f"{name}, partitions of others"] = max(others)
    cluster.nodes[victim].start()
    cluster.in_sync(TOPIC)
    spread(cluster)
    time.sleep(QUIET_S)
    return found


def measure(kind, controller, rounds, folder):
    nodes = hosts.specs([controller], [kind] * 3) if controller else [hosts.Spec(number, kind, hosts.COMBINED) for number in (1, 2, 3)]
    cluster = hosts.Hosts(folder, nodes)
    clients, found = {}, {}
    try:
        cluster.start()
        topics.create(cluster.bootstrap, TOPIC, PARTITIONS, 3)
        spread(cluster)
        clients = {name: client(cluster.bootstrap, folder) for name, client in CLIENTS.items()}
        for client in clients.values():
            eventually(lambda client=client: min(map(len, client.times)) > RATE / 2, "no acknowledgements")
        for how in SIGNALS:
            for number in range(rounds):
                active = cluster.active_controller()
                victims = {"a leader": next(node for node in cluster.brokers if node != active)}
                if not controller:
                    victims["leader and active controller"] = active
                for role, victim in victims.items():
                    found.setdefault(f"{how}, {role}", []).append(round_of(cluster, clients, victim, how))
                    print(f"{kind}, {number + 1}, {how}, {role}: {found[f'{how}, {role}'][-1]}", file=sys.stderr, flush=True)
        refused = {name: len(client.refused) for name, client in clients.items()}
    finally:
        for client in clients.values():
            client.close()
        cluster.close()
    return found, refused


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--controller", choices=sorted(brokers.KINDS), default=None)
    parser.add_argument("kinds", nargs="*", default=["ottla", "kafka"])
    wish = parser.parse_args()
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    results = {}
    for kind in wish.kinds:
        with tempfile.TemporaryDirectory() as folder:
            results[kind] = measure(kind, wish.controller, wish.rounds, Path(folder))
    print(f"\n| longest silence, s: median (most) of {wish.rounds} | {' | '.join(wish.kinds)} |\n|---|{'---|' * len(wish.kinds)}")
    for case, first in next(iter(results.values()))[0].items():
        for figure in first[0]:
            row = []
            for found, _ in results.values():
                each = [one[figure] for one in found[case]]
                row.append(f"{statistics.median(each):.2f} ({max(each):.2f})")
            print(f"| {case}: {figure} | {' | '.join(row)} |")
    print(f"| records refused | {' | '.join(str(results[kind][1]) for kind in wish.kinds)} |")


if __name__ == "__main__":
    main()
