"""Snapshots of the metadata: written when they are due, read by Kafka's tools and brokers, and by Ottla after a restart."""

import json
import re
import time

import pytest

from harness import wire
from harness.broker import Kafka
from harness.run import run
from harness.tools import command, run_tool
from harness.waiting import eventually

pytestmark = pytest.mark.limit(240)

_FOLDER = "__cluster_metadata-0"
_POSITION_OUT_OF_RANGE = 99
_SNAPSHOT_NOT_FOUND = 98


def snapshots(node):
    """The snapshots beside a node's metadata log, the latest last; what the cluster was formatted with is not one."""
    found = (node.data / _FOLDER).glob("*.checkpoint")
    return sorted(path for path in found if not path.name.startswith(f"{0:020}-"))


class Takeover(Kafka):
    """Apache Kafka on the folder, config and ports of another node."""

    def __init__(self, folder, other):
        super().__init__(folder)
        self.port, self.controller_port = other.port, other.controller_port
        self.bootstrap, self.data, self.config_file = other.bootstrap, other.data, other.config_file

    def _is_ready(self):
        return wire.broker_count(self.port, timeout_s=5) >= 1


@pytest.fixture(scope="module")
def cluster(make_cluster):
    """Each few topics make a snapshot due; there is one broker of Kafka's from the start."""
    cluster = make_cluster([2], **{"metadata_log_max_record_bytes_between_snapshots": 6_000})
    tools = cluster.tools(1)
    for number in range(40):
        tools.create(f"before-{number}", 2, retention_ms=1_000_000 + number)
    eventually(lambda: len(snapshots(cluster[1])) > 1, "no snapshots were written")
    return cluster


def decoded(path):
    """The records by kafka-dump-log, with the head and the end of a snapshot."""
    done = run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", path)
    assert "isvalid: true" in done.out and "isvalid: false" not in done.out
    return done.out


def test_dump_log_reads_a_snapshot(cluster):
    """Header, voters and footer are there, and all the metadata."""
    text = decoded(snapshots(cluster[1])[-1])
    kinds = re.findall(r"endTxnMarker|SnapshotHeader|SnapshotFooter|KRaftVersion|KRaftVoters", text)
    assert kinds[0] == "SnapshotHeader" and kinds[-1] == "SnapshotFooter"
    assert {"KRaftVersion", "KRaftVoters"} <= set(kinds)
    records = [json.loads(each) for each in re.findall(r"payload: ({.*})$", text, re.M)]
    named = {record["data"]["name"] for record in records if record["type"] == "TOPIC_RECORD"}
    assert {f"before-{number}" for number in range(10)} <= named
    types = {record["type"] for record in records}
    assert {"REGISTER_BROKER_RECORD", "REGISTER_CONTROLLER_RECORD", "PARTITION_RECORD", "CONFIG_RECORD"} <= types


def test_metadata_shell_reads_a_snapshot(cluster, tmp_path):
    """kafka-metadata-shell shows brokers and topics of it; it wants a folder that no broker uses."""
    latest = snapshots(cluster[1])[-1]
    path = tmp_path / _FOLDER / latest.name
    path.parent.mkdir()
    path.write_bytes(latest.read_bytes())
    shell = command("kafka-metadata-shell", "--snapshot", path, "ls", "/image/topics/byName", "/image/cluster")
    shown = lambda: set(re.findall(r"[\w-]+", run(shell).out))  # noqa: E731
    # It may look before it has read all of the file.
    wanted = {"before-0", "before-9", "brokers", "controllers"}
    eventually(lambda: wanted <= shown(), f"the shell does not show {wanted}")


def test_a_new_broker_begins_with_a_snapshot(cluster):
    """It gets the latest, byte for byte, and serves as the others do."""
    latest = snapshots(cluster[1])[-1]
    cluster.add(3)
    (copied,) = snapshots(cluster[3])[:1]
    assert copied.name >= latest.name
    assert copied.read_bytes() == (cluster[1].data / _FOLDER / copied.name).read_bytes()
    everyone = {1: "unfenced", 2: "unfenced", 3: "unfenced"}
    eventually(lambda: cluster.endpoints(3) == everyone, "it does not see all as unfenced")
    assert set(cluster.tools(3).topics("--list").lines) >= {f"before-{number}" for number in range(40)}
    topic = cluster.create("on-the-new-one", "3")
    cluster.tools(3).produce(topic, ["one", "two"])
    assert cluster.tools(2).consume(topic, 2) == ["one", "two"]


