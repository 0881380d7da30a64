"""Damaged files: what Ottla does at the start, and what `ottla check` says of folders of either broker."""

import json
import shutil
import urllib.request

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from files import filling
from files.filling import admin, producer
from harness import broker as brokers
from harness import installed, ports, topics, wire
from harness.run import run
from harness.tools import json_lines, run_tool

_CORRUPT_MESSAGE = 2
_KAFKA_STORAGE_ERROR = 56
_NOT_SERVED = "stays as it is and is not served"


def check(folder, code):
    done = run([installed.ottla(), "check", "--json", folder], code=code)
    return [json.loads(line) for line in done.lines]


@pytest.fixture
def ottla(tmp_path):
    """An Ottla on a folder of its own; what it does here is not Apache Kafka's way."""
    broker = brokers.make("ottla", tmp_path / "ottla")
    yield broker
    if broker.running:
        broker.kill()
    assert not broker.log_problem(), broker.log_problem()


def metrics(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def produced(broker, topic):
    """The error code of a record sent once, 0 if it was taken."""
    outcomes = []
    sender = producer(broker, retries=0)
    sender.produce(topic, b"value", on_delivery=lambda error, _: outcomes.append(error.code() if error else 0))
    filling.flush(sender)
    return outcomes


_MAGIC = 16
_VALUE = 80


def damage(broker, topic, position):
    """Flips a bit of a flushed batch and takes away the mark of a clean stop, as a crash after a restart does."""
    log = broker.partition_folder(topic) / f"{0:020d}.log"
    content = bytearray(log.read_bytes())
    content[position] ^= 1
    log.write_bytes(content)
    (broker.data / ".kafka_cleanshutdown").unlink(missing_ok=True)
    return bytes(content)


def test_a_damaged_partition_is_offline_and_the_others_are_served(ottla, monkeypatch):
    """Produce, Fetch and ListOffsets answer KAFKA_STORAGE_ERROR; log dirs and metrics show it; nothing is cut, ever."""
    (port,) = ports.free_ports(1)
    monkeypatch.setenv("OTTLA_HTTP", f"127.0.0.1:{port}")
    ottla.start()
    for topic in ["bad", "good"]:
        topics.create(ottla.bootstrap, topic)
        filling.plain(ottla, topic, 9, topic)
    ottla.stop()
    content = damage(ottla, "bad", _MAGIC)
    # What the index says of the batch is told too.
    finding, *_ = check(ottla.data, code=1)
    assert (finding["path"], finding["position"], finding["offset"]) == (f"bad-0/{0:020d}.log", 0, 0)
    assert finding["atStart"] == _NOT_SERVED
    for _ in range(2):  # also after a clean stop with the damage in place
        ottla.start()
        assert produced(ottla, "bad") == [_KAFKA_STORAGE_ERROR]
        assert "bad-0" in next(line for line in ottla.log_text().splitlines() if "position 0" in line)
        assert produced(ottla, "good") == [0]
        assert wire.fetch_error(ottla.port, "bad") == _KAFKA_STORAGE_ERROR
        assert wire.fetch_error(ottla.port, "good") == 0
        described = run_tool("kafka-log-dirs", "--bootstrap-server", ottla.bootstrap, "--describe", "--topic-list", "bad,good")
        (dirs,) = json_lines(described.out)
        lags = {each["partition"]: each["offsetLag"] for each in dirs["brokers"][0]["logDirs"][0]["partitions"]}
        assert lags == {"bad-0": -1, "good-0": 0}
        assert metrics(f"127.0.0.1:{port}")["ottla_offline_partitions"] == "1"
        ottla.stop()
        assert (ottla.partition_folder("bad") / f"{0:020d}.log").read_bytes() == content
    # Its deletion is served, and the name is free again.
    ottla.start()
    client = admin(ottla)
    topics.wait(client.delete_topics(["bad"]))
    topics.create(ottla.bootstrap, "bad")
    assert produced(ottla, "bad") == [0]
    ends = topics.wait(client.list_offsets({TopicPartition("bad", 0): OffsetSpec.latest()}))
    assert [end.offset for end in ends.values()] == [1]
    ottla.stop()
    (finding,) = check(ottla.data, code=1)
    assert finding["path"].startswith("bad-0.") and finding["atStart"] == "is removed"


def test_damaged_bytes_are_not_served(ottla):
    """Where the start does not look: a fetch of them is refused, and what else the partition does goes on."""
    ottla.start()
    topics.create(ottla.bootstrap, "bad")
    filling.plain(ottla, "bad", 9, "bad")
    ottla.stop()
    content = damage(ottla, "bad", _VALUE)
    (finding,) = check(ottla.data, code=1)
    assert (finding["position"], finding["atStart"]) == (0, _NOT_SERVED)
    ottla.start()
    assert wire.fetch_error(ottla.port, "bad") == _CORRUPT_MESSAGE
    assert "bad-0" in next(line for line in ottla.log_text().splitlines() if "position 0" in line)
    assert produced(ottla, "bad") == [0]
    ottla.stop()
    log = (ottla.partition_folder("bad") / f"{0:020d}.log").read_bytes()
    assert log.startswith(content)


def test_check_changes_nothing_and_keeps_off_a_broker_that_runs(ottla, tmp_path):
    """Exit code 2 while the broker runs or where there is no log dir; 0 and not a byte changed when it has stopped."""
    ottla.start()
    topics.create(ottla.bootstrap, "topic")
    filling.plain(ottla, "topic", 9, "text")
    assert check(ottla.data, code=2) == []
    assert check(tmp_path / "nowhere", code=2) == []
    ottla.stop()
    before = tmp_path / "before"
    shutil.copytree(ottla.data, before)
    assert check(ottla.data, code=0) == []
    run(["diff", "-r", before, ottla.data])
