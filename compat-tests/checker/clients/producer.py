"""An idempotent producer with acks=all (librdkafka) that writes its history; run as a program, ends on SIGTERM."""

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import KafkaError, Producer

from checker.history import value_of
from checker.recorder import Recorder

_STEP_S = 0.02
_PATIENCE_S = 90
# Told before anything is sent; whatever else a client says may be there or not.
_DEFINITE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.TOPIC_AUTHORIZATION_FAILED}


class Sender:
    def __init__(self, wish):
        self._topic, self._partitions, self._rate = wish["topic"], wish["partitions"], wish["rate"]
        self._largest = wish["largest"]
        self._recorder = Recorder(wish["history"], wish["process"])
        own = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 120_000, "log_level": 0, "linger.ms": 2}
        self._producer = Producer({**own, **wish["config"]})
        self._number = 0

    def run(self, stopped):
        began = time.monotonic()
        while not stopped:
            due = int((time.monotonic() - began) * self._rate) - self._number
            self._send(min(due, 1000))
            self._producer.poll(_STEP_S)
            self._recorder.flush()
        self._producer.flush(_PATIENCE_S)
        self._recorder.flush()

    def _send(self, count):
        batch = []
        for _ in range(count):
            value = value_of(self._recorder.process, self._number)
            partition = self._number % self._partitions
            self._number += 1
            batch.append((value, partition))
            self._recorder.write("invoke", "send", key=f"{self._topic}-{partition}", value=value)
        self._recorder.flush()
        for value, partition in batch:
            text = f"{self._recorder.process}.{value & ((1 << 40) - 1)} " + "x" * (value * 37 % self._largest)
            try:
                self._producer.produce(self._topic, text, partition=partition, on_delivery=self._delivered(value))
            except BufferError:  # as many wait as the client holds, and this one is not among them
                self._recorder.write("fail", "send", key=f"{self._topic}-{partition}", value=value)
                self._producer.poll(0.1)

    def _delivered(self, value):
        def delivered(error, message):
            key = f"{message.topic()}-{message.partition()}"
            if error is None:
                self._recorder.write("ok", "send", key=key, value=value, offset=message.offset())
            else:
                kind = "fail" if error.code() in _DEFINITE else "info"
                self._recorder.write(kind, "send", key=key, value=value, error=error.name())

        return delivered


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Sender(json.loads(sys.argv[1])).run(stopped)
