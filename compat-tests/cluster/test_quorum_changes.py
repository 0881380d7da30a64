"""The quorum of controllers changes while the cluster serves: Kafka's own tool adds and removes voters (KIP-853)."""

import base64
import contextlib
import os
import random
import re
import shutil
import threading
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness import background, ports, topics, wire
from harness import broker as brokers
from harness import cluster as clusters
from harness.cluster import SETTINGS, Nodes
from harness.tools import run_tool, table
from harness.waiting import eventually

pytestmark = pytest.mark.limit(400)

TOPIC = "kept"
# OTTLA_QUORUM_CHANGE_SEEDS=50 goes through so many histories, each of OTTLA_QUORUM_CHANGE_STEPS steps, from OTTLA_QUORUM_CHANGE_SEED on.
STEPS = int(os.environ.get("OTTLA_QUORUM_CHANGE_STEPS", "6"))
FIRST_SEED = int(os.environ.get("OTTLA_QUORUM_CHANGE_SEED", "1"))
SEEDS = range(FIRST_SEED, FIRST_SEED + int(os.environ.get("OTTLA_QUORUM_CHANGE_SEEDS", "2")))
PARTITIONS = 3
_LOG = "__cluster_metadata-0"


class Growing(Nodes):
    """Combined nodes of Ottla, of which the first is the only voter; the others follow it until they are made voters."""

    def __init__(self, folder, count, **overrides):
        super().__init__(folder)
        listeners = [ports.free_ports(2) for _ in range(count)]
        servers = ",".join(f"127.0.0.1:{controller}" for _, controller in listeners)
        for number, pair in enumerate(listeners, 1):
            kind = type("Ottla", (brokers.Ottla,), {"given_ports": pair})
            own = {"node_id": number, "controller_quorum_bootstrap_servers": servers}
            node = kind(folder / f"node-{number}", **{**SETTINGS, **own, **overrides})
            node.cluster_id = self.cluster_id
            node.format_flags = ("--standalone",) if number == 1 else ("--no-initial-controllers",)
            node.format()
            self.nodes[number] = node

    def start(self, *numbers):
        for number in numbers or self.nodes:
            self.nodes[number].start()
        return self

    def __getitem__(self, number):
        return self.nodes[number]

    def some(self):
        return next(node for node in self.all() if node.running)

    def directory(self, number):
        return directory_of(self.nodes[number])

    def _by(self, controller):
        where = self.some()
        if controller:
            return ["--bootstrap-controller", f"127.0.0.1:{where.controller_port}"]
        return ["--bootstrap-server", self.bootstrap]

    def add(self, number, code=0, controller=False):
        """kafka-metadata-quorum add-controller, which reads the new voter's config and folder."""
        config = ["--command-config", self.nodes[number].config_file]
        return run_tool("kafka-metadata-quorum", *self._by(controller), *config, "add-controller", code=code)

    def remove(self, number, directory=None, code=0, controller=False):
        directory = directory or self.directory(number)
        what = ["remove-controller", "--controller-id", number, "--controller-directory-id", directory]
        return run_tool("kafka-metadata-quorum", *self._by(controller), *what, code=code)

    def status(self, controller=False):
        """What kafka-metadata-quorum says: the leader, the voters and the observers by id with their directories."""
        done = run_tool("kafka-metadata-quorum", *self._by(controller), "describe", "--status")
        leader = int(re.search(r"^LeaderId:\s+(-?\d+)$", done.out, re.M)[1])

        def listed(name):
            line = re.search(rf"^{name}:\s+(.*)$", done.out, re.M)[1]
            return {int(n): d for n, d in re.findall(r'"id": (\d+), "directoryId": "([^"]*)"', line)}

        return leader, listed("CurrentVoters"), listed("CurrentObservers")

    def voters(self):
        return self.status()[1]

    def until_voters(self, *numbers):
        """Waits until these vote, each with the disk that it has."""
        wanted = {number: self.directory(number) for number in numbers}
        eventually(lambda: self.voters() == wanted, f"the voters are not {wanted}")

    def until_caught_up(self):
        """Waits until every voter has the metadata log to its end."""

        def lags():
            done = run_tool("kafka-metadata-quorum", *self._by(False), "describe", "--replication")
            return [int(row["Lag"]) for row in table(done.out) if row["Status"] in ("Leader", "Follower")]

        eventually(lambda: max(lags()) < 5, "a voter lags behind")

    def wipe(self, number):
        """A new disk in place of the old one."""
        node = self.nodes[number]
        shutil.rmtree(node.data)
        node.format_flags = ("--no-initial-controllers",)
        node.format()

    def close(self):
        # Alone a node cannot take its leave: who is stopped last is killed.
        for node in [node for node in self.all() if node.running]:
            node.kill()
        super().close()


