"""A member of a group (aiokafka) that writes its history; run as a program."""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError

from checker.recorder import Recorder
from reader import number_of

COMMIT_EVERY_S = 0.2
ASSIGNORS = {"range": RangePartitionAssignor, "sticky": StickyPartitionAssignor}


class Member(ConsumerRebalanceListener):
    def __init__(self, wish):
        self._group = wish["group"]
        self._recorder = Recorder(wish["history"], wish["process"])
        self._next, self._committed_at = {}, time.monotonic()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=wish["bootstrap"], group_id=wish["group"], enable_auto_commit=False, auto_offset_reset="earliest",
            partition_assignment_strategy=[ASSIGNORS[wish["protocol"]]], session_timeout_ms=wish["session_ms"],
            heartbeat_interval_ms=wish["heartbeat_ms"], rebalance_timeout_ms=60_000, metadata_max_age_ms=1_000,
            request_timeout_ms=10_000, fetch_max_wait_ms=100,
        )  # fmt: skip
        self._consumer.subscribe([wish["topic"]], listener=self)

    async def run(self, stopped):
        self._recorder.now("info", "joins")
        await self._consumer.start()
        while not stopped.is_set():
            try:
                await self._note(await self._consumer.getmany(timeout_ms=100))
            except KafkaError as error:
                self._recorder.now("info", "refused", error=repr(error))
        await self._commit()
        await self._consumer.stop()
        self._recorder.flush()

    async def _note(self, batches):
        read = {}
        for partition, records in batches.items():
            read[key(partition)] = [[record.offset, number_of(record.value)] for record in records]
            self._next[partition] = records[-1].offset + 1
        if read:
            self._recorder.now("ok", "poll", read=read, group=self._group)
        if time.monotonic() - self._committed_at > COMMIT_EVERY_S:
            await self._commit()

    async def _commit(self):
        offsets, self._next = self._next, {}
        self._committed_at = time.monotonic()
        if not offsets:
            return
        self._recorder.now("invoke", "commit", group=self._group)
        try:
            await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            self._recorder.now("info", "commit", group=self._group, error=repr(error))
        else:
            done = {key(partition): offset for partition, offset in offsets.items()}
            self._recorder.now("ok", "commit", group=self._group, offsets=done)

    async def on_partitions_revoked(self, revoked):
        await self._commit()
        self._owns([])

    def on_partitions_assigned(self, assigned):
        keys = sorted(map(key, assigned))
        # What was handed out of the generation before is not committed in this one.
        self._next.clear()
        self._recorder.now("ok", "assign", keys=keys)
        self._owns(keys)

    def _owns(self, keys):
        # Only what is not public knows of the generation.
        generation = self._consumer._coordinator.generation
        if generation > 0:
            self._recorder.now("ok", "owns", group=self._group, generation=generation, keys=keys)


def key(partition):
    return f"{partition.topic}-{partition.partition}"


async def main(wish):
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await Member(wish).run(stopped)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
