"""A broker of one side, and what is asked of it."""

import itertools
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

from harness import broker as brokers
from harness import java, topics, usage
from harness.run import run
from harness.tools import Tools

# Files of a topic that was deleted are gone at once, and what is dirty of them never goes to the disk.
# The harness would have consumer groups assign with every change.
SETTINGS = {"log_segment_delete_delay_ms": 100, "group_consumer_assignment_interval_ms": 1000}
# Apache Kafka recovers 10,000 partitions before it answers.
START_TIMEOUT_S = 600


class Spent:
    """What the broker used while something ran."""

    cpu_s = 0.0
    seconds = 0.0


class Running:
    def __init__(self, side, folder):
        brokers.Kafka.jvm_flags = java.AS_RELEASED
        self.side = side
        self.broker = brokers.make(side.kind, Path(folder), **side.settings, **SETTINGS)
        self.broker.start_timeout_s = START_TIMEOUT_S
        self.tools = Tools(self.broker)
        self._numbers = itertools.count()
        self._topics = []
        self._kept = {}

    def start(self):
        """Seconds until it answered Metadata."""
        began = time.monotonic()
        self.broker.start()
        return time.monotonic() - began

    def fresh(self, partitions):
        """A topic whose partitions have their leaders."""
        return self.create(partitions)[0]

    def create(self, partitions):
        """A topic, the seconds until its creation was answered, and until each of its partitions was served."""
        topic = f"bench-{next(self._numbers)}"
        began = time.monotonic()
        answered = topics.create_many(self.broker.bootstrap, topic, partitions)
        self._topics.append(topic)
        self.wait_for_ends(topic, partitions)
        return topic, answered, time.monotonic() - began

    def kept(self, partitions, make_ready):
        """A topic of thousands of partitions, which is made and made ready once."""
        if partitions not in self._kept:
            topic = self._kept[partitions] = f"kept-{partitions}"
            topics.create_many(self.broker.bootstrap, topic, partitions)
            self.wait_for_ends(topic, partitions)
            make_ready(topic)
        return self._kept[partitions]

    def wait_for_ends(self, topic, partitions):
        topics.all_ends(self.broker.bootstrap, topic, partitions)

    def clear(self):
        """Deletes the topics that were made, and waits until their files are gone."""
        if not self._topics:
            return
        topics.delete(self.broker.bootstrap, self._topics)
        self._topics = []
        deadline = time.monotonic() + topics.PATIENCE_S
        while list(self.broker.data.glob("bench-*")):
            assert time.monotonic() < deadline, f"files of deleted topics are still in {self.broker.data}"
            time.sleep(0.02)

    @property
    def memory_mib(self):
        return usage.resident_mib(self.broker.pid)

    @contextmanager
    def spending(self):
        spent = Spent()
        began, before = time.monotonic(), usage.cpu_seconds(self.broker.pid)
        yield spent
        spent.seconds = time.monotonic() - began
        spent.cpu_s = usage.cpu_seconds(self.broker.pid) - before

    def load(self, kind, topic, **options):
        """What ottla-load did, and what that cost the broker."""
        command = [os.environ["OTTLA_LOAD"], kind, self.broker.bootstrap, topic]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            command += [flag] if value is True else [flag, str(value)]
        with self.spending() as spent:
            done = json.loads(run(command, timeout_s=topics.PATIENCE_S).out)
        return done | {"cpu_s": spent.cpu_s}


@contextmanager
def running(side, folder):
    it = Running(side, folder)
    it.start()
    try:
        yield it
    finally:
        if it.broker.running:
            it.broker.kill()


def settle():
    """Nobody's load finds the disk busy with what another wrote."""
    os.sync()
    time.sleep(0.2)