class Apart(clusters.Cluster, Growing):
    """Three controllers, of which the first is the only voter, and brokers of Ottla and of Apache Kafka."""

    def __init__(self, folder):
        Nodes.__init__(self, folder)
        listeners = {number: ports.free_ports(2) for number in (1, 2, 3)}
        servers = ",".join(f"127.0.0.1:{controller}" for _, controller in listeners.values())
        found = {"controller_quorum_bootstrap_servers": servers}
        for number, pair in listeners.items():
            flags = "--standalone" if number == 1 else "--no-initial-controllers"
            kind = type("Ottla", (brokers.Ottla,), {"given_ports": pair, "format_flags": (flags,)})
            self.nodes[number] = self._make(clusters.controller_of(kind), number, found, role="controller")
        for number, kind in ((11, "ottla"), (12, "ottla"), (13, "kafka")):
            self.nodes[number] = self._make(brokers.KINDS[kind], number, found, role="broker", quorum=servers)

    @property
    def bootstrap(self):
        return ",".join(self.nodes[number].bootstrap for number in (11, 12, 13))

    def serving(self):
        return {number: address for number, address in super().serving().items() if number > 10}

    def all(self):
        return [*self.nodes.values()]

    def start(self, *numbers):
        return Growing.start(self, *numbers)

    def close(self):
        Growing.close(self)


@pytest.fixture
def make(tmp_path):
    mine = []

    def make(count=3, **overrides):
        mine.append(Growing(tmp_path / f"cluster-{len(mine)}", count, **overrides))
        return mine[-1]

    yield make
    for each in mine:
        each.close()


def directory_of(node):
    """The id of a node's disk."""
    return re.search(r"^directory.id=(.*)$", (node.data / "meta.properties").read_text(), re.M)[1]


class Load:
    """Records that all replicas have, numbered in each partition."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.sent = [0] * PARTITIONS
        self.problems = []

    def __call__(self, stop):
        producer = Producer({
            "bootstrap.servers": self.bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
            "delivery.timeout.ms": 120_000, "log_level": 0,
        })  # fmt: skip
        while not stop.wait(0.005):
            for partition in range(PARTITIONS):
                value = str(self.sent[partition])
                producer.produce(TOPIC, value, partition=partition, on_delivery=self._delivered)
                self.sent[partition] += 1
            producer.poll(0)
        left = producer.flush(120)
        if left:
            self.problems.append(f"{left} records were not delivered")

    def _delivered(self, error, _message):
        if error:
            self.problems.append(str(error))

    def check(self):
        """Each record is there once, in its place."""
        assert not self.problems, self.problems[:5]
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "check", "enable.auto.commit": False})
        try:
            for partition, count in enumerate(self.sent):
                consumer.assign([TopicPartition(TOPIC, partition, 0)])
                read = []
                while len(read) < count:
                    message = consumer.poll(30)
                    assert message is not None and not message.error(), (partition, len(read), count)
                    read.append(int(message.value()))
                assert read == list(range(count)), partition
        finally:
            consumer.close()
        assert min(self.sent) > 100, self.sent


def only_in_full(request):
    if not request.config.getoption("--full"):
        pytest.skip("it takes long: --full")


def in_sync(cluster):
    cluster.in_sync(TOPIC)


def topic(cluster):
    cluster.all_there()
    topics.create(cluster.bootstrap, TOPIC, PARTITIONS, 3)


def quorum_records(node):
    """What a node's metadata log says of the quorum by kafka-dump-log, by offsets."""
    segments = sorted((node.data / _LOG).glob("*.log"))
    text = "".join(
        run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", segment).out for segment in segments
    )
    found = re.findall(r"^\| offset: (\d+) .*(KRaftVoters|KRaftVersion|LeaderChange)(.*)$", text, re.M)
    assert found, text[:2000]
    return {int(offset): (kind, value) for offset, kind, value in found}


