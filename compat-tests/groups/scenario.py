"""Members of a group that come and go in every way there is: what can be done to them, and when they have settled."""

import time

from confluent_kafka.admin import AdminClient, NewPartitions

from checker.witnesses import Witnesses
from harness import topics
from harness.waiting import eventually

SESSION_S = 3
# Members of the consumer protocol have their session from the broker.
BROKER_SETTINGS = {
    "group_min_session_timeout_ms": 1000,
    "group_consumer_min_session_timeout_ms": 1000,
    "group_consumer_session_timeout_ms": SESSION_S * 1000,
}
PATIENCE_S = 60
PARTITIONS = 8
GROWTH = 2
RATE = 150


class Members:
    """The members of one family's group, who read what is produced meanwhile."""

    def __init__(self, cluster, family, protocol, folder, replicas=1):
        self.cluster, self.family, self.protocol = cluster, family, protocol
        self.group = f"{family}-{protocol}"
        topic = f"read-by-{self.group}"
        topics.create(cluster.bootstrap, topic, PARTITIONS, replicas)
        self.witnesses = Witnesses(cluster, topic, PARTITIONS, folder)
        self.frozen = []

    @property
    def all(self):
        """Those that are there, in the order in which they came."""
        return self.witnesses.groups.get(self.group, [])

    @property
    def awake(self):
        return [member for member in self.all if member not in self.frozen]

    # What can be done to them.

    def produce(self):
        self.witnesses.produce(rate=RATE)

    def join(self):
        return self.witnesses.join(self.group, self.family, self.protocol, SESSION_S)

    def leave(self, member):
        """One that has just been started does not listen yet."""
        eventually(lambda: member.look().began, f"{member.name} does not begin")
        member.ask_to_end()
        member.wait()
        self.witnesses.forget(member)

    def kill(self, member):
        member.kill()
        self.witnesses.forget(member)

    def freeze(self, member):
        self.frozen.append(member)
        member.freeze()

    def thaw(self, member):
        self.frozen.remove(member)
        member.thaw()

    def grow(self):
        """The topic has more partitions, and somebody who writes to them."""
        self.witnesses.partitions += GROWTH
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        topics.wait(admin.create_partitions([NewPartitions(self.witnesses.topic, self.witnesses.partitions)]))
        ends = lambda: topics.serve(admin, self.witnesses.topic, self.witnesses.partitions)  # noqa: E731
        ends()
        self.produce()
        # One that has just been started does not listen yet, and may be told to end soon.
        eventually(lambda: all(end.offset > 0 for end in ends().values()), "nobody writes to the new partitions")

    def close(self):
        for member in list(self.frozen):
            self.thaw(member)
        self.witnesses.kill()

    # What they have come to.

    def owned(self):
        return [member.look().owned for member in self.awake]

    def settled(self):
        """Each partition has one owner, nobody has two more than another, and all are of one generation."""
        owned = self.owned()
        keys = sorted(key for each in owned for key in each)
        everything = sorted(f"{self.witnesses.topic}-{number}" for number in range(self.witnesses.partitions))
        sizes = [len(each) for each in owned]
        return (
            keys == everything and max(sizes) - min(sizes) <= 1 and len({member.generation for member in self.awake}) == 1
        )

    def wait_until_settled(self):
        """Fails sooner when a member has ended."""

        def done():
            self.witnesses.check_alive()
            return self.settled()

        eventually(done, f"{self} have not settled", PATIENCE_S)

    def __str__(self):
        return str([(member.name, member.generation, sorted(member.owned)) for member in self.all])


# What chance may choose; each leaves the group with as many members as it had, or one more or less.


def kill_a_member(members, chance):
    members.kill(chance.choice(members.all))
    members.join()


def end_a_member(members, chance):
    members.leave(chance.choice(members.all))


def add_a_member(members, chance):
    members.join()


def hang_a_member(members, chance):
    """Longer than its session: it is another's partitions that it wakes up with."""
    member = chance.choice(members.all)
    members.freeze(member)
    time.sleep(SESSION_S + 1.5)
    members.thaw(member)


def grow_the_topic(members, chance):
    members.grow()


def kill_the_broker(members, chance):
    """Just after somebody came, so that the group is in the middle of a rebalance, or a little later."""
    members.join()
    time.sleep(chance.choice([0.3, 0.6, 1.0, 2.0]))
    members.cluster.kill()
    members.cluster.start()
    members.witnesses.note_committed(members.group)


EACH = [kill_a_member, end_a_member, add_a_member, hang_a_member, grow_the_topic, kill_the_broker]
FEWEST, MOST = 2, 6


def in_turn(chance):
    """Each of them once, in any order."""
    steps = list(EACH)
    chance.shuffle(steps)
    return steps


def possible(members):
    """So that there are always some members and never too many, and the topic does not grow without end."""
    count = len(members.all)
    steps = [kill_a_member, hang_a_member]
    if count > FEWEST:
        steps.append(end_a_member)
    if count < MOST:
        steps += [add_a_member, kill_the_broker]
    if members.witnesses.partitions < 4 * PARTITIONS:
        steps.append(grow_the_topic)
    return steps
