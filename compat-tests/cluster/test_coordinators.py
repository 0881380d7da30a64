"""Groups whose coordinator's node is killed while they rebalance and commit.

OTTLA_COORDINATOR_KILLS=50 kills so many in place of the usual (--full: 30); OTTLA_MEMBERS_SEED is what decides.
"""

import os
import random
import time

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from groups.scenario import BROKER_SETTINGS, Members, add_a_member, end_a_member, kill_a_member
from harness.waiting import eventually

KILLS = int(os.environ.get("OTTLA_COORDINATOR_KILLS", "0"))
SEED = int(os.environ.get("OTTLA_MEMBERS_SEED", "1"))
FEW, FULL = 4, 30
GROUPS = [("java", "range"), ("librdkafka", "cooperative"), ("franz-go", "consumer")]


def coordinator(cluster, group):
    """The node that has a group, which is settled, so that somebody has it."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    def asked():
        (described,) = admin.describe_consumer_groups([group]).values()
        try:
            return described.result(30).coordinator.id
        except KafkaException:
            # Not every node may know yet who has it.
            return None

    return eventually(asked, f"nobody says who has {group}")


def begin_a_rebalance(members, chance):
    count = len(members.all)
    steps = [kill_a_member] + [add_a_member] * (count < 4) + [end_a_member] * (count > 2)
    chance.choice(steps)(members, chance)


@pytest.mark.limit(240 + 15 * max(KILLS, FULL))
def test_groups_go_on_when_the_node_of_their_coordinator_is_killed(start_cluster, tmp_path, request):
    """Groups of both protocols settle on the two nodes that are left, with every commit; in the end every record is consumed."""
    kills = KILLS or (FULL if request.config.getoption("--full") else FEW)
    cluster = start_cluster("quorum", ["ottla"] * 3, **BROKER_SETTINGS)
    chance, groups = random.Random(SEED), []
    try:
        for family, protocol in GROUPS:
            groups.append(Members(cluster, family, protocol, tmp_path / f"clients-{family}", replicas=3))
            for _ in range(3):
                groups[-1].join()
            groups[-1].produce()
        for members in groups:
            members.wait_until_settled()
        for kill in range(kills):
            met = groups[kill % len(groups)]
            number = coordinator(cluster, met.group)
            for members in groups:
                begin_a_rebalance(members, chance)
            time.sleep(chance.uniform(0, 1.5))
            print(f"{time.strftime('%H:%M:%S')} kill node {number}, which {met.group} has", flush=True)
            cluster.nodes[number].kill()
            for members in groups:
                members.wait_until_settled()
                members.witnesses.note_committed(members.group)
            cluster.nodes[number].start()
            cluster.in_sync("__consumer_offsets")
        for members in groups:
            members.witnesses.finish()
            counts = members.witnesses.check_histories()
            print(members.group, counts)
            assert counts["acknowledged"] > 500 and counts["commits"] > 20, counts
    finally:
        for members in groups:
            members.close()
