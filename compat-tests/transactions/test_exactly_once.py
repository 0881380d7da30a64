"""Copies made by transactions while the broker and the clients are killed: each record once, and in its partition's order.

With --full it is a million records and hundreds of faults.
"""

import random
import time

import pytest

from harness import copying, topics

PARTITIONS = 8
SOURCE = "source"
BROKER = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 6000,
    "transaction_state_log_num_partitions": 5,
    "offsets_topic_num_partitions": 5,
}
FAULTS = ["kill_broker", "kill_broker_twice", "kill_member", "kill_member_for_good", "freeze_member"]


class Faults:
    """What befalls a broker and the members of groups."""

    def __init__(self, broker, groups, seed):
        self.broker, self.groups, self.chance = broker, groups, random.Random(seed)
        self._frozen = []
        self.done = []

    def one(self, name):
        self.done.append(name)
        getattr(self, name)()

    def any(self):
        """Whoever was frozen comes back after a while, to a group that has gone on without."""
        self.one(self.chance.choice(FAULTS))
        for until, member in list(self._frozen):
            if time.monotonic() > until:
                self._thaw(until, member)
        for group in self.groups:
            group.revive()

    def end(self):
        for until, member in list(self._frozen):
            self._thaw(until, member)

    def _thaw(self, until, member):
        self._frozen.remove((until, member))
        if member.process.poll() is None:
            member.thaw()

    def _member(self):
        group = self.chance.choice(self.groups)
        return group, self.chance.choice(group.members)

    def kill_broker(self):
        self.broker.kill()
        self.broker.start()

    def kill_broker_twice(self):
        """Again while it is taking up where it was."""
        self.kill_broker()
        time.sleep(self.chance.uniform(0, 0.3))
        self.kill_broker()

    def kill_member(self):
        group, member = self._member()
        group.replace(member, same_id=True)

    def kill_member_for_good(self):
        """Its transaction ends by its timeout."""
        group, member = self._member()
        group.replace(member, same_id=False)

    def freeze_member(self):
        """Longer than its transaction and its session last."""
        _, member = self._member()
        if member.process.poll() is None and member not in [frozen for _, frozen in self._frozen]:
            member.freeze()
            self._frozen.append((time.monotonic() + 8, member))


def run(broker, folder, count, faults, longest_s, size):
    """Groups of every kind of client copy the same topic, each to one of its own."""
    expected = copying.fill(broker.bootstrap, SOURCE, PARTITIONS, count)
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
        problems = {group.name: found for group in groups if (found := group.problems(expected))}
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
