"""CPU of Ottla beside Apache Kafka in one run: seconds a GiB produced and fetched, microseconds a small request.

    compat-tests/perf/run [rounds]

Both brokers get the same loads from the same unmodified tools, in turn (A B A B), each with its defaults. CPU is the
broker process's own, user and kernel, from /proc. The first round is thrown away: first use of memory makes it dear.
"""

import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import broker as brokers
from harness import java, usage
from harness.tools import Tools

GIB = 1 << 30
RECORD_BYTES = 1000
RECORDS = 1_000_000
SMALL_REQUESTS = 20_000


def api_versions_requests(broker, count):
    """One small request after another on one connection, as a client does that waits for each answer."""
    request = struct.pack(">hhih", 18, 0, 1, 1) + b"p"
    frame = struct.pack(">i", len(request)) + request
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = connection.makefile("rb")
        for _ in range(count):
            connection.sendall(frame)
            (length,) = struct.unpack(">i", stream.read(4))
            stream.read(length)


def spent(broker, work):
    before = usage.cpu_seconds(broker.pid)
    work()
    return usage.cpu_seconds(broker.pid) - before


def round_of(kind, folder):
    broker = brokers.KINDS[kind](folder)
    broker.format()
    began = time.monotonic()
    broker.start()
    figures = {"start, s": time.monotonic() - began}
    try:
        time.sleep(1)
        figures["idle memory, MiB"] = usage.resident_mib(broker.pid)
        tools = Tools(broker)
        tools.create("perf", partitions=4)
        gib = RECORDS * RECORD_BYTES / GIB
        produced = spent(broker, lambda: tools(
            "kafka-producer-perf-test", "--topic", "perf", "--num-records", RECORDS,
            "--record-size", RECORD_BYTES, "--throughput", -1, timeout_s=300))
        fetched = spent(broker, lambda: tools(
            "kafka-consumer-perf-test", "--topic", "perf", "--num-records", RECORDS, timeout_s=300))
        figures["produce, CPU s a GiB"] = produced / gib
        figures["fetch, CPU s a GiB"] = fetched / gib
        api_versions_requests(broker, SMALL_REQUESTS // 4)
        small = spent(broker, lambda: api_versions_requests(broker, SMALL_REQUESTS))
        figures["small request, CPU us"] = small / SMALL_REQUESTS * 1e6
        figures["loaded memory, MiB"] = usage.resident_mib(broker.pid)
    finally:
        broker.stop()
    return figures


def main():
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    results = {"ottla": [], "kafka": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            for kind, found in results.items():
                figures = round_of(kind, Path(folder) / f"{kind}-{number}")
                if number > 0:
                    found.append(figures)
                print(number, kind, {name: round(value, 3) for name, value in figures.items()}, flush=True)
    print(f"\n| median of {rounds} | Ottla | Apache Kafka 4.3.1 | Kafka / Ottla |\n|---|---|---|---|")
    for name in results["ottla"][0]:
        ours, theirs = (statistics.median(r[name] for r in results[kind]) for kind in ("ottla", "kafka"))
        print(f"| {name} | {ours:.3g} | {theirs:.3g} | {theirs / max(ours, 1e-9):.1f} |")


if __name__ == "__main__":
    main()
