"""Copies made by transactions on three nodes, while the coordinators and leaders they need are killed and cut off: each record once.

OTTLA_EXACTLY_ONCE_FAULTS=50 meets them with as many faults, OTTLA_EXACTLY_ONCE_SEED decides which.
"""

import os
import random
import time

import pytest
from nemesis import Nemesis, Schedule

from checker import segments
from harness import copying, hosts, topics

PARTITIONS = 6
SOURCE = "source"
FAULTS = int(os.environ.get("OTTLA_EXACTLY_ONCE_FAULTS", "8"))
SEED = int(os.environ.get("OTTLA_EXACTLY_ONCE_SEED", "1"))
RECORDS = int(os.environ.get("OTTLA_EXACTLY_ONCE_RECORDS", "6000"))
BROKERS = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 6000,
    "transaction_state_log_num_partitions": 5,
}
KINDS = [
    "kill_leader", "kill_and_restart_at_once", "kill_one", "kill_all", "freeze_leader", "isolate_leader", "cut_from_peers",
    "cut_from_controllers", "cut_two", "leader_is_not_heard", "reset_from_peers",
]  # fmt: skip
# Of whose partition the leader is met: the coordinators of transactions and of groups, and who has the records.
MET = ["__transaction_state", "__consumer_offsets", SOURCE, "copied"]


def steps(count):
    """A fault and whom it meets, all of them in turn, the faults of a seed."""
    schedule = Schedule.endless(SEED, 3, 5, 1, 5, KINDS)
    return [(MET[number % len(MET)], step) for number, step in zip(range(count), schedule)]


@pytest.mark.full
@pytest.mark.limit(600 + FAULTS * 30)
def test_each_record_is_copied_once(tmp_path):
    """Members of four kinds; the leaders of each of the topics that a transaction needs are met."""
    nodes = [hosts.Spec(number, "ottla", hosts.COMBINED) for number in (1, 2, 3)]
    with hosts.on_network(tmp_path, nodes, **hosts.QUICK, **BROKERS) as cluster:
        cluster.start()
        expected = copying.fill(cluster.bootstrap, SOURCE, PARTITIONS, RECORDS, replicas=3)
        launcher = cluster.network.hosts["client"].launcher
        groups = [
            copying.Group(kind, cluster.bootstrap, SOURCE, PARTITIONS, tmp_path / "clients", size=20, launcher=launcher)
            for kind in copying.KINDS
        ]
        for group in groups:
            topics.create(cluster.bootstrap, group.target, PARTITIONS, 3)
        chance, done = random.Random(SEED), []
        try:
            for group in groups:
                group.start()
            for number, (topic, step) in enumerate(steps(FAULTS)):
                met = chance.choice(groups).target if topic == "copied" else topic
                done.append(f"{step} of {met}")
                print(f"{time.strftime('%H:%M:%S')} {done[-1]}", flush=True)
                nemesis = Nemesis(cluster, met, tmp_path / f"nemesis-{number}.jsonl")
                nemesis.do(step)
                nemesis.close()
                for group in groups:
                    group.revive()
                time.sleep(step.pause)
            for group in groups:
                group.wait(120)
            problems = {group.name: found for group in groups if (found := group.problems(expected))}
        except BaseException:
            print(f"after {done}")
            cluster.print_logs()
            raise
        finally:
            for group in groups:
                group.close()
        assert not problems, f"{problems} after {done}"
        for group in groups:
            cluster.in_sync(group.target)
        cluster.stop()
        for group in groups:
            for partition in range(PARTITIONS):
                differ = segments.check_partition(cluster.replica_folders(group.target, partition))
                assert not differ, f"{group.target}-{partition}: {differ[:10]}"
        assert not cluster.problems(), cluster.problems()
