"""A producer of transactions (librdkafka) that writes its history; run as a program, ends on SIGTERM."""

import json
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import KafkaError, KafkaException, Producer

from checker.history import value_of
from checker.recorder import Recorder

_PATIENCE_S = 20
_ABORTS = 0.1
_LARGEST = 4


class Transactor:
    def __init__(self, wish):
        self._topic, self._partitions, self._pause = wish["topic"], wish["partitions"], 1 / wish["rate"]
        self._recorder = Recorder(wish["history"], wish["process"])
        self._config = {"message.timeout.ms": 15_000, "log_level": 0, "linger.ms": 0, **wish["config"]}
        self._random = random.Random(wish["process"])
        self._number = self._txn = 0
        self._producer = None

    def run(self, stopped):
        while not stopped:
            try:
                if self._producer is None:
                    self._begin_anew()
                self._transaction()
            except KafkaException:
                # Fenced or worse: the next of this name ends what this one left open.
                self._producer = None
            time.sleep(self._pause)
        self._recorder.flush()

    def _begin_anew(self):
        producer = Producer(self._config)
        self._until_done(producer.init_transactions)
        self._producer = producer

    def _transaction(self):
        self._txn += 1
        self._producer.begin_transaction()
        for partition in self._random.sample(range(self._partitions), self._random.randint(1, _LARGEST)):
            self._send(partition)
        self._producer.flush(_PATIENCE_S)
        if self._random.random() < _ABORTS:
            self._end(False)
            return
        try:
            self._end(True)
        except KafkaException as problem:
            if not problem.args[0].txn_requires_abort():
                self._said("info", True)
                raise
            # An abort that is taken says that nothing was committed.
            self._until_done(self._producer.abort_transaction)
            self._said("fail", True)

    def _end(self, committed):
        self._said("invoke", committed)
        self._until_done(self._producer.commit_transaction if committed else self._producer.abort_transaction)
        self._said("ok", committed)

    def _said(self, kind, committed):
        self._recorder.now(kind, "end", txn=self._txn, committed=committed)

    def _send(self, partition):
        value = value_of(self._recorder.process, self._number)
        self._number += 1
        key = f"{self._topic}-{partition}"
        self._recorder.now("invoke", "send", key=key, value=value, txn=self._txn)
        text = f"{self._recorder.process}.{value & ((1 << 40) - 1)} in a transaction"

        def delivered(error, message):
            if error is None:
                self._recorder.now("ok", "send", key=key, value=value, offset=message.offset())
            else:
                self._recorder.now("info", "send", key=key, value=value, error=error.name())

        self._producer.produce(self._topic, text, partition=partition, on_delivery=delivered)

    @staticmethod
    def _until_done(action):
        """Tries again what may yet come to be."""
        while True:
            try:
                return action(_PATIENCE_S)
            except KafkaException as problem:
                error = problem.args[0]
                # A message that timed out has the code of a call that did.
                is_slow = error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT)
                if error.txn_requires_abort() or not (error.retriable() or is_slow):
                    raise


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Transactor(json.loads(sys.argv[1])).run(stopped)
