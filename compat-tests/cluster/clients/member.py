"""A member of a group (librdkafka) that writes its history: what it gets and gives, reads and commits; run as a program."""

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import Consumer, KafkaException

from checker.recorder import Recorder
from reader import number_of

COMMIT_EVERY_S = 0.2


class Member:
    def __init__(self, wish):
        self._group = wish["config"]["group.id"]
        self._recorder = Recorder(wish["history"], wish["process"])
        own = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0, "fetch.wait.max.ms": 100}
        self._consumer = Consumer({**own, **wish["config"]})
        self._next, self._committed_at = {}, time.monotonic()
        self._consumer.subscribe(
            [wish["topic"]], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )  # fmt: skip

    def run(self, stopped):
        while not stopped:
            read = {}
            message = self._consumer.poll(0.1)
            while message is not None and len(read) < 500:
                if message.error() is None:
                    key = f"{message.topic()}-{message.partition()}"
                    read.setdefault(key, []).append([message.offset(), number_of(message.value())])
                    self._next[key] = message.offset() + 1
                    if sum(map(len, read.values())) >= 500:
                        break
                message = self._consumer.poll(0)
            if read:
                self._recorder.now("ok", "poll", read=read, group=self._group)
            if self._next and time.monotonic() - self._committed_at > COMMIT_EVERY_S:
                self._commit()
        self._consumer.close()
        self._recorder.flush()

    def _commit(self):
        self._recorder.now("invoke", "commit", group=self._group)
        try:
            done = self._consumer.commit(asynchronous=False)
            offsets = {f"{part.topic}-{part.partition}": part.offset for part in done if part.error is None and part.offset >= 0}
            self._recorder.now("ok", "commit", group=self._group, offsets=offsets)
        except KafkaException as error:
            self._recorder.now("info", "commit", group=self._group, error=str(error))
        self._next.clear()
        self._committed_at = time.monotonic()

    def _assigned(self, consumer, partitions):
        keys = [f"{part.topic}-{part.partition}" for part in partitions]
        self._recorder.now("ok", "assign", keys=keys)

    def _revoked(self, consumer, partitions):
        if self._next:
            self._commit()

    def _lost(self, consumer, partitions):
        self._next.clear()


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Member(json.loads(sys.argv[1])).run(stopped)
