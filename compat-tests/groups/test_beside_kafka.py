"""One script of what members do, against Apache Kafka and Ottla at once: what the groups come to, how soon, with how much read twice.

OTTLA_BESIDE_KAFKA_STEPS=50 makes a longer script (--full: 30) and has more protocols; OTTLA_MEMBERS_SEED is what decides.
"""

import os
import random
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from confluent_kafka.admin import AdminClient

from groups.scenario import BROKER_SETTINGS, PATIENCE_S, Members
from harness import broker as brokers
from harness.waiting import eventually

STEPS = int(os.environ.get("OTTLA_BESIDE_KAFKA_STEPS", "0"))
SEED = int(os.environ.get("OTTLA_MEMBERS_SEED", "1"))
FEW, FULL = 7, 30
FIRST, FEWEST, MOST, GROWTHS = 3, 2, 6, 2
# Heartbeats, of which each side has its own, decide much of the time that a step takes.
MOST_TIMES_KAFKA = 1.5
SLACK_S = 0.5
# By the classic protocol a member finds new partitions when it next asks for metadata, once a second (checker/families.py).
SLACK_OF_GROWTH_S = 1.5
# A machine that is busy for a moment holds up one side: what seems slow is done again, with what it needs before, so often.
REPEATS = 2
AGAIN = {
    "join": ["leave", "join"], "leave": ["join", "leave"], "kill": ["join", "kill"], "stop": ["stop", "wake"],
    "wake": ["stop", "wake"], "grow": ["grow"],
}  # fmt: skip


@dataclass
class Side:
    """A broker, the members that it has, and what was seen of them."""

    broker: brokers.Broker
    members: Members
    seconds: dict = field(default_factory=lambda: defaultdict(list))
    moved: int = 0
    _left: list = field(default_factory=list)
    _began: float = 0
    _owners: dict = field(default_factory=dict)

    def begin(self, step, number):
        """Does a step to the member of that number; a member that joins begins when its process says so."""
        self._began = time.monotonic()
        STEPS_BY_NAME[step](self, self.members.all[number])

    def settled_since(self):
        """When it settled, or nothing."""
        return max(member.since for member in self.members.awake) if self.members.settled() else None

    def note(self, step):
        """When the last of them had what it owns now; what went from one that is still there to another has moved."""
        newest = self.members.all[-1].began if step == "join" else self._began
        self.seconds[step].append(max(0.0, self.settled_since() - newest))
        owners = {key: member for member in self.members.awake for key in member.owned}
        self.moved += sum(self._owners.get(key) in self.members.awake and self._owners[key] is not owners[key] for key in owners)
        self._owners = owners
        while self._left:
            self._left.pop().wait()

    def leave(self, member):
        """Its process may take longer to end than the others need to hear of it."""
        member.ask_to_end()
        self.members.witnesses.forget(member)
        self._left.append(member)

    def state(self):
        """What the group is by what the broker says, and who has how much by what the members say."""
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap, "log_level": 0})
        (described,) = admin.describe_consumer_groups([self.members.group]).values()
        group = described.result(PATIENCE_S)
        assigned = sorted(len(member.assignment.topic_partitions) for member in group.members)
        return {
            "state": group.state.name, "type": group.type.name, "assignor": group.partition_assignor, "assigned": assigned,
            "owned": sorted(map(len, self.members.owned())),
        }  # fmt: skip

    @property
    def generation(self):
        return self.members.awake[0].generation


STEPS_BY_NAME = {
    "join": lambda side, member: side.members.join(),
    "leave": Side.leave,
    "kill": lambda side, member: side.members.kill(member),
    "stop": lambda side, member: side.members.freeze(member),
    "wake": lambda side, member: side.members.thaw(side.members.frozen[0]),
    "grow": lambda side, member: side.members.grow(),
}


def script(chance, steps):
    """Names of steps and the numbers of those that they meet; a group has as many members on both sides."""
    count, growths = FIRST, 0
    each = ["join", "kill", "stop", "leave", "grow"]
    chance.shuffle(each)
    for at in range(steps):
        possible = [name for name, can in {
            "join": count < MOST, "kill": count > FEWEST, "leave": count > FEWEST, "stop": True, "grow": growths < GROWTHS,
        }.items() if can]  # fmt: skip
        step = each[at] if at < len(each) and each[at] in possible else chance.choice(possible)
        yield step, chance.randrange(count)
        if step == "stop":
            yield "wake", 0
        count += {"join": 1, "kill": -1, "leave": -1}.get(step, 0)
        growths += step == "grow"


