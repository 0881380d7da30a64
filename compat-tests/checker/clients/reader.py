"""A reader of assigned partitions (librdkafka) that writes its history; run as a program.

With `final` it reads until the ends that there are when it begins and is done; else it ends on SIGTERM.
"""

import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from checker.history import value_of
from checker.recorder import Recorder

# Nothing is ever deleted: an offset out of range is one that was there and went.
_NEVER = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
_PATIENCE_S = 60


def number_of(text):
    """The value that a record carries, which has room for padding behind."""
    process, _, number = text.split(b" ", 1)[0].partition(b".")
    return value_of(int(process), int(number))


class Reader:
    def __init__(self, wish):
        self._final = wish.get("final", False)
        self._recorder = Recorder(wish["history"], wish["process"])
        own = {
            "group.id": "assigned", "enable.auto.commit": False, "auto.offset.reset": "error", "log_level": 0,
            "fetch.wait.max.ms": 100,
        }  # fmt: skip
        self._consumer = Consumer({**own, **wish["config"]})
        self._parts = [TopicPartition(wish["topic"], number, OFFSET_BEGINNING) for number in range(wish["partitions"])]
        self._recorder.now("ok", "assign")
        self._consumer.assign(self._parts)
        self._ends = {}
        if self._final:
            for part in self._parts:
                low, high = self._consumer.get_watermark_offsets(part, timeout=_PATIENCE_S)
                if high > low:
                    self._ends[part.partition] = high

    def run(self, stopped):
        deadline = time.monotonic() + _PATIENCE_S
        while not stopped and (self._ends or not self._final):
            self._note(self._consumer.consume(2000, timeout=0.1))
            if self._final and time.monotonic() > deadline:
                sys.exit(f"not read to the ends: {self._ends}")
        self._recorder.flush()

    def _note(self, messages):
        read = {}
        for message in messages:
            if message.error():
                if message.error().code() in _NEVER:
                    self._recorder.write("info", "error", error=str(message.error()))
                continue
            number = message.partition()
            read.setdefault(f"{message.topic()}-{number}", []).append([message.offset(), number_of(message.value())])
            if message.offset() + 1 >= self._ends.get(number, 1 << 62):
                del self._ends[number]
        if read:
            self._recorder.now("ok", "poll", read=read, **({"final": True} if self._final else {}))


if __name__ == "__main__":
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    Reader(json.loads(sys.argv[1])).run(stopped)