def test_snapshots_are_fetched_in_pieces(cluster):
    """Whatever the position; at the end there is nothing to fetch."""
    path = snapshots(cluster[1])[-1]
    end_offset, epoch = (int(part) for part in path.stem.split("-"))
    content = path.read_bytes()
    port = cluster.controller.controller_port
    fetched = b""
    while len(fetched) < len(content):
        error, size, piece = wire.fetch_snapshot(port, end_offset, epoch, 1, len(fetched), 1_000)
        assert (error, size) == (0, len(content))
        assert piece
        fetched += piece
    assert fetched == content
    for position in (len(content), len(content) + 1, -1):
        assert wire.fetch_snapshot(port, end_offset, epoch, 1, position, 1_000)[0] == _POSITION_OUT_OF_RANGE
    assert wire.fetch_snapshot(port, end_offset + 1, epoch, 1, 0, 1_000)[0] == _SNAPSHOT_NOT_FOUND


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_begins_with_a_snapshot(cluster, how):
    """Snapshot and what follows it in the log make the same cluster; brokers go on."""
    cluster.tools(1).create(f"last-before-{how}")
    listed = lambda node: set(cluster.tools(node).topics("--list").lines)  # noqa: E731
    before = eventually(lambda: f"last-before-{how}" in (found := listed(2)) and found, "a broker does not follow")
    getattr(cluster.controller, how)()
    cluster.controller.start()
    eventually(lambda: set(cluster.endpoints(1).values()) == {"unfenced"}, "not all brokers are there")
    eventually(lambda: listed(1) == before, "it has other topics than before")
    shown = cluster.tools(1)("kafka-configs", "--entity-type", "topics", "--entity-name", "before-7", "--describe").out
    assert "retention.ms=1000007" in shown
    topic = cluster.create(f"after-{how}", "2")
    eventually(lambda: topic in listed(3) if 3 in cluster.kafkas else True, "not followed")


def test_kafka_s_controller_goes_on_from_a_snapshot(cluster, tmp_path):
    """Apache Kafka takes the folder over as it is, then Ottla with what Kafka's controller wrote; brokers follow both."""
    ours = cluster.controller
    ours.stop()
    kafka = Takeover(tmp_path / "kafka", ours)
    kafka.start()
    made_by_kafka = cluster.create("made-by-kafka", "2")
    assert set(cluster.tools(2).topics("--list").lines) >= {f"before-{number}" for number in range(40)}
    kafka.stop()
    ours.start()
    eventually(lambda: set(cluster.endpoints(1).values()) == {"unfenced"}, "not all brokers are there")
    eventually(lambda: made_by_kafka in cluster.tools(1).topics("--list").lines, "what Apache Kafka's made is not there")
    cluster.tools(2).produce(made_by_kafka, ["one"])
    assert cluster.tools(2).consume(made_by_kafka, 1) == ["one"]


def test_storage_tool_finds_the_folder_in_order(cluster):
    """kafka-storage has nothing to say of a folder with snapshots in it."""
    done = run_tool("kafka-storage", "info", "-c", cluster.controller.config_file, code=None)
    assert "Found problem" not in done.text, done


def test_time_alone_makes_a_snapshot_due(make_cluster):
    """With metadata.log.max.snapshot.interval.ms: once something changed, and not again while nothing does."""
    alone = make_cluster([], metadata_log_max_snapshot_interval_ms=700)
    alone.tools(1).create("changed")
    eventually(lambda: decoded(snapshots(alone[1])[-1]).count('"changed"') if snapshots(alone[1]) else 0, "no snapshot")
    count = len(snapshots(alone[1]))
    time.sleep(2)
    assert len(snapshots(alone[1])) == count