def same_story(nodes):
    """What the logs of nodes say of the quorum, each from where it begins: all of it."""
    stories = [quorum_records(node) for node in nodes]
    first, last = max(min(story) for story in stories), min(max(story) for story in stories)
    common = [{at: each for at, each in story.items() if first <= at <= last} for story in stories]
    assert all(each == common[0] for each in common), common
    assert len(common[0]) >= 3, common[0]
    return max(stories, key=len)


def last_snapshot(node):
    """The voters that the latest snapshot of a node names."""
    path = max((node.data / _LOG).glob("*.checkpoint"))
    text = run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", path).out
    assert text.count("KRaftVersion {") == 1, text[:2000]
    (voters,) = re.findall(r"KRaftVoters (.*)$", text, re.M)
    return re.findall(r'"voterId":(\d+)', voters)


def voter_sets(story):
    return [re.findall(r'"voterId":(\d+)', value) for kind, value in story.values() if kind == "KRaftVoters"]


def test_one_grows_to_three_under_load_and_each_may_die(make):
    """Nothing acknowledged is lost, and all controllers tell the same story."""
    cluster = make(metadata_log_max_record_bytes_between_snapshots=1500).start()
    topic(cluster)
    assert list(cluster.voters()) == [1]
    load = Load(cluster.bootstrap)
    with background.running(load):
        for number in (2, 3):
            assert f"Added controller {number}" in cluster.add(number).out
        cluster.until_voters(1, 2, 3)
        in_sync(cluster)
        for number in (1, 2, 3):
            cluster[number].kill()
            eventually(lambda number=number: cluster.status()[0] not in (number, -1), "nobody else leads")
            topics.alter(cluster.some().bootstrap, TOPIC, retention_ms=10_000_000 + number)
            cluster[number].start()
            in_sync(cluster)
            cluster.until_caught_up()
    load.check()
    assert cluster.status(controller=True)[1].keys() == {1, 2, 3}
    for node in cluster.all():
        node.kill()
    assert voter_sets(same_story(cluster.all())) == [["1"], ["1", "2"], ["1", "2", "3"]]
    assert [last_snapshot(node) for node in cluster.all()] == [["1", "2", "3"]] * 3


def test_the_leader_is_removed_and_the_quorum_shrinks_to_one(make):
    """Whoever is removed follows and does not lead again; the last voter stays."""
    cluster = make().start()
    topic(cluster)
    for number in (2, 3):
        cluster.add(number, controller=number == 3)
    load = Load(cluster.bootstrap)
    with background.running(load):
        first, _, _ = cluster.status()
        cluster.remove(first)
        second, voters, _ = cluster.status()
        left = {1, 2, 3} - {first}
        assert second in left and voters.keys() == left
        eventually(lambda: first in cluster.status()[2], "who was removed does not follow")
        cluster[first].kill()
        cluster[first].start()
        eventually(lambda: first in cluster.status()[2], "it does not follow after a restart")
        cluster.remove(second, controller=True)
        (last,) = left - {second}
        leader, voters, observers = cluster.status()
        assert leader == last and list(voters) == [last]
        eventually(lambda: {first, second} <= cluster.status()[2].keys(), "not all that were removed follow")
        in_sync(cluster)
    load.check()
    refused = cluster.remove(last, code=1)
    assert "VoterNotFoundException" in refused.text or "VOTER_NOT_FOUND" in refused.text, refused
    # The last decides alone, and after it was gone too.
    for number in (first, second):
        cluster[number].kill()
    topics.alter(cluster[last].bootstrap, TOPIC, retention_ms=20_000_000)
    cluster[last].kill()
    cluster.start(last)
    assert cluster.status()[0] == last
    # A voter again, with the log that it has.
    cluster.start(first)
    cluster.add(first)
    cluster.until_voters(*sorted((first, last)))