def pytest_generate_tests(metafunc):
    cases = [("librdkafka", "range"), ("librdkafka", "consumer")]
    if metafunc.config.getoption("--full") or STEPS:
        cases += [("librdkafka", "cooperative"), ("java", "range"), ("java", "cooperative"), ("java", "consumer")]
    metafunc.parametrize("sides", cases, indirect=True, ids=[" ".join(case) for case in cases])


@pytest.fixture
def sides(kind, request, tmp_path):
    if kind != "ottla":
        pytest.skip("both brokers are in it")
    family, protocol = request.param
    made = {}
    try:
        for name in ("ottla", "kafka"):
            broker = brokers.make(name, tmp_path / name, **BROKER_SETTINGS).start()
            made[name] = Side(broker, Members(broker, family, protocol, tmp_path / f"{name}-clients"))
        yield made
    finally:
        for side in made.values():
            side.members.close()
            side.broker.stop()


def both(sides, action):
    return {name: action(side) for name, side in sides.items()}


def same(states):
    return states["ottla"] == states["kafka"]


def settle(sides):
    """Nobody is settled who has lost a partition to a member that came or whom a member has left, so this waits for the step."""
    for side in sides.values():
        side.members.witnesses.check_alive()
    waited = lambda: all(side.settled_since() for side in sides.values())  # noqa: E731
    eventually(waited, f"not settled: {both(sides, lambda side: str(side.members))}", PATIENCE_S)


def do(sides, step, number):
    """A step on both sides, after which they are the same."""
    both(sides, lambda side: side.begin(step, number))
    settle(sides)
    both(sides, lambda side: side.note(step))
    print(step, {name: f"{side.seconds[step][-1]:.2f} s, generation {side.generation}" for name, side in sides.items()})
    eventually(lambda: same(both(sides, Side.state)), f"not the same after {step}: {both(sides, Side.state)}", PATIENCE_S)


def slow(sides):
    """The steps that take Ottla much longer."""
    most = lambda step, theirs: MOST_TIMES_KAFKA * theirs + (SLACK_OF_GROWTH_S if step == "grow" else SLACK_S)  # noqa: E731
    times = {step: [statistics.median(sides[name].seconds[step]) for name in ("ottla", "kafka")] for step in sides["kafka"].seconds}
    return [step for step, (ours, theirs) in times.items() if ours > most(step, theirs)]


@pytest.mark.limit(300 + 15 * max(STEPS, FULL))
def test_groups_come_to_the_same_as_soon_as_on_apache_kafka(sides, request):
    """After each step the same state, members and shares; no more generations, and not much later."""
    length = STEPS or (FULL if request.config.getoption("--full") else FEW)
    for side in sides.values():
        for _ in range(FIRST):
            side.members.join()
        side.members.produce()
    settle(sides)
    first = both(sides, lambda side: side.generation)
    for step, number in script(random.Random(SEED), length):
        do(sides, step, number)
    for _ in range(REPEATS):
        for slow_one in slow(sides):
            for step in AGAIN[slow_one]:
                do(sides, step, 0)
    both(sides, lambda side: side.members.witnesses.finish())
    repeated = both(sides, lambda side: side.members.witnesses.check_histories()["repeated"])
    report(sides, first, repeated)


def report(sides, first, repeated):
    """Prints what there was, and fails where Ottla takes much longer."""
    ottla, kafka = sides["ottla"], sides["kafka"]
    print(f"{'step':8} {'times':>5} {'Ottla s':>8} {'Kafka s':>8} {'ratio':>6}")
    for step in kafka.seconds:
        ours, theirs = (statistics.median(side.seconds[step]) for side in (ottla, kafka))
        print(f"{step:8} {len(kafka.seconds[step]):5} {ours:8.2f} {theirs:8.2f} {ours / max(theirs, 0.01):6.2f}")
    generations = {name: side.generation - first[name] for name, side in sides.items()}
    print(f"generations {generations}, partitions moved {both(sides, lambda side: side.moved)}, read twice {repeated}")
    assert not slow(sides), f"much slower than Apache Kafka: {slow(sides)}"
    assert generations["ottla"] <= 1.5 * generations["kafka"], generations
