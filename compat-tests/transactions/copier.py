"""A member of a group that copies a topic to another in transactions, partition by partition; run as a program."""

import faulthandler
import json
import random
import signal
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

PATIENCE_S = 10
# librdkafka 2.16 has no deadline for what it sends to a group's coordinator (rd_kafka_coord_req): if it gave that broker up, which
# Metadata did not name for a while, send_offsets_to_transaction waits until a connection comes or goes. So the process ends itself, and
# shows where it hung.
HANGS_S = 20
# A member that has not given up its partitions by then loses them to others.
REBALANCE_MS = 20_000


class Copier:
    def __init__(self, wish):
        self._target, self._size, self._aborts = wish["target"], wish["size"], wish["aborts"]
        # A member that is to give up a partition may wait until Metadata is asked for, each 5 min by default.
        common = {
            "bootstrap.servers": wish["bootstrap"], "log_level": 0, "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 5_000,
        }  # fmt: skip
        self._producer = Producer({
            **common, "transactional.id": wish["id"], "transaction.timeout.ms": wish["timeout_ms"], "linger.ms": 0,
            "batch.num.messages": 100,
        })  # fmt: skip
        self._consumer = Consumer({
            **common, "group.id": wish["group"], "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "isolation.level": "read_committed", "max.poll.interval.ms": REBALANCE_MS, **wish["member"],
        })  # fmt: skip
        # With a callback it takes part in a rebalance when it polls only, and so never in the midst of a transaction.
        self._consumer.subscribe([wish["source"]], on_assign=lambda *_: None, on_revoke=lambda *_: None)

    def run(self, stopped):
        faulthandler.dump_traceback_later(HANGS_S, exit=True)
        self._until_done(self._producer.init_transactions)
        try:
            while not stopped:
                faulthandler.dump_traceback_later(HANGS_S, exit=True)
                messages = [each for each in self._consumer.consume(self._size, timeout=0.2) if not each.error()]
                while messages and not self._copy(messages):
                    pass
        finally:
            self._consumer.close()

    def _copy(self, messages):
        """Whether they are copied. Upon whatever goes wrong producer and member begin anew, where the last commit was."""
        self._producer.begin_transaction()
        next_offsets = {}
        for message in messages:
            self._producer.produce(self._target, message.value(), partition=message.partition())
            next_offsets[message.topic(), message.partition()] = message.offset() + 1
        offsets = [TopicPartition(*where, offset) for where, offset in next_offsets.items()]
        group = self._consumer.consumer_group_metadata()
        self._until_done(self._producer.send_offsets_to_transaction, offsets, group)
        committed = random.random() >= self._aborts
        self._until_done(self._producer.commit_transaction if committed else self._producer.abort_transaction)
        return committed

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
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    while not stopped:
        try:
            Copier(json.loads(sys.argv[1])).run(stopped)
        except KafkaException as problem:
            print(problem, flush=True)
