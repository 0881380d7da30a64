"""A member of a group that copies a topic to another in transactions, partition by partition; run as a program."""

import faulthandler
import json
import random
import signal
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE_S = 30


class Copier:
    def __init__(self, wish):
        self._target, self._size, self._aborts = wish["target"], wish["size"], wish["aborts"]
        common = {"bootstrap.servers": wish["bootstrap"], "log_level": 0, "reconnect.backoff.max.ms": 500}
        self._producer = Producer({
            **common, "transactional.id": wish["id"], "transaction.timeout.ms": wish["timeout_ms"], "linger.ms": 0,
            "batch.num.messages": 10,
        })  # fmt: skip
        self._consumer = Consumer({
            **common, "group.id": wish["group"], "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "isolation.level": "read_committed", **wish["member"],
        })  # fmt: skip
        self._consumer.subscribe([wish["source"]])

    def run(self, stopped):
        self._until_done(self._producer.init_transactions)
        while not stopped:
            messages = [each for each in self._consumer.consume(self._size, timeout=0.2) if not each.error()]
            if messages:
                self._copy(messages)
        self._consumer.close()

    def _copy(self, messages):
        self._producer.begin_transaction()
        try:
            next_offsets = {}
            for message in messages:
                self._producer.produce(self._target, message.value(), partition=message.partition())
                next_offsets[message.topic(), message.partition()] = message.offset() + 1
            offsets = [TopicPartition(*where, offset) for where, offset in next_offsets.items()]
            group = self._consumer.consumer_group_metadata()
            self._until_done(self._producer.send_offsets_to_transaction, offsets, group)
            if random.random() < self._aborts:
                self._abort()
            else:
                self._until_done(self._producer.commit_transaction)
        except KafkaException as problem:
            if not problem.args[0].txn_requires_abort():
                raise
            self._abort()

    def _abort(self):
        """What was read is read again from where the group's last commit is."""
        self._until_done(self._producer.abort_transaction)
        assigned = self._consumer.assignment()
        for partition in self._until_done(self._consumer.committed, assigned):
            if partition.error is None:
                self._consumer.seek(TopicPartition(partition.topic, partition.partition, max(0, partition.offset)))
            else:
                raise KafkaException(partition.error)

    @staticmethod
    def _until_done(action, *arguments):
        """Tries again what may yet come to be."""
        while True:
            try:
                return action(*arguments, PATIENCE_S)
            except KafkaException as problem:
                error = problem.args[0]
                if not error.retriable() and error.code() not in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT):
                    raise


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Copier(json.loads(sys.argv[1])).run(stopped)
