"""Who can be a member of a group: programs of all client families, each of which writes the history that history.py reads.

A member joins, reads, commits a few times a second and before it gives partitions away, and leaves on SIGTERM. It writes down
`joins`, `assign`, `owns` with the generation whenever either is another, `poll` before it commits any of it, and `commit`.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import installed, java

_CLIENTS = Path(__file__).parent / "clients"
_HEARTBEAT_MS = 300

# The protocols of each family by the names that its members are told: assignors of the classic protocol, or `consumer` (KIP-848).
FAMILIES = {
    "librdkafka": ("range", "cooperative", "consumer"),
    "java": ("range", "cooperative", "consumer"),
    "franz-go": ("range", "cooperative", "consumer"),
    "sarama": ("range", "sticky"),
    "aiokafka": ("range", "sticky"),
    "kafkajs": ("round-robin",),
}
_JAVA_ASSIGNORS = {
    "range": "org.apache.kafka.clients.consumer.RangeAssignor",
    "cooperative": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
}
_LIBRDKAFKA_ASSIGNORS = {"range": "range", "cooperative": "cooperative-sticky"}
# Ends soon what a frozen broker will never answer, and notices new partitions soon, as the runs are short.
_LIBRDKAFKA = {
    "reconnect.backoff.max.ms": 500, "socket.timeout.ms": 10_000, "topic.metadata.refresh.interval.ms": 1_000,
    "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, "log_level": 0,
}  # fmt: skip
_JAVA = {
    "request.timeout.ms": 10_000, "default.api.timeout.ms": 20_000, "reconnect.backoff.max.ms": 500,
    "metadata.max.age.ms": 1_000, "enable.auto.commit": "false", "auto.offset.reset": "earliest", "fetch.max.wait.ms": 100,
}  # fmt: skip


@dataclass
class Wish:
    """What a member is to do."""

    history: str
    process: int
    bootstrap: str
    topic: str
    group: str
    protocol: str
    session_ms: int
    heartbeat_ms: int = _HEARTBEAT_MS


def command(family, wish):
    """The command that runs a member."""
    assert wish.protocol in FAMILIES[family], f"{family} has no {wish.protocol}"
    return _COMMANDS[family](wish)


def _settings(wish, own, assignors):
    """Settings by the names that librdkafka and the Java consumer share."""
    group = {"bootstrap.servers": wish.bootstrap, "group.id": wish.group, **own}
    if wish.protocol == "consumer":
        return {**group, "group.protocol": "consumer"}
    return {
        **group, "session.timeout.ms": wish.session_ms, "heartbeat.interval.ms": wish.heartbeat_ms,
        "partition.assignment.strategy": assignors[wish.protocol],
    }  # fmt: skip


def _librdkafka(wish):
    config = _settings(wish, _LIBRDKAFKA, _LIBRDKAFKA_ASSIGNORS)
    return _python("librdkafka", {**asdict(wish), "config": config})


def _java(wish):
    config = _settings(wish, _JAVA, _JAVA_ASSIGNORS)
    pairs = [f"{key}={value}" for key, value in config.items()]
    arguments = [wish.history, wish.process, wish.topic, *pairs]
    return java.tool("ottla.compat.HistoryMember", *arguments, classes=installed.java_clients())


def _python(family, wish):
    return [sys.executable, "-B", _CLIENTS / f"member_{family}.py", json.dumps(wish)]


def _go(program):
    return lambda wish: [program(), wish.bootstrap, "member", json.dumps(asdict(wish))]


_COMMANDS = {
    "librdkafka": _librdkafka,
    "java": _java,
    "franz-go": _go(installed.franz_go),
    "sarama": _go(installed.sarama),
    "aiokafka": lambda wish: _python("aiokafka", asdict(wish)),
    "kafkajs": lambda wish: ["node", _CLIENTS / "member_kafkajs.js", json.dumps(asdict(wish))],
}
