"""Checkpoints that are written while a broker serves."""

import re

from confluent_kafka import Producer

from harness import topics
from harness.waiting import eventually


def test_high_watermarks_are_written_down_in_the_interval_that_is_configured(start_broker):
    broker = start_broker(replica_high_watermark_checkpoint_interval_ms=100, log_flush_offset_checkpoint_interval_ms=600_000)
    topics.create(broker.bootstrap, "written", 1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    file = broker.data / "replication-offset-checkpoint"
    for end in (1, 2):
        producer.produce("written", b"x")
        assert producer.flush(60) == 0
        line = re.compile(rf"^written 0 {end}$", re.MULTILINE)
        eventually(lambda: file.exists() and line.search(file.read_text()), f"the checkpoint does not say {end}")
