"""Copies made by transactions on three nodes, while the coordinators and leaders they need are killed and cut off, and the clients
are killed, frozen and cut off: each record once.

OTTLA_EXACTLY_ONCE_FAULTS=50 meets them with as many faults, OTTLA_EXACTLY_ONCE_SEED decides which, OTTLA_EXACTLY_ONCE_RECORDS=1000000
are copied, in transactions of OTTLA_EXACTLY_ONCE_SIZE=500, by each of OTTLA_EXACTLY_ONCE_KINDS=java,franz-go.
"""

import itertools
import os
import random
import time

import pytest
from nemesis import Nemesis, Schedule

from checker import segments
from harness import copying, hosts, topics
from harness.trouble import Trouble
from harness.waiting import eventually

PARTITIONS = 6
SOURCE = "source"
FAULTS = [
    "kill_leader", "kill_and_restart_at_once", "kill_one", "kill_all", "freeze_leader", "isolate_leader", "cut_from_peers",
    "cut_from_controllers", "cut_two", "leader_is_not_heard", "reset_from_peers", "isolate_clients", "cut_clients_from_leader",
    "leader_does_not_reach_clients",
]  # fmt: skip
COUNT = int(os.environ.get("OTTLA_EXACTLY_ONCE_FAULTS", str(len(FAULTS))))
SEED = int(os.environ.get("OTTLA_EXACTLY_ONCE_SEED", "1"))
RECORDS = int(os.environ.get("OTTLA_EXACTLY_ONCE_RECORDS", "6000"))
SIZE = int(os.environ.get("OTTLA_EXACTLY_ONCE_SIZE", "20"))
KINDS = os.environ.get("OTTLA_EXACTLY_ONCE_KINDS", ",".join(copying.KINDS)).split(",")
BROKERS = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 6000,
    "transaction_state_log_num_partitions": 5,
}
# Of whose partition the leader is met: the coordinators of transactions and of groups, and who has the records.
MET = ["__transaction_state", "__consumer_offsets", SOURCE, "copied"]
# How long the last records take when nobody is met any more.
LAST_S = 120 + RECORDS // 200


def steps():
    """A fault and whom it meets: each once, then any."""
    each = Schedule.of_each(SEED, 3, 5, 1, 8, FAULTS).steps
    schedule = itertools.chain(each, Schedule.endless(SEED + 1, 3, 5, 1, 8, FAULTS))
    return [(MET[number % len(MET)], step) for number, step in zip(range(COUNT), schedule)]


@pytest.mark.full
@pytest.mark.limit(300 + COUNT * 30 + LAST_S * len(KINDS))
def test_each_record_is_copied_once(tmp_path):
    """New records are there whenever something befalls nodes, hosts of clients and members."""
    nodes = [hosts.Spec(number, "ottla", hosts.COMBINED) for number in (1, 2, 3)]
    with hosts.on_network(tmp_path, nodes, clients=("client-1", "client-2"), **hosts.QUICK, **BROKERS) as cluster:
        cluster.start()
        source = copying.Source(cluster.bootstrap, SOURCE, PARTITIONS, replicas=3)
        launchers = [cluster.network.hosts[name].launcher for name in ("client-1", "client-2")]
        groups = [
            copying.Group(kind, cluster.bootstrap, SOURCE, PARTITIONS, tmp_path / "clients", SIZE, launchers) for kind in KINDS
        ]
        for group in groups:
            topics.create(cluster.bootstrap, group.target, PARTITIONS, 3)
        began, done = time.monotonic(), []
        try:
            copy(cluster, source, groups, tmp_path, done)
            problems = {group.name: found for group in groups if (found := group.problems(source.expected))}
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
        print(f"{RECORDS} records by each of {KINDS} in {time.monotonic() - began:.0f} s, through {len(done)} faults: {done}")


def copy(cluster, source, groups, folder, done):
    """Until all is copied; `done` gets what befell whom."""
    chance, planned = random.Random(SEED), steps()
    portion, rest = divmod(RECORDS, len(planned) + 1)
    source.add(portion + rest)
    for group in groups:
        group.start()
    for topic in MET[:2]:
        eventually(lambda: cluster.is_led(topic), f"{topic} is not there")  # noqa: B023
    members = Trouble(groups, chance)
    for number, (topic, step) in enumerate(planned):
        source.add(portion)
        members.any()
        met = chance.choice(groups).target if topic == "copied" else topic
        done += [members.done[-1], f"{step} of {met}"]
        print(f"{time.strftime('%H:%M:%S')} {done[-2]}, {done[-1]}", flush=True)
        nemesis = Nemesis(cluster, met, folder / f"nemesis-{number}.jsonl")
        nemesis.do(step)
        nemesis.close()
        for group in groups:
            group.revive()
        time.sleep(step.pause)
    members.end()
    for group in groups:
        group.wait(LAST_S)