def test_what_cannot_be_done_is_refused(make):
    """In Kafka's words, and without a change."""
    cluster = make(2).start()
    eventually(lambda: 2 in cluster.status()[2], "the second does not follow")
    duplicate = cluster.add(1, code=1)
    assert "DuplicateVoterException" in duplicate.text and "is already part of the set of voters" in duplicate.text
    wrong = cluster.remove(1, directory=cluster.directory(2), code=1)
    assert "VoterNotFoundException" in wrong.text and "Cannot remove voter" in wrong.text
    unknown = cluster.remove(2, code=1)
    assert "VoterNotFoundException" in unknown.text
    cluster[2].kill()
    unreachable = cluster.add(2, code=1)
    assert "TimeoutException" in unreachable.text, unreachable
    assert list(cluster.voters()) == [1]
    cluster.start(2)
    cluster.add(2)
    cluster.until_voters(1, 2)


def test_a_dead_voter_is_removed_and_a_wiped_disk_replaced(make):
    """A voter whose disk is lost does not count until it is added anew."""
    cluster = make().start()
    topic(cluster)
    for number in (2, 3):
        cluster.add(number)
    load = Load(cluster.bootstrap)
    with background.running(load):
        old = cluster.directory(3)
        cluster[3].kill()
        cluster.wipe(3)
        cluster.start(3)
        eventually(lambda: cluster.status()[2].get(3) == cluster.directory(3), "the new disk does not follow")
        assert cluster.voters()[3] == old
        assert "DuplicateVoterException" in cluster.add(3, code=1).text, "the old one goes first"
        cluster.remove(3, directory=old)
        cluster.add(3)
        cluster.until_voters(1, 2, 3)
        cluster[2].kill()
        cluster.remove(2)
        cluster.until_voters(1, 3)
        cluster.start(2)
        eventually(lambda: 2 in cluster.status()[2], "who was removed while dead does not follow")
        in_sync(cluster)
    load.check()


def test_controllers_join_by_themselves(make):
    """controller.quorum.auto.join.enable: one after the other, and in place of a disk that was lost."""
    cluster = make(3, controller_quorum_auto_join_enable="true").start()
    cluster.until_voters(1, 2, 3)
    cluster[2].kill()
    cluster.wipe(2)
    cluster.start(2)
    cluster.until_voters(1, 2, 3)
    cluster[1].kill()
    eventually(lambda: cluster.status()[0] in (2, 3), "nobody leads")


def test_brokers_follow_wherever_the_voters_are(tmp_path, request):
    """Controllers apart from brokers: the first of them is replaced by the others, while brokers of both kinds serve."""
    only_in_full(request)
    cluster = Apart(tmp_path)
    try:
        cluster.start()
        topics.create(cluster.bootstrap, TOPIC, PARTITIONS, 3)
        load = Load(cluster.bootstrap)
        with background.running(load):
            cluster.add(2)
            cluster.add(3, controller=True)
            assert cluster.status(controller=True)[1].keys() == {1, 2, 3}
            cluster.remove(1)
            cluster[1].kill()
            leader, voters, _ = cluster.status()
            assert leader in (2, 3) and voters.keys() == {2, 3}
            # Each is known to the new leader when it has come there.
            eventually(lambda: cluster.status()[2].keys() >= {11, 12, 13}, "not all brokers follow the new leader")
            topics.create(cluster[13].bootstrap, "made-after", 2, 3)
            in_sync(cluster)
            # Who comes anew finds them too.
            for number in (12, 13):
                cluster[number].kill()
                cluster.start(number)
                in_sync(cluster)
        load.check()
        topics.create(cluster[12].bootstrap, "made-at-last", 2, 3)
    finally:
        cluster.close()


