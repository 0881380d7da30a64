"""A member of a group that writes down what it owns, reads and commits, a line each; run as a program."""

import json
import sys
import time

from confluent_kafka import Consumer, KafkaException

COMMIT_EVERY_S = 0.1


class Member:
    def __init__(self, settings, topic):
        self._next = {}
        self._committed_at = time.monotonic()
        self._consumer = Consumer(settings)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def run(self):
        while True:
            message = self._consumer.poll(0.05)
            if message is not None and message.error() is None:
                self._next[message.partition()] = message.offset() + 1
                say(read=[message.partition(), message.offset()])
            if self._next and time.monotonic() - self._committed_at > COMMIT_EVERY_S:
                self._commit()

    def _commit(self):
        """What was read is committed, and is written down once the broker has said that it is."""
        try:
            done = self._consumer.commit(asynchronous=False)
            say(committed={part.partition: part.offset for part in done if part.error is None})
        except KafkaException as error:
            say(refused=str(error))
        self._next.clear()
        self._committed_at = time.monotonic()

    def _assigned(self, consumer, partitions):
        say(gets=[part.partition for part in partitions])

    def _revoked(self, consumer, partitions):
        if self._next:
            self._commit()
        say(gives=[part.partition for part in partitions])

    def _lost(self, consumer, partitions):
        self._next.clear()
        say(gives=[part.partition for part in partitions])


def say(**what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    Member(json.loads(sys.argv[1]), sys.argv[2]).run()
