"""A folder filled by Apache Kafka is opened as it is, gone on with, and opened by Apache Kafka again."""

import collections
import functools
import itertools
import re
import shutil

import pytest
from confluent_kafka.admin import AdminClient

from files import filling
from files.served import differences, partitions, served
from harness import broker as brokers
from harness import installed, topics
from harness.run import run
from harness.topics import DEADLINE_S
from harness.tools import run_tool

Filled = collections.namedtuple("Filled", "data served trouble")
WayBack = collections.namedtuple("WayBack", "expected found dumped killed")

# Words of Apache Kafka's log about files that are not as a clean stop leaves them.
_TROUBLE = re.compile(r"\] (WARN|ERROR|FATAL) |recover(ing|ed) |rebuil|corrupt|unflushed|stray|truncat|not a (valid|legal)", re.I)
# Who warns of a machine that is slow, or of a controller that comes after those who ask it, as may happen in one run and not in another.
_OF_TIME = re.compile(r"\b(NetworkClient|EventPerformanceMonitor|NodeToController\w*|BrokerLifecycleManager)\)$")
# What `ottla check` says of files that a compaction of the last moment left.
_OF_A_COMPACTION = re.compile(r"\.(deleted|cleaned|swap): ")


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """opened(kind, data): starts a broker on a copy of a folder."""
    mine = []

    def start(kind, data):
        broker = brokers.KINDS[kind](tmp_path_factory.mktemp("opened"), **filling.OVERRIDES)
        shutil.copytree(data, broker.data)
        mine.append(broker)
        broker.start()
        settle(broker)
        return broker

    yield start
    for broker in mine:
        if broker.running:
            broker.kill()
        assert not broker.log_problem(), broker.log_problem()


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A folder that Apache Kafka filled and cleanly stopped on, what it served of it, and the trouble it had with it."""
    kafka = brokers.make("kafka", tmp_path_factory.mktemp("kafka"), **filling.OVERRIDES)
    kafka.start()
    filling.first_life(kafka)
    kafka.stop()
    before = len(kafka.log_text())
    kafka.start()
    settle(kafka)
    own = trouble(kafka.log_text()[before:])
    filling.second_life(kafka, life=2)
    never_ended = filling.open_transaction(kafka, life=2)
    expected = served(kafka)
    kafka.stop()
    del never_ended
    return Filled(kafka.data, expected, own)


@pytest.fixture(scope="module")
def way_back(kind, clean, opened):
    """The folder gone on with by the broker under test, and what both served of it then; Apache Kafka was stopped by SIGKILL."""
    broker = opened(kind, clean.data)
    go_on(broker)
    expected = served(broker)
    dumped = dump(broker)
    broker.stop()
    dumped = {name: show() for name, show in dumped.items()}
    kafka = opened("kafka", broker.data)
    found = served(kafka)
    own = trouble(kafka.log_text())
    filling.second_life(kafka, life=3)
    killed = served(kafka)
    kafka.kill()
    return WayBack(expected, found, dumped, Filled(kafka.data, killed, own))


def settle(broker):
    """Waits until every partition answers: Apache Kafka tells of its new epoch a moment before it leads in it."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for topic, found in itertools.groupby(partitions(broker), lambda each: each.topic):
        topics.serve(client, topic, len(list(found)))


def trouble(log):
    """What a log says of trouble with files, without what differs from run to run."""
    lines = (line for line in log.splitlines() if _TROUBLE.search(line) and not _OF_TIME.search(line))
    same = [(r"partition=\S+", "partition=P"), (r"\S*/\S+", "PATH"), (r"recovered for \S+", "recovered for P"), (r"\d+", "N")]
    return {functools.reduce(lambda text, pair: re.sub(*pair, text), same, line.partition("] ")[2]) for line in lines}


def same(expected, found):
    lines = differences(expected, found)
    assert not lines, "\n".join(lines[:20])


def cluster_id(broker):
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    return client.describe_cluster().result(DEADLINE_S).cluster_id


def names(broker, topics_of):
    """The files of partitions after a stop, and the names of logs set aside, without what differs from run to run."""
    unique = re.compile(r"\.[0-9a-f]{32}-")
    ours = lambda name: name.startswith(topics_of)  # noqa: E731
    folders = [each for each in broker.data.iterdir() if each.is_dir() and ours(each.name)]
    found = {unique.sub(".*-", folder.name): sorted(file.name for file in folder.iterdir()) for folder in folders}
    # Apache Kafka opens stray logs too, and removes deleted ones after a minute.
    return {name: files if ".*-" not in name else [] for name, files in found.items() if not name.endswith("-delete")}