def test_a_voter_that_listens_elsewhere_says_so(make):
    """Its new address is in the log, and the others reach it there."""
    cluster = make(3, controller_quorum_auto_join_enable="true").start()
    cluster.until_voters(1, 2, 3)
    node = cluster[3]
    node.kill()
    old, (new,) = node.controller_port, ports.free_ports(1)
    listening = f"CONTROLLER://127.0.0.1:{old}"
    node.config_file.write_text(node.config_file.read_text().replace(listening, f"CONTROLLER://127.0.0.1:{new}"))
    node.controller_port = new
    cluster.start(3)

    def told():
        done = run_tool("kafka-metadata-quorum", "--bootstrap-server", cluster.bootstrap, "describe", "--status")
        return f"127.0.0.1:{new}" in re.search(r"^CurrentVoters:.*$", done.out, re.M)[0]

    eventually(told, "the voters do not tell of the new address")
    cluster[1].kill()
    eventually(lambda: cluster.status()[0] in (2, 3), "the two that are left do not agree")
    # The new topic might be on a broker that is gone, were it not known to be.
    eventually(lambda: topics.brokers(cluster[2].bootstrap) == {2, 3}, "the one that was killed is there still")
    topics.create(cluster[2].bootstrap, "after", 1)


@pytest.mark.parametrize("milliseconds", [0, 3, 10, 30, 100])
def test_a_kill_in_the_middle_of_a_change_leaves_a_quorum(make, milliseconds):
    """The leader that was alone, then the node that joins, is killed so long after the change was asked for."""
    cluster = make(3).start()
    topic(cluster)
    load = Load(cluster.bootstrap)
    with background.running(load):
        for joining, victim in ((2, 1), (3, 3)):
            eventually(lambda joining=joining: joining in cluster.status()[2], "it does not follow")
            asked = threading.Thread(target=ask_for, args=(cluster[cluster.status()[0]], cluster[joining], joining))
            asked.start()
            time.sleep(milliseconds / 1000)
            cluster[victim].kill()
            cluster.start(victim)
            asked.join()
            eventually(lambda: cluster.status()[0] > 0, "nobody leads")
            in_sync(cluster)
            _, voters, _ = eventually(lambda joining=joining: knows(cluster.status(), joining), "it does not follow")
            if joining not in voters:
                cluster.add(joining)
        cluster.until_voters(1, 2, 3)
        cluster.until_caught_up()
    load.check()


def knows(status, number):
    """The status, if the node votes or follows."""
    return status if number in status[1] or number in status[2] else None


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_and_kills_in_any_order(make, seed, request):
    """Voters are added and removed, the leader too, while nodes are killed; what is refused meanwhile is asked again or not."""
    only_in_full(request)
    random_ = random.Random(seed)
    cluster = make(4).start()
    topic(cluster)
    load, done = Load(cluster.bootstrap), []
    with background.running(load):
        for _ in range(STEPS):
            leader, voters, observers = cluster.status()
            others = sorted(observers.keys() - voters.keys())
            step, number = random_.choice(
                [("add", other) for other in others] * 2
                + [("remove", voter) for voter in voters if len(voters) > 1]
                + [("kill", node) for node in cluster.nodes]
            )
            done.append((step, number, leader, sorted(voters)))
            print(done[-1], flush=True)
            change = threading.Thread(target=getattr(cluster, step, None), args=(number,), kwargs={"code": None})
            if step != "kill":
                change.start()
                time.sleep(random_.choice([0.1, 0.4, 0.45, 0.5, 0.6, 2]))
            if step == "kill" or random_.random() < 0.6:
                victim = number if step == "kill" else random_.choice([number, leader, 1, 2, 3, 4])
                cluster[victim].kill()
                done.append(("killed", victim))
                time.sleep(random_.choice([0, 0.2, 1.5]))
                cluster.start(victim)
            if step != "kill":
                change.join()
            eventually(lambda: cluster.status()[0] > 0, f"nobody leads after {done}")
            in_sync(cluster)
    load.check()
    for number in cluster.nodes:
        if number not in cluster.voters():
            eventually(lambda number=number: number in cluster.status()[2], f"it does not follow after {done}")
            cluster.add(number)
    cluster.until_voters(*cluster.nodes)
    cluster.until_caught_up()
    for node in cluster.all():
        node.kill()
    same_story(cluster.all())


def ask_for(leader, node, joining):
    """Asks the active controller, without the second that a tool takes; it may be killed meanwhile."""
    directory = base64.urlsafe_b64decode(directory_of(node) + "==")
    with contextlib.suppress(OSError):
        wire.add_raft_voter(leader.controller_port, joining, directory, node.controller_port)
