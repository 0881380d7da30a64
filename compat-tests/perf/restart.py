"""How soon Ottla and Apache Kafka serve all their partitions again after kill -9, and after a clean stop.

    compat-tests/perf/restart PARTITIONS MEGABYTES [ottla|kafka]...

A topic gets that many partitions and megabytes (records of 1,000 bytes, spread evenly), then the broker is killed while the last
records are a moment old. Time runs from the start of the process until a client was told where each partition ends.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from confluent_kafka import Producer

from harness import broker as brokers
from harness import java, topics, usage

TOPIC = "many"
CLIENT = {"reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 10, "log_level": 0}


def produce(broker, partitions, megabytes):
    producer = Producer(
        {"bootstrap.servers": broker.bootstrap, "acks": "all", "linger.ms": 20, "queue.buffering.max.messages": 200_000, **CLIENT})
    for n in range(megabytes * 1000):
        while True:
            try:
                producer.produce(TOPIC, b"x" * 1000, partition=n % partitions)
                break
            except BufferError:
                producer.poll(0.1)
        if n % 1000 == 0:
            producer.poll(0)
    assert producer.flush(300) == 0


def run(kind, folder, partitions, megabytes):
    broker = brokers.KINDS[kind](folder)
    broker.format()
    broker.start()
    figures = {"create, s": topics.create_many(broker.bootstrap, TOPIC, partitions)}
    produce(broker, partitions, megabytes)
    figures["memory, MiB"] = usage.resident_mib(broker.pid)
    figures["open files"] = len(os.listdir(f"/proc/{broker.pid}/fd"))
    for how in ["kill -9", "clean stop"]:
        began = time.monotonic()
        broker.kill() if how == "kill -9" else broker.stop()
        figures[f"{how}, s"] = time.monotonic() - began
        began = time.monotonic()
        broker.start()
        records = sum(topics.all_ends(broker.bootstrap, TOPIC, partitions))
        figures[f"all served after {how}, s"] = time.monotonic() - began
        assert records == megabytes * 1000, f"{records} records after {how}"
        figures[f"memory after {how}, MiB"] = usage.resident_mib(broker.pid)
    broker.kill()
    return figures


def main():
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    partitions, megabytes = int(sys.argv[1]), int(sys.argv[2])
    kinds = sys.argv[3:] or ["ottla", "kafka"]
    results = {}
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            results[kind] = run(kind, Path(folder) / kind, partitions, megabytes)
    print(f"\n| {partitions} partitions, {megabytes} MB | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}")
    for name in results[kinds[0]]:
        print(f"| {name} | {' | '.join(f'{results[kind][name]:.3g}' for kind in kinds)} |")


if __name__ == "__main__":
    main()
