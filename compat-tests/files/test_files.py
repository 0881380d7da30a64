"""A folder filled by Apache Kafka is opened as it is, gone on with, and opened by Apache Kafka again."""

import itertools
import re
import shutil

import pytest
from confluent_kafka.admin import AdminClient

from files import filling
from files.served import differences, partitions, records, served
from harness import broker as brokers
from harness import topics
from harness.topics import DEADLINE_S
from harness.tools import run_tool

# Words of Apache Kafka's log about files that are not as a clean stop leaves them.
_TROUBLE = re.compile(r"\] (WARN|ERROR|FATAL) |recover(ing|ed) |rebuil|corrupt|unflushed|stray|truncat|not a (valid|legal)", re.I)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Two folders that Apache Kafka filled, one cleanly stopped and one killed, and what it served of each."""
    folder = tmp_path_factory.mktemp("filled")
    kafka = brokers.make("kafka", folder / "kafka", **filling.OVERRIDES)
    kafka.start()
    filling.first_life(kafka)
    kafka.restart()
    filling.second_life(kafka, life=2)
    never_ended = filling.open_transaction(kafka, life=2)
    clean = served(kafka)
    kafka.stop()
    shutil.copytree(kafka.data, folder / "clean")
    before = len(kafka.log_text())
    kafka.start()
    settle(kafka)
    own = trouble(kafka.log_text()[before:])
    filling.second_life(kafka, life=3)
    killed = served(kafka)
    kafka.kill()
    del never_ended
    return {"clean": (folder / "clean", clean), "killed": (kafka.data, killed), "own trouble": own}


@pytest.fixture
def opened(tmp_path, request):
    """opened(kind, data): starts a broker on a copy of a folder."""
    numbers = itertools.count()
    mine = []

    def start(kind, data):
        broker = brokers.KINDS[kind](tmp_path / f"opened-{next(numbers)}", **filling.OVERRIDES)
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


def settle(broker):
    """Waits until every partition answers: Apache Kafka tells of its new epoch a moment before it leads in it."""
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for topic, found in itertools.groupby(partitions(broker), lambda each: each.topic):
        topics.serve(client, topic, len(list(found)))


def trouble(log):
    """What a log says of trouble with files, without what differs from run to run."""
    lines = (line for line in log.splitlines() if _TROUBLE.search(line))
    return {re.sub(r"\d+", "N", re.sub(r"\S*/\S+", "PATH", line.partition("] ")[2])) for line in lines}


def same(expected, broker):
    found = differences(expected, served(broker))
    assert not found, "\n".join(found[:20])


def cluster_id(broker):
    client = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    return client.describe_cluster().result(DEADLINE_S).cluster_id


def files(broker):
    """The names in the folders of partitions, without what names a moment."""
    of_broker = ["__cluster_metadata", "__transaction_state"]
    folders = [each for each in broker.data.iterdir() if each.is_dir() and not each.name.startswith(tuple(of_broker))]
    unique = re.compile(r"\.[0-9a-f]{32}-")
    return sorted(f"{unique.sub('.*-', folder.name)}/{file.name}" for folder in folders for file in folder.iterdir())


@pytest.mark.parametrize("stop", ["clean", "killed"])
def test_a_folder_of_kafkas_is_served_as_kafka_served_it(kind, filled, opened, stop):
    """Codecs, headers, nulls, times, transactions, compaction, deletion: each record, offset and epoch as before."""
    data, expected = filled[stop]
    broker = opened(kind, data)
    assert f"cluster.id={cluster_id(broker)}\n" in (data / "meta.properties").read_text()
    same(expected, broker)


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


def test_kafka_goes_on_with_what_was_added_to_its_folder(kind, filled, opened):
    """The way back: Apache Kafka serves all of it, and its log tells of no trouble that its own folders do not cause."""
    data, _ = filled["clean"]
    broker = opened(kind, data)
    go_on(broker)
    expected = served(broker)
    show = dump(broker)
    broker.stop()
    log = show["log"]()
    assert "isvalid: false" not in log and "| offset: " in log
    index = show["index"]()
    assert "passed sanity check" in index and "fail" not in index.lower() and "mismatch" not in index.lower(), index
    assert "producerId: " in show["other"]()
    kafka = opened("kafka", broker.data)
    same(expected, kafka)
    assert trouble(kafka.log_text()) <= filled["own trouble"]
    filling.second_life(kafka, life=10)
    assert records(kafka, partitions(kafka), "read_committed")
    kafka.stop()
