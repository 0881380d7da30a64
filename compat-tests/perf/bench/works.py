"""The work that each side is given."""

from dataclasses import dataclass
from typing import Callable

import alone
import clients
import groups
import loads
import sides

START = "Start, memory and small requests"
PRODUCE = "Produce as fast as the answers come"
RATE = "Latency at a rate"
FETCH = "Fetch"
CLIENTS = "Unmodified clients"
GROUPS = "Groups"

LATENCIES = ("p50 ms", "p99 ms", "p99.9 ms")
FLOW = ("MB/s", "CPU s a GiB")


@dataclass(frozen=True)
class Work:
    """`run(broker, seconds)` gives figures, of which the table has those that are in `shows`."""

    section: str
    name: str
    run: Callable
    shows: tuple
    sides: tuple = sides.ALL
    # In a broker that is started for it.
    alone: bool = False
    most_rounds: int = 100


def produce(name, partitions, connections, shows=(*FLOW, "p99 ms"), **options):
    return Work(PRODUCE, name, loads.produce(partitions, connections, **options), shows)


def codec(name):
    # With the sync of each batch a codec is of no weight in Apache Kafka.
    load = loads.produce(16, 8, batch=16 << 10, compression=name)
    who = (sides.OTTLA, sides.KAFKA, sides.OTTLA_UNSYNCED)
    return Work(PRODUCE, f"{name}, 16 partitions", load, FLOW, who, most_rounds=3)


def at_rate(rate, partitions):
    name = f"{rate} MB/s of 16 KiB, {partitions:,} partitions"
    load = loads.produce(partitions, 8, batch=16 << 10, rate=rate)
    return Work(RATE, name, load, (*LATENCIES, "CPU s a GiB"))


def fetch(name, load):
    return Work(FETCH, name, load, FLOW, sides.DEFAULTS)


def lonely(name, load, shows, most_rounds=100):
    return Work(START, name, load, shows, sides.DEFAULTS, alone=True, most_rounds=most_rounds)


def of_groups(name, load, shows, alone=False):
    return Work(GROUPS, name, load, shows, sides.DEFAULTS, alone, most_rounds=1 if alone else 100)


def committing(interval_ms):
    shows = ("transactions/s", "CPU us a transaction", "commit p50 ms")
    return Work(CLIENTS, f"transactions of {interval_ms} ms", clients.transactions(interval_ms), shows)


BEATS = ("requests/s", "CPU us a request")
SETTLING = ("settle s", "settle CPU s", "one more s", "one more CPU s")

PARTITIONS = (
    "create s", "create and serve s", "memory MiB", "memory a partition KiB", "memory after load MiB", "served after kill -9 s",
)  # fmt: skip

ALL = (
    lonely("start, idle", alone.idle, ("start to Metadata s", "memory MiB", "CPU ms a second")),
    lonely("5,000 connections", alone.connections(5000), ("memory a connection KiB",)),
    lonely("2,000 partitions", alone.many(2000), PARTITIONS, most_rounds=3),
    lonely("10,000 partitions", alone.many(10_000), PARTITIONS, most_rounds=1),
    Work(START, "ApiVersions", loads.ask(), ("CPU us a request",), sides.DEFAULTS),
    Work(START, "Metadata", loads.ask(metadata=True), ("CPU us a request",), sides.DEFAULTS),
    produce("1 MiB, 1 partition", 1, 1, (*FLOW, "p99 ms", "p99.9 ms"), batch=1 << 20),
    produce("16 KiB, 16 partitions", 16, 8, (*FLOW, "p99 ms", "memory MiB"), batch=16 << 10),
    produce("16 KiB, 1,000 partitions", 1000, 8, batch=16 << 10),
    produce("100 B records one by one, 16 partitions", 16, 8, ("records/s", "CPU us a request", "p99 ms"), batch=100, record=100),
    *map(codec, ("gzip", "snappy", "lz4", "zstd")),
    at_rate(20, 16),
    at_rate(100, 16),
    at_rate(200, 16),
    at_rate(100, 1000),
    Work(RATE, "end to end at 200/s", loads.end_to_end, LATENCIES),
    of_groups("heartbeats, classic", groups.heartbeats(True), BEATS),
    of_groups("heartbeats, consumer", groups.heartbeats(False), BEATS),
    of_groups("500 members, classic", groups.large(True, 500, 500), SETTLING),
    of_groups("500 members, consumer", groups.large(False, 500, 500), SETTLING),
    of_groups("5,000 members, classic", groups.large(True, 5000, 3000), SETTLING, alone=True),
    of_groups("5,000 members, consumer", groups.large(False, 5000, 3000), SETTLING, alone=True),
    of_groups("10,000 groups, classic", groups.many(True, 10_000), ("settle CPU s", "memory a group KiB"), alone=True),
    of_groups("10,000 groups, consumer", groups.many(False, 10_000), ("settle CPU s", "memory a group KiB"), alone=True),
    fetch("fetch 1 MiB", loads.fetch(4, 1 << 20, 500, rounds=8)),
    fetch("fetch 16 KiB", loads.fetch(16, 16 << 10, 500, rounds=8)),
    fetch("fetch 1 MiB, cold", loads.fetch(4, 1 << 20, 500, rounds=1, cold=True)),
    fetch("10 consumers follow", loads.fan_out(10)),
    fetch("100 consumers follow", loads.fan_out(100)),
    Work(CLIENTS, "librdkafka", clients.librdkafka,
         ("produce MB/s", "produce CPU s a GiB", "consume MB/s", "consume CPU s a GiB")),
    Work(CLIENTS, "Kafka's perf tests", clients.tools, ("produce CPU s a GiB", "consume CPU s a GiB"), most_rounds=3),
    Work(CLIENTS, "kafka-e2e-latency", clients.end_to_end, LATENCIES, most_rounds=3),
    *(committing(interval_ms) for interval_ms in (1, 10, 100)),
)  # fmt: skip
