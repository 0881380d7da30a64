"""The word count of WordCount.java: its instances, what goes in and what comes out."""

import re
from collections import Counter, defaultdict

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from harness import installed, java, topics
from harness.process import Client
from harness.waiting import DEADLINE_S, eventually

PARTITIONS = 3
# The first half reads the input, the second counts; between them are the words by their partition.
ALL_TASKS = sorted(f"{half}_{partition}" for half in (0, 1) for partition in range(PARTITIONS))


class Instance(Client):
    """A process of the application."""

    def tasks(self):
        """What it runs, or nothing while that is being changed."""
        self.say("?")
        state, *tasks = self.wait_for(lambda line: re.fullmatch(r"[A-Z_]+( \d+_\d+)*", line), DEADLINE_S).split()
        return tasks if state == "RUNNING" else []


class Application:
    """Its topics, its group and its counts so far."""

    def __init__(self, bootstrap, name, folder, guarantee="at_least_once"):
        self.bootstrap, self.name, self._folder, self._guarantee = bootstrap, name, folder, guarantee
        self.input = topics.create(bootstrap, f"{name}-input", PARTITIONS)
        self.output = topics.create(bootstrap, f"{name}-output")
        self.expected = Counter()
        self.counts = defaultdict(list)
        settings = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._producer = Producer({**settings, "enable.idempotence": True})
        self._reader = Consumer({
            **settings, "group.id": f"{name}-reader", "enable.auto.commit": False, "enable.partition.eof": True,
            "isolation.level": "read_committed",
        })  # fmt: skip
        self._reader.assign([TopicPartition(self.output, 0, 0)])
        self._end = 0

    def instance(self, state):
        """An instance that keeps its stores in a folder of this name."""
        return Instance(java.on_suite_jars(
            "ottla.streams.WordCount", self.bootstrap, self.name, self.input, self.output, self._folder / state, self._guarantee,
            classes=installed.streams(),
        ))  # fmt: skip

    def send(self, vocabulary, lines):
        """Sends lines of 3 words, which is done when their counts are."""
        for number in range(lines):
            words = [f"{vocabulary}{(number * step) % 10}" for step in (1, 3, 7)]
            self.expected.update(words)
            self._producer.produce(self.input, " ".join(words), partition=number % PARTITIONS)
            self._producer.poll(0)

    def read(self):
        """Adds what has come out since to `counts`, for each word one after the other."""
        for message in self._reader.consume(10_000, timeout=0.05):
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                self._end = message.offset()
                continue
            assert not message.error(), message.error()
            self.counts[message.key().decode()].append(int(message.value()))
        return self.counts

    def wait_for_counts(self):
        """Until as many of each word have been counted as were sent, or more."""

        def counted():
            counts = self.read()
            return all(counts[word] and counts[word][-1] >= count for word, count in self.expected.items())

        eventually(counted, "words were not counted")

    def all_counts(self):
        """All that has come out, also what nobody waited for."""
        (reading,) = self._reader.assignment()
        end = self._reader.get_watermark_offsets(reading, DEADLINE_S)[1]
        eventually(lambda: self.read() and self._end >= end, "the output cannot be read")
        return self.counts

    def wait_for_commits(self):
        """Until all that is in the input and between the halves is committed as done."""
        group = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name, "log_level": 0})
        read = [
            TopicPartition(topic, partition)
            for topic in (self.input, f"{self.name}-counts-repartition") for partition in range(PARTITIONS)
        ]  # fmt: skip

        def committed():
            ends = [group.get_watermark_offsets(each, DEADLINE_S)[1] for each in read]
            done = [max(0, each.offset) for each in group.committed(read, DEADLINE_S)]
            return done == ends

        eventually(committed, "not all was committed")
        group.close()

    def close(self):
        self._reader.close()
