"""Who is measured: Ottla and Apache Kafka, each with its defaults and each with the other's durability."""

import json
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import broker as brokers
from harness import java, topics, usage
from harness.run import run
from harness.tools import Tools


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

    def create(self, topic, partitions):
        """Seconds until the topic was there; then waits until each partition has its leader."""
        took = topics.create_many(self.broker.bootstrap, topic, partitions)
        self.wait_for_ends(topic, partitions)
        return took

    def wait_for_ends(self, topic, partitions):
        topics.all_ends(self.broker.bootstrap, topic, partitions)

    def load(self, topic, kind, **options):
        """What ottla-load did, and what that cost the broker."""
        command = [os.environ["OTTLA_LOAD"], self.broker.bootstrap, topic, kind]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        before = usage.cpu_seconds(self.broker.pid)
        done = json.loads(run(command, timeout_s=topics.PATIENCE_S).out)
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