@pytest.mark.parametrize("stop", ["clean", "killed"])
def test_a_folder_of_kafkas_is_served_as_kafka_served_it(kind, clean, way_back, opened, stop):
    """Codecs, headers, nulls, times, transactions, compaction, deletion: each record, offset and epoch as before."""
    filled = {"clean": clean, "killed": way_back.killed}[stop]
    broker = opened(kind, filled.data)
    assert f"cluster.id={cluster_id(broker)}\n" in (filled.data / "meta.properties").read_text()
    same(filled.served, served(broker))
    broker.stop()


def go_on(broker):
    """Writes what either broker takes."""
    for topic in ["codecs", "stamped", "transactions", "compacted", "trimmed", "expired", "empty"]:
        filling.plain(broker, topic, 9, "gone on")
    filling.idempotent(broker, life=9)
    filling.codecs(broker, life=9)


def dump(broker):
    """kafka-dump-log over all segments, indexes and snapshots."""
    folders = [f"{each.topic}-{each.partition}" for each in partitions(broker)]
    named = lambda suffix: [file for folder in folders for file in sorted((broker.data / folder).glob(f"*{suffix}"))]  # noqa: E731
    run = lambda found, *how: run_tool("kafka-dump-log", "--files", ",".join(map(str, found)), *how).text  # noqa: E731
    return {
        "log": lambda: run(named(".log"), "--deep-iteration", "--print-data-log"),
        "index": lambda: run(named(".index") + named(".timeindex"), "--index-sanity-check"),
        "other": lambda: run(named(".snapshot") + named(".txnindex")),
    }


def test_kafka_goes_on_with_what_was_added_to_its_folder(clean, way_back):
    """Apache Kafka serves all of it, and its log tells of no trouble that its own folder did not cause."""
    same(way_back.expected, way_back.found)
    assert not way_back.killed.trouble - clean.trouble


def test_dump_log_reads_what_was_added(way_back):
    """kafka-dump-log finds every batch valid and every index sane, and reads the snapshots."""
    log, index, other = (way_back.dumped[name] for name in ["log", "index", "other"])
    assert "isvalid: false" not in log and "| offset: " in log
    assert "passed sanity check" in index and "fail" not in index.lower() and "mismatch" not in index.lower(), index
    assert "producerId: " in other


def copy(data, topic, kind, beside):
    """Copies the first segment's file of a kind, in the folder of a topic, to a name beside it."""
    folder = data / f"{topic}-0"
    first = sorted(folder.glob(f"*{kind}"))[0]
    shutil.copy(first, folder / f"{first.stem}{kind}{beside}")


def leave(data):
    """What a crash or an operator may leave in a folder."""
    for kind in [".log", ".index", ".timeindex"]:
        copy(data, "codecs", kind, ".deleted")  # a deletion that was not ended
        copy(data, "stamped", kind, ".cleaned")  # a compaction that was not ended
        copy(data, "trimmed", kind, ".swap")  # one that was about to put its segment in place
    (data / "idempotent-0" / f"{7:020d}.index").write_bytes(b"")  # an index without a log
    next((data / "idempotent-1").glob("*.timeindex")).unlink()
    next((data / "transactions-1").glob("*.index")).write_bytes(b"part of an entry")
    sorted((data / "transactions-0").glob("*.snapshot"))[-1].write_bytes(b"\0\1 no snapshot")
    id_of = "0123456789abcdef0123456789abcdef"
    for name in [f"codecs-0.{id_of}-delete", f"codecs-0.{id_of}-stray", "unknown-0"]:
        shutil.copytree(data / "codecs-0", data / name)
    (data / "stamped-0").rename(data / f"stamped-0.{id_of}-future")  # a move between log dirs that was not ended
    (data / "unknown-0" / "partition.metadata").write_text("version: 0\ntopic_id: AQEBAQEBAQEBAQEBAQEBAQ")


def test_leftovers_of_a_crash_are_dealt_with_as_kafka_deals_with_them(kind, way_back, opened, tmp_path):
    """Files ending in .deleted, .cleaned and .swap, indexes and snapshots missing or cut, folders to delete, strays, moves."""
    left = tmp_path / "left"
    shutil.copytree(way_back.killed.data, left)
    leave(left)
    topics_of = ("codecs", "stamped", "trimmed", "idempotent", "transactions", "unknown")
    found = []
    for each in ["kafka", kind]:
        broker = opened(each, left)
        same(way_back.killed.served, served(broker))
        broker.stop()
        found.append(names(broker, topics_of))
    kafkas, ours = found
    assert "unknown-0.*-stray" in kafkas
    assert differences(kafkas, ours) == []


def test_check_has_nothing_to_say_of_kafkas_folders(clean, way_back):
    """But for files that a compaction of the last moment left."""
    for filled in [clean, way_back.killed]:
        done = run([installed.ottla(), "check", filled.data], code=None)
        assert [line for line in done.lines if not _OF_A_COMPACTION.search(line)] == [], done
