"""Copies made by transactions while the broker and the clients are killed: each record once, and in its partition's order.

With --full it is a million records and hundreds of faults.
"""

import random
import time

import pytest

from harness import copying, topics
from harness.trouble import Trouble

PARTITIONS = 8
SOURCE = "source"
BROKER = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 6000,
    "transaction_state_log_num_partitions": 5,
    "offsets_topic_num_partitions": 5,
}


class Faults(Trouble):
    """The broker has its share."""

    faults = ["kill_broker", "kill_broker_twice", *Trouble.faults]

    def __init__(self, broker, groups, seed):
        super().__init__(groups, random.Random(seed))
        self.broker = broker

    def kill_broker(self):
        self.broker.kill()
        self.broker.start()

    def kill_broker_twice(self):
        """Again while it is taking up where it was."""
        self.kill_broker()
        time.sleep(self.chance.uniform(0, 0.3))
        self.kill_broker()


def run(broker, folder, count, faults, longest_s, size):
    """Groups of every kind of client copy the same topic, each to one of its own."""
    source = copying.Source(broker.bootstrap, SOURCE, PARTITIONS)
    source.add(count)
    groups = [copying.Group(kind, broker.bootstrap, SOURCE, PARTITIONS, folder, size=size) for kind in copying.KINDS]
    for group in groups:
        topics.create(broker.bootstrap, group.target, PARTITIONS)
    trouble = Faults(broker, groups, seed=count)
    try:
        for group in groups:
            group.start()
        done = 0
        while done < faults and not all(group.is_done() for group in groups):
            time.sleep(trouble.chance.uniform(0.2, longest_s))
            trouble.any()
            done += 1
        trouble.end()
        for group in groups:
            group.wait(120 + count / 200)
        problems = {group.name: found for group in groups if (found := group.problems(source.expected))}
    finally:
        trouble.end()
        for group in groups:
            group.close()
    assert not problems, f"{problems} after {trouble.done}"
    print(f"{count} records by each of {len(groups)} kinds of client, through {trouble.done}")
    return trouble.done


@pytest.mark.full
@pytest.mark.limit(400)
def test_each_record_is_copied_once(start_broker, tmp_path):
    """A few thousand records, a dozen faults."""
    done = run(start_broker(**BROKER), tmp_path, 8_000, faults=10, longest_s=1.5, size=20)
    assert "kill_broker" in done


@pytest.mark.full
@pytest.mark.limit(14_400)
def test_each_of_a_million_records_is_copied_once(start_broker, tmp_path):
    """A million records, with faults until they are copied."""
    done = run(start_broker(**BROKER), tmp_path, 1_000_000, faults=2_000, longest_s=6, size=500)
    assert len(done) > 50
