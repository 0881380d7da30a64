"""Loads of ottla-load: its requests are encoded once, so that the broker is the limit."""

import os
from concurrent.futures import ThreadPoolExecutor

import running

GIB = 1 << 30
# So much that the page cache takes it, and the disk's pace is that of syncs alone.
MOST_MB = 1500
# For topics that stay.
MOST_KEPT_MB = 600
LATENCIES = {"p50": "p50 ms", "p99": "p99 ms", "p99.9": "p99.9 ms"}


def figures_of(done):
    """None for what cannot be told of a broker that did not keep up."""
    figures = {
        "MB/s": done["MB/s"],
        "CPU s a GiB": done["cpu_s"] / (max(done["bytes"], 1) / GIB),
        "CPU us a request": done["cpu_s"] / max(done["requests"], 1) * 1e6,
        "records/s": done["records"] / done["seconds"],
    }
    return figures | {name: done[key] if done["kept up"] else None for key, name in LATENCIES.items()}


def produce(partitions, connections, **options):
    def work(it, seconds):
        load = {"partitions": partitions, "connections": connections, **options}
        many = partitions >= 1000
        topic = it.kept(partitions, lambda topic: first_appends(it, topic, partitions)) if many else it.fresh(partitions)
        it.load("produce", topic, **load, seconds=1, megabytes=200)
        running.settle()
        done = it.load("produce", topic, **load, seconds=seconds, megabytes=MOST_KEPT_MB if many else MOST_MB)
        return figures_of(done) | {"memory MiB": it.memory_mib}

    return work


def first_appends(it, topic, partitions):
    """Three batches to each: in Apache Kafka a partition's first sync, and its first index entry, are dear."""
    it.load("produce", topic, partitions=partitions, connections=8, seconds=120, megabytes=partitions * 0.05)
    it.load("produce", topic, partitions=partitions, connections=8, seconds=3, megabytes=MOST_KEPT_MB / 2)


def fetch(partitions, batch, megabytes, rounds, cold=False):
    def work(it, _seconds):
        topic = it.fresh(partitions)
        load = {"partitions": partitions, "connections": min(partitions, 4)}
        # At full speed until there is as much of it.
        it.load("produce", topic, **load, batch=batch, seconds=120, megabytes=megabytes)
        it.load("fetch", topic, **load)
        running.settle()
        if cold:
            forget_pages(it.broker.data)
        return figures_of(it.load("fetch", topic, **load, rounds=rounds))

    return work


def forget_pages(folder):
    """Has the kernel forget what it holds of segments, so that they are read from the disk."""
    for path in folder.glob("bench-*/*.log"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def fan_out(consumers):
    """Consumers that follow one partition into which 10 MB/s go; CPU is that of both, for each GiB that was read."""

    def work(it, seconds):
        topic = it.fresh(1)
        it.load("produce", topic, rate=10, seconds=1)
        running.settle()
        with ThreadPoolExecutor() as pool:
            followed = pool.submit(it.load, "fetch", topic, connections=consumers, follow=seconds)
            it.load("produce", topic, rate=10, seconds=seconds)
            figures = figures_of(followed.result())
        return {name: figures[name] for name in ("MB/s", "CPU s a GiB")}

    return work


def ask(**options):
    def work(it, seconds):
        topic = it.fresh(1)
        it.load("ask", topic, **options, seconds=0.5)
        return figures_of(it.load("ask", topic, **options, seconds=seconds))

    return work


def end_to_end(it, seconds):
    """Twice as long as others, for there are few records."""
    topic = it.fresh(1)
    it.load("end-to-end", topic, seconds=1)
    running.settle()
    return figures_of(it.load("end-to-end", topic, seconds=seconds * 2))


def warm_up(it, seconds):
    """Has a JVM compile what the loads use."""
    topic = it.fresh(16)
    load = {"partitions": 16, "connections": 8}
    for options in ({}, {"batch": 100, "record": 100}, *({"compression": codec} for codec in ("gzip", "snappy", "lz4", "zstd"))):
        it.load("produce", topic, **load, **options, seconds=seconds, megabytes=MOST_MB / 3)
    it.load("produce", topic, batch=1 << 20, seconds=seconds, megabytes=MOST_MB / 3)
    it.load("fetch", topic, **load)
    it.load("fetch", topic, partitions=1, connections=4, rounds=3)
    for load in ("end-to-end", "ask"):
        it.load(load, it.fresh(1), seconds=seconds)
    it.clear()
