"""A member of a group (librdkafka) that writes its history: what it gets and gives, reads and commits; run as a program."""

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import Consumer, KafkaError, KafkaException

from checker.recorder import Recorder
from reader import number_of

COMMIT_EVERY_S = 0.2
GIVE_UP_S = 30


class Member:
    def __init__(self, wish):
        self._group = wish["config"]["group.id"]
        self._recorder = Recorder(wish["history"], wish["process"])
        own = {"auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0, "fetch.wait.max.ms": 100}
        self._due, self._committed_at, self._commits = False, time.monotonic(), False
        self._unanswered = 0
        self._consumer = Consumer({**own, **wish["config"], "on_commit": self._committed})
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
                    self._due = True
                    if sum(map(len, read.values())) >= 500:
                        break
                message = self._consumer.poll(0)
            if read:
                self._recorder.now("ok", "poll", read=read, group=self._group)
            if self._due and time.monotonic() - self._committed_at > COMMIT_EVERY_S:
                self._commit()
        self._consumer.close()
        self._recorder.flush()

    def _commit(self):
        """One at a time, and not waited for: librdkafka's synchronous commit was seen to wait for minutes, without a rejoin."""
        if self._commits and time.monotonic() - self._committed_at > GIVE_UP_S:
            self._unanswered += 1
            self._done("info", error="no answer")
        if self._commits:
            return
        self._commits = True
        self._recorder.now("invoke", "commit", group=self._group)
        self._due = False
        self._committed_at = time.monotonic()
        try:
            self._consumer.commit(asynchronous=True)
        except KafkaException as error:
            self._failed(error.args[0])

    def _committed(self, error, partitions):
        if self._unanswered:
            # An answer to the one that was given up: what comes in its place is not known then, which is no harm.
            self._unanswered -= 1
            return
        if not self._commits:
            return
        if error is not None:
            self._failed(error)
            return
        done = [part for part in partitions if part.error is None and part.offset >= 0]
        self._done("ok", offsets={f"{part.topic}-{part.partition}": part.offset for part in done})

    def _failed(self, error):
        """Tried again later, unless there was nothing to commit."""
        self._due = error.code() != KafkaError._NO_OFFSET
        self._done("info", error=str(error))

    def _done(self, kind, **more):
        self._commits = False
        self._recorder.now(kind, "commit", group=self._group, **more)

    def _assigned(self, consumer, partitions):
        keys = [f"{part.topic}-{part.partition}" for part in partitions]
        self._recorder.now("ok", "assign", keys=keys)

    def _revoked(self, consumer, partitions):
        if self._due:
            self._commit()

    def _lost(self, consumer, partitions):
        self._due = False


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Member(json.loads(sys.argv[1])).run(stopped)
