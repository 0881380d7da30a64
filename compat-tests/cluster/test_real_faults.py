"""Clusters under faults of processes and networks that seeds decide; what clients saw and what replicas wrote is checked.

OTTLA_CLUSTER_FAULT_MINUTES=30 goes on with random faults for that long; OTTLA_CLUSTER_FAULT_SEED is the first of its seeds,
OTTLA_CLUSTER_FAULT_STEPS how many faults a cluster lives through. OTTLA_CLUSTER_FAULT_CONTROLLERS=ottla,ottla,ottla are the nodes
that vote, OTTLA_CLUSTER_FAULT_BROKERS=kafka,ottla,ottla the brokers; with no controllers each broker votes.
"""

import os
import time

import pytest
from nemesis import Nemesis, Schedule

from checker.witnesses import Witnesses
from harness import hosts, topics, weather
from harness.waiting import eventually

PARTITIONS = 6
TOPIC = "kept"
# A group's coordinator that is killed or cut off has to be replaced within a member's session.
GROUPS = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": 6000,
    "transaction_state_log_num_partitions": 5,
}
# After the last fault all replicas are in sync and every partition is served within this; a session ends after 3 s.
SETTLED_S = 30
MINUTES = float(os.environ.get("OTTLA_CLUSTER_FAULT_MINUTES", "0"))
FIRST_SEED = int(os.environ.get("OTTLA_CLUSTER_FAULT_SEED", "1"))
STEPS = int(os.environ.get("OTTLA_CLUSTER_FAULT_STEPS", "20"))
CONTROLLERS = [kind for kind in os.environ.get("OTTLA_CLUSTER_FAULT_CONTROLLERS", "kafka").split(",") if kind]
BROKERS = os.environ.get("OTTLA_CLUSTER_FAULT_BROKERS", "ottla,ottla,ottla").split(",")


def nodes():
    if CONTROLLERS:
        return hosts.specs(CONTROLLERS, BROKERS)
    return [hosts.Spec(number, kind, hosts.COMBINED) for number, kind in enumerate(BROKERS, 1)]


def run(folder, steps, java=True):
    """Clients of all kinds work while the steps are done, each healed before the next."""
    with hosts.on_network(folder, nodes(), **hosts.QUICK, **GROUPS) as cluster:
        cluster.start()
        topics.create(cluster.bootstrap, TOPIC, PARTITIONS, 3)
        client = cluster.network.hosts["client"]
        witnesses = Witnesses(cluster, TOPIC, PARTITIONS, folder / "clients", client.launcher)
        nemesis = Nemesis(cluster, TOPIC, folder / "clients" / "history-nemesis.jsonl")
        slowest, done = 0, []
        try:
            witnesses.produce(rate=150)
            witnesses.produce(rate=150, **{"compression.type": "lz4", "linger.ms": 20})
            for _ in range(2):
                witnesses.transact(rate=20)
            witnesses.read()
            for _ in range(2):
                witnesses.join("of-classic", "librdkafka", "range")
                witnesses.join("of-consumer", "java" if java else "librdkafka", "consumer")
            if java:
                witnesses.produce_with_java(rate=100)
            witnesses.probe(SETTLED_S)
            for step in steps:
                done.append(str(step))
                print(f"{time.strftime('%H:%M:%S')} {step}", flush=True)
                nemesis.do(step)
                began = time.monotonic()
                cluster.in_sync(TOPIC, SETTLED_S)
                witnesses.probe(SETTLED_S)
                slowest = max(slowest, time.monotonic() - began)
                witnesses.check_alive()
                time.sleep(step.pause)
            for topic in ("__consumer_offsets", TOPIC):
                cluster.in_sync(topic, SETTLED_S)
            witnesses.finish()
            cluster.stop()
            counts = witnesses.check()
        except BaseException:
            print(f"after {done}")
            cluster.print_logs()
            raise
        finally:
            nemesis.close()
            witnesses.kill()
        problems = cluster.problems()
        assert not problems, problems
        print(f"{len(done)} faults, {counts}, settled within {slowest:.1f} s")
        assert counts["acknowledged"] > 1000 and counts["commits"] > 20, counts
        assert counts["committed"] > 50 and counts["aborted"] > 3, counts


@pytest.mark.limit(400)
def test_no_fault_loses_or_reorders_what_was_acknowledged(tmp_path):
    """A choice of faults one after the other, on three brokers."""
    few = [
        "freeze_leader", "isolate_leader", "cut_from_controllers", "cut_from_peers", "leader_is_not_heard", "flap",
        "reset_from_peers", "kill_leader", "kill_two",
    ]  # fmt: skip
    # test_weather.py is skipped, and says why, where there can be none.
    few += [] if weather.missing() else ["bad_weather"]
    run(tmp_path, Schedule.of_each(FIRST_SEED, 3, PARTITIONS, 4, 5.5, few).steps)


def test_the_checker_sees_what_a_cluster_loses(tmp_path):
    """With acks=1 a leader that sees only clients acknowledges what the next one does not have."""
    with hosts.on_network(tmp_path, nodes(), **hosts.QUICK) as cluster:
        cluster.start()
        topics.create(cluster.bootstrap, TOPIC, PARTITIONS, 3)
        launcher = cluster.network.hosts["client"].launcher
        witnesses = Witnesses(cluster, TOPIC, PARTITIONS, tmp_path / "clients", launcher)
        try:
            witnesses.produce(rate=100, acks="1", **{"enable.idempotence": False})
            witnesses.probe(SETTLED_S)
            leader = cluster.leader(TOPIC, 0)
            others = [number for number in cluster.nodes if number != leader]
            cluster.network.cut_from(cluster.host_of(leader), map(cluster.host_of, others))
            seen = lambda: topics.leaders(cluster.nodes[others[-1]].bootstrap, TOPIC)[0]  # noqa: E731
            eventually(lambda: seen() not in (leader, -1), "nobody leads in its place")
            cluster.recover()
            cluster.in_sync(TOPIC, SETTLED_S)
            witnesses.finish()
        finally:
            witnesses.kill()
        found = witnesses.history().anomalies()
        assert found.keys() & {"lost-write", "inconsistent-offset", "unseen"}, found


@pytest.mark.full
@pytest.mark.limit(240)
def test_no_weather_loses_or_reorders_what_was_acknowledged(tmp_path):
    """Long enough for elections in the middle of it, with a leader that is killed between the two or beside them."""
    weather.need_tun()
    chosen = ["bad_weather", "kill_leader", "storm"]
    run(tmp_path, Schedule.of_each(FIRST_SEED, 3, PARTITIONS, 12, 20, chosen).steps)


@pytest.mark.limit(int(MINUTES * 120) + 1200)
@pytest.mark.skipif(not MINUTES, reason="OTTLA_CLUSTER_FAULT_MINUTES is not set")
def test_faults_for_as_long_as_is_wished(tmp_path):
    """Seed after seed, each on a new cluster that is checked in the end."""
    weather.need_tun()
    deadline, seed = time.monotonic() + MINUTES * 60, FIRST_SEED
    while time.monotonic() < deadline:
        print(f"seed {seed}")
        steps = Schedule.endless(seed, 3, PARTITIONS, 1, 20 if seed % 3 == 0 else 7)
        run(tmp_path / f"seed-{seed}", [step for step, _ in zip(steps, range(STEPS))], java=seed % 2 == 1)
        seed += 1
