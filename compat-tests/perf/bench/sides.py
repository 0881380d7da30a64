"""Who is measured: Ottla and Apache Kafka, each with its defaults and each with the other's durability."""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

import usage
from harness import broker as brokers
from harness import java
from harness.run import run
from harness.tools import Tools

# Either broker refuses too many at once.
_STEP = 2500
_PATIENCE_S = 300


@dataclass(frozen=True)
class Side:
    name: str
    label: str
    kind: str
    settings: dict = field(default_factory=dict)


OTTLA = Side("ottla", "Ottla", "ottla")
KAFKA = Side("kafka", "Apache Kafka", "kafka")
OTTLA_UNSYNCED = Side("ottla-unsynced", "Ottla without sync", "ottla", {"ottla_journal_enable": "false"})
KAFKA_SYNCED = Side("kafka-synced", "Apache Kafka with sync", "kafka", {"log_flush_interval_messages": 1})
ALL = [OTTLA, KAFKA, OTTLA_UNSYNCED, KAFKA_SYNCED]


class Running:
    """A broker of one side with what is asked of it."""

    def __init__(self, side, folder):
        self.broker = brokers.make(side.kind, folder, **side.settings)
        self.tools = Tools(self.broker)

    def start(self):
        """Seconds until it answered Metadata."""
        began = time.monotonic()
        self.broker.start()
        return time.monotonic() - began

    def admin(self):
        return AdminClient({
            "bootstrap.servers": self.broker.bootstrap, "socket.timeout.ms": 120_000, "log_level": 0,
            "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 10,
        })

    def create(self, topic, partitions):
        """Seconds until the topic was there; then waits until each partition has its leader."""
        admin, waits = self.admin(), {"operation_timeout": _PATIENCE_S, "request_timeout": _PATIENCE_S}
        began = time.monotonic()
        done = min(partitions, _STEP)
        admin.create_topics([NewTopic(topic, done, 1)], **waits)[topic].result()
        while done < partitions:
            done = min(partitions, done + _STEP)
            admin.create_partitions([NewPartitions(topic, done)], **waits)[topic].result()
        took = time.monotonic() - began
        self.wait_for_ends(topic, partitions)
        return took

    def wait_for_ends(self, topic, partitions):
        """Waits until a client was told where each partition ends."""
        deadline = time.monotonic() + _PATIENCE_S
        wanted = {TopicPartition(topic, n): OffsetSpec.latest() for n in range(partitions)}
        while True:
            admin = self.admin()
            try:
                return [future.result() for future in admin.list_offsets(wanted, request_timeout=5).values()]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def load(self, topic, kind, **options):
        """What ottla-load did, and what that cost the broker."""
        command = [os.environ["OTTLA_LOAD"], self.broker.bootstrap, topic, kind]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        before = usage.cpu_seconds(self.broker.pid)
        done = json.loads(run(command, timeout_s=_PATIENCE_S).out)
        return done | {"cpu_s": usage.cpu_seconds(self.broker.pid) - before}


@contextmanager
def running(side, folder):
    brokers.Kafka.jvm_flags = java.AS_RELEASED
    it = Running(side, Path(folder) / side.name)
    it.start()
    try:
        yield it
    finally:
        if it.broker.running:
            it.broker.stop()
