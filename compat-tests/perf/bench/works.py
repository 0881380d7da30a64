"""The work that each side is given, and the figures that come of it."""

import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

import sides
from harness import usage

GIB = 1 << 30
WARM_UP_S = 6
# Apache Kafka takes so long until what it does with new partitions is done, and its code compiled.
MANY_WARM_UP_S = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DEFAULTS = [sides.OTTLA, sides.KAFKA]


@dataclass(frozen=True)
class Work:
    name: str
    run: Callable
    sides: tuple = tuple(sides.ALL)


def of_load(done):
    gib = max(done["bytes"], 1) / GIB
    return {
        "MB/s": done["MB/s"],
        "CPU s a GiB": done["cpu_s"] / gib,
        "CPU us a request": done["cpu_s"] / max(done["requests"], 1) * 1e6,
        "p50 ms": done["p50"],
        "p99 ms": done["p99"],
        "p99.9 ms": done["p99.9"],
    }


def idle(it, _seconds):
    """Start and idle memory, of a broker that was started before: its first start makes its files."""
    it.broker.stop()
    figures = {"start to Metadata s": it.start()}
    time.sleep(2)
    return figures | {"idle memory MiB": usage.resident_mib(it.broker.pid)}


def produce(partitions, connections, **options):
    def work(it, seconds):
        it.create("bench", partitions)
        load = {"partitions": partitions, "connections": connections, **options}
        it.load("bench", "produce", **load, seconds=WARM_UP_S if partitions < 1000 else MANY_WARM_UP_S)
        return of_load(it.load("bench", "produce", **load, seconds=seconds))

    return work


def fetch(partitions, batch, megabytes, cold=False):
    def work(it, _seconds):
        it.create("bench", partitions)
        load = {"partitions": partitions, "connections": min(partitions, 4)}
        # At a rate, so that each side has the same amount.
        it.load("bench", "produce", **load, batch=batch, rate=100, seconds=megabytes / 100)
        it.load("bench", "fetch", **load, rounds=2)
        if cold:
            forget_pages(it.broker.data)
        return of_load(it.load("bench", "fetch", **load, rounds=1 if cold else 4))

    return work


def forget_pages(folder):
    """Has the kernel forget what it holds of segments, so that they are read from the disk."""
    os.sync()
    for path in folder.glob("bench-*/*.log"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def fan_out(consumers):
    """Consumers that follow one partition into which 10 MB/s go; CPU is that of both, for each GiB that was read."""

    def work(it, seconds):
        it.create("bench", 1)
        it.load("bench", "produce", rate=10, seconds=WARM_UP_S)
        with ThreadPoolExecutor() as pool:
            followed = pool.submit(it.load, "bench", "fetch", connections=consumers, follow=seconds)
            it.load("bench", "produce", rate=10, seconds=seconds)
            done = followed.result()
        figures = of_load(done)
        return {name: figures[name] for name in ("MB/s", "CPU s a GiB")}

    return work


def many(partitions):
    """What partitions cost, with a little data in each, and how soon they are served after kill -9."""

    def work(it, _seconds):
        before = usage.resident_mib(it.broker.pid)
        figures = {"create s": it.create("bench", partitions)}
        memory = usage.resident_mib(it.broker.pid)
        it.load("bench", "produce", partitions=partitions, connections=8, rate=20, seconds=partitions / 400)
        figures |= {"memory MiB": memory, "memory a partition KiB": (memory - before) / partitions * 1024}
        it.broker.kill()
        began = time.monotonic()
        it.start()
        it.wait_for_ends("bench", partitions)
        return figures | {"served after kill -9 s": time.monotonic() - began}

    return work


def connections(count):
    def work(it, _seconds):
        before = usage.resident_mib(it.broker.pid)
        held = [socket.create_connection(("127.0.0.1", it.broker.port)) for _ in range(count)]
        time.sleep(2)
        memory = usage.resident_mib(it.broker.pid)
        for each in held:
            each.close()
        return {"memory a connection KiB": (memory - before) / count * 1024}

    return work


def tools(it, _seconds):
    """Kafka's own programs: a producer and a consumer of 1,000,000 records of 1,000 bytes over 4 partitions."""
    it.create("bench", 4)
    records, size = 1_000_000, 1000

    def cpu(tool, *arguments):
        before = usage.cpu_seconds(it.broker.pid)
        it.tools(tool, "--topic", "bench", "--num-records", records, *arguments, timeout_s=300)
        return (usage.cpu_seconds(it.broker.pid) - before) / (records * size / GIB)

    return {
        "kafka-producer-perf-test CPU s a GiB": cpu("kafka-producer-perf-test", "--record-size", size, "--throughput", -1),
        "kafka-consumer-perf-test CPU s a GiB": cpu("kafka-consumer-perf-test"),
    }


def end_to_end(it, _seconds):
    """kafka-e2e-latency: a record produced at acks=all and consumed, one after the other."""
    it.create("bench", 1)
    done = it.tools("kafka-e2e-latency", "--topic", "bench", "--num-records", 2000, "--producer-acks", "all",
                    "--record-size", 100, timeout_s=120)
    percentiles = re.search(r"50th = ([\d.]+), 99th = ([\d.]+), 99.9th = ([\d.]+)", done.text)
    return dict(zip(["p50 ms", "p99 ms", "p99.9 ms"], map(float, percentiles.groups())))


ALL = [
    Work("idle", idle, DEFAULTS),
    Work("produce 1 MiB, 1 partition", produce(1, 1, batch=1 << 20)),
    Work("produce 16 KiB, 16 partitions", produce(16, 8, batch=16 << 10)),
    Work("produce 16 KiB, 1,000 partitions", produce(1000, 8, batch=16 << 10)),
    Work("produce records of 100 B, 16 partitions", produce(16, 8, batch=100, record=100)),
    *(Work(f"produce {codec}, 16 partitions", produce(16, 8, batch=16 << 10, compression=codec)) for codec in CODECS[1:]),
    *(Work(f"produce at {rate} MB/s, 16 KiB, 16 partitions", produce(16, 8, batch=16 << 10, rate=rate)) for rate in (20, 100, 200)),
    Work("produce at 100 MB/s, 16 KiB, 1,000 partitions", produce(1000, 8, batch=16 << 10, rate=100)),
    Work("fetch 1 MiB", fetch(4, 1 << 20, 500), DEFAULTS),
    Work("fetch 16 KiB", fetch(16, 16 << 10, 500), DEFAULTS),
    Work("fetch cold, 1 MiB", fetch(4, 1 << 20, 1000, cold=True), DEFAULTS),
    Work("10 consumers follow", fan_out(10), DEFAULTS),
    Work("100 consumers follow", fan_out(100), DEFAULTS),
    Work("2,000 partitions", many(2000), DEFAULTS),
    Work("10,000 partitions", many(10_000), DEFAULTS),
    Work("5,000 connections", connections(5000), DEFAULTS),
    Work("Kafka's tools", tools),
    Work("end to end", end_to_end),
]
