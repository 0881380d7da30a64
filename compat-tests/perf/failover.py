"""How long producers hear nothing when the leader of their partition is killed with -9, or stopped in order.

    compat-tests/perf/failover [--rounds=5] [--controller=kafka] [ottla|kafka]...

Three brokers with the configs' defaults (a session of 9 s), a controller of the same kind for all, one partition with three
replicas of which two must be in sync. Producers with acks=all, idempotence and else their defaults send 200 records a second:
librdkafka, and Apache Kafka's Java producer. The silence is the longest time between two acknowledgements.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from confluent_kafka import Producer

from harness import broker as brokers
from harness import hosts, java, topics
from harness.tools import command
from harness.waiting import eventually

TOPIC = "led"
RATE = 200
QUIET_S = 2
PATIENCE_S = 60
HOWS = {"kill -9": "kill", "SIGTERM": "stop"}


class Acknowledged:
    """When each acknowledgement came."""

    def __init__(self):
        self.times, self.refused = [time.monotonic()], []

    def note(self):
        self.times.append(time.monotonic())

    def longest_silence_since(self, began):
        times = [at for at in list(self.times) if at >= began]
        return max(after - before for before, after in zip([began, *times], times))


class Librdkafka(Acknowledged):
    def __init__(self, bootstrap, _folder):
        super().__init__()
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            self._producer.produce(TOPIC, b"x" * 100, on_delivery=self._delivered)
            self._producer.poll(1 / RATE)
            time.sleep(1 / RATE)

    def _delivered(self, error, _message):
        self.refused.append(error.name()) if error else self.note()

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
            "--command-config", properties,
        )  # fmt: skip
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        for line in self._process.stdout:
            name = json.loads(line)["name"]
            if name == "producer_send_success":
                self.note()
            elif name == "producer_send_error":
                self.refused.append(line)

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._thread.join()
        self._process.stdout.close()


CLIENTS = {"librdkafka": Librdkafka, "Java": Java}


def silences(cluster, clients, how):
    """One round: the leader goes, and comes back when another has led for a moment."""
    leader = cluster.leader(TOPIC, 0)
    began = time.monotonic()
    getattr(cluster.nodes[leader], HOWS[how])()
    ended = time.monotonic()
    for client in clients.values():
        eventually(lambda client=client: client.times[-1] > max(began + 0.5, ended) + 0.2, "no acknowledgement", PATIENCE_S)
    eventually(lambda: cluster.leader(TOPIC, 0) not in (leader, -1), "nobody else leads", PATIENCE_S)
    time.sleep(QUIET_S)
    found = {name: client.longest_silence_since(began) for name, client in clients.items()}
    cluster.nodes[leader].start()
    cluster.in_sync(TOPIC)
    time.sleep(QUIET_S)
    return {**found, "process": ended - began}


def measure(kind, controller, rounds, folder):
    nodes = hosts.specs([controller], [kind] * 3)
    cluster = hosts.Hosts(folder, nodes)
    clients = {}
    found = {how: [] for how in HOWS}
    try:
        cluster.start()
        topics.create(cluster.bootstrap, TOPIC, 1, 3)
        clients = {name: client(cluster.bootstrap, folder) for name, client in CLIENTS.items()}
        for client in clients.values():
            eventually(lambda client=client: len(client.times) > RATE, "no acknowledgements")
        for how in HOWS:
            for _ in range(rounds):
                found[how].append(silences(cluster, clients, how))
                print(f"{kind}, {how}: {found[how][-1]}", file=sys.stderr, flush=True)
        refused = {name: len(client.refused) for name, client in clients.items()}
    finally:
        for client in clients.values():
            client.close()
        cluster.close()
    return found, refused


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--controller", choices=sorted(brokers.KINDS), default="kafka")
    parser.add_argument("kinds", nargs="*", default=["ottla", "kafka"])
    wish = parser.parse_args()
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    results = {}
    for kind in wish.kinds:
        with tempfile.TemporaryDirectory() as folder:
            results[kind] = measure(kind, wish.controller, wish.rounds, Path(folder))
    print(f"\n| longest silence, s: median (most) of {wish.rounds} | {' | '.join(wish.kinds)} |\n|---|{'---|' * len(wish.kinds)}")
    for how in HOWS:
        for name in [*CLIENTS, "process"]:
            row = []
            for kind in wish.kinds:
                each = [one[name] for one in results[kind][0][how]]
                row.append(f"{statistics.median(each):.2f} ({max(each):.2f})")
            label = "process ends after" if name == "process" else name
            print(f"| {how}, {label} | {' | '.join(row)} |")
    print(f"| records refused | {' | '.join(str(results[kind][1]) for kind in wish.kinds)} |")


if __name__ == "__main__":
    main()
