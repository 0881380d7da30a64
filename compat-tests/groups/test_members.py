"""Groups of real members of every client family that join, leave, die and hang, on a broker that is killed in the middle of it.

OTTLA_MEMBERS_ROUNDS=100 goes on for so many rounds instead of the one in which each thing happens once (--full: 20, and more
protocols); OTTLA_MEMBERS_SEED is what decides.
"""

import os
import random
import time

import pytest

from checker.families import FAMILIES
from groups.scenario import BROKER_SETTINGS, Members, in_turn, possible

SEED = int(os.environ.get("OTTLA_MEMBERS_SEED", "1"))
ROUNDS = int(os.environ.get("OTTLA_MEMBERS_ROUNDS", "0"))
FULL_ROUNDS = 20
LIMIT_S = 240 + 10 * max(ROUNDS, FULL_ROUNDS)

# What a client does of its own with the same requests.
LESS_USED = {"sticky"}


def pytest_generate_tests(metafunc):
    every = metafunc.config.getoption("--full") or ROUNDS
    cases = [
        (family, protocol)
        for family, protocols in FAMILIES.items() for protocol in protocols if every or protocol not in LESS_USED
    ]  # fmt: skip
    metafunc.parametrize("members", cases, indirect=True, ids=[" ".join(case) for case in cases])


@pytest.fixture
def members(start_broker, tmp_path, request):
    family, protocol = request.param
    members = Members(start_broker(**BROKER_SETTINGS), family, protocol, tmp_path / "clients")
    yield members
    members.close()


def steps(members, chance, rounds):
    if not rounds:
        yield from in_turn(chance)
    for _ in range(rounds):
        yield chance.choice(possible(members))


@pytest.mark.limit(LIMIT_S)
def test_members_come_and_go_and_the_broker_is_killed(members, request):
    """Every record is consumed, all is committed in the end, no acknowledged commit is lost, nobody owns what another does."""
    rounds = ROUNDS or (FULL_ROUNDS if request.config.getoption("--full") else 0)
    chance = random.Random(f"{SEED} {members.group}")
    for _ in range(3):
        members.join()
    members.produce()
    members.wait_until_settled()
    for step in steps(members, chance, rounds):
        print(f"{time.strftime('%H:%M:%S')} {step.__name__}", flush=True)
        step(members, chance)
        members.witnesses.check_alive()
        time.sleep(chance.uniform(0, 1))
    members.wait_until_settled()
    members.witnesses.finish()
    counts = members.witnesses.check_histories()
    print(counts)
    assert counts["acknowledged"] > 500 and counts["commits"] > 20, counts
