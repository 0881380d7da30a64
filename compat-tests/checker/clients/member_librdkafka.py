"""A member of a group (librdkafka) that writes its history; run as a program."""

import json
import signal
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import Consumer, KafkaError, KafkaException

from checker.recorder import Recorder
from reader import number_of

COMMIT_EVERY_S = 0.2
GIVE_UP_S = 30
# What librdkafka hands to producers of transactions: a mark of 7 bytes, the generation, and names.
_METADATA = struct.Struct("=7si")


class Member:
    def __init__(self, wish):
        self._group = wish["group"]
        self._recorder = Recorder(wish["history"], wish["process"])
        self._due, self._committed_at, self._commits = False, time.monotonic(), False
        self._unanswered = 0
        self._owned, self._said = frozenset(), None
        self._recorder.now("info", "joins")
        self._consumer = Consumer({**wish["config"], "on_commit": self._committed})
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
            self._note_owned()
            if self._due and time.monotonic() - self._committed_at > COMMIT_EVERY_S:
                self._commit()
        self._consumer.close()
        self._recorder.flush()

    def _note_owned(self):
        """What it owns and in which generation, whenever either is another."""
        _, generation = _METADATA.unpack_from(self._consumer.consumer_group_metadata())
        if generation > 0 and (generation, self._owned) != self._said:
            self._said = generation, self._owned
            self._recorder.now("ok", "owns", group=self._group, generation=generation, keys=sorted(self._owned))

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
        keys = _keys(partitions)
        self._recorder.now("ok", "assign", keys=keys)
        self._owned |= frozenset(keys)
        self._note_owned()

    def _revoked(self, consumer, partitions):
        if self._due:
            self._commit()
        self._gone(partitions)

    def _lost(self, consumer, partitions):
        self._due = False
        self._gone(partitions)

    def _gone(self, partitions):
        self._owned -= frozenset(_keys(partitions))
        self._note_owned()


def _keys(partitions):
    return [f"{part.topic}-{part.partition}" for part in partitions]


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Member(json.loads(sys.argv[1])).run(stopped)
