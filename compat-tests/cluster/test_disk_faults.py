"""One of three nodes has a disk that is full or fails, under load: the others go on, nothing is lost, and it comes back."""

from collections import Counter

import pytest

from checker import segments
from faults.disk import Disk, need_loop_devices
from faults.load import Load
from faults.tracing import injected
from faults.watch import wait_for
from harness import topics
from harness.cluster import make

pytestmark = pytest.mark.limit(200)

PARTITIONS = 20
# The node with the disk, and where on it things are.
SICK = 2


def _apart(metadata, partitions):
    """Two log dirs: of the one that has the metadata brokers make no use."""
    return {"log_dirs": f"{partitions},{metadata}", "metadata_log_dir": metadata, "cordoned_log_dirs": metadata}


_LOGS = _apart(metadata="{folder}/metadata", partitions="{folder}/disk/data")
_QUORUM = _apart(metadata="{folder}/disk/metadata", partitions="{folder}/partitions")


@pytest.fixture
def start(tmp_path):
    """Three nodes, of which one has something on a disk of its own, and a load that all replicas must have."""
    made = []

    def start(size_mib, controller="quorum", **places):
        need_loop_devices(tmp_path)
        node = "node" if controller == "quorum" else "broker"
        made.append(disk := Disk(tmp_path / f"{node}-{SICK}", size_mib))
        made.append(cluster := make(tmp_path, controller, ["ottla"] * 3, log_segment_bytes=1 << 20, **places))
        load = Load(cluster.start().bootstrap, "kept", idempotent=True)
        load.create_topic(replicas=3)
        return disk, cluster, load

    yield start
    for each in reversed(made):
        each.unmount() if isinstance(each, Disk) else each.close()


def more(load, node, count=500):
    """Waits until so many more are acknowledged."""
    before = len(load.acknowledged)
    wait_for(lambda: len(load.acknowledged) > before + count, node)


def more_of_each(load, node, count=20):
    """The same for each partition, whoever leads it."""
    acknowledged = lambda: Counter(partition for partition, _ in list(load.acknowledged))  # noqa: E731
    before = acknowledged()
    wait_for(lambda: all(now > before[partition] + count for partition, now in acknowledged().items()), node)


def leads_nothing(cluster, number):
    asked = cluster.nodes[number % 3 + 1].bootstrap
    return not [each for each in topics.leaders(asked, "kept").values() if each == number]


def comes_back(cluster, load):
    """All replicas are whole, and alike byte for byte."""
    cluster.in_sync("kept")
    assert not load.errors, load.errors[:5]
    load.check()
    *others, last = cluster.nodes.values()
    for node in others:
        node.stop()
    last.kill()
    for partition in range(PARTITIONS):
        folders = {f"node {n}": _folder(node, partition) for n, node in cluster.nodes.items()}
        problems = segments.check_partition(folders)
        assert not problems, problems[:5]


def _folder(node, partition):
    (folder,) = node.folder.glob(f"*/**/kept-{partition}")
    return folder


def test_the_quorum_s_disk_of_one_node_is_full(start, request):
    """What a controller promised must be on its disk: it ends and says why, and starts again when there is room."""
    if not request.config.getoption("--full"):
        pytest.skip("it takes half a minute: --full")
    disk, cluster, load = start(64, **_QUORUM)
    node = cluster.nodes[SICK]
    with load.running():
        more(load, node)
        disk.fill()
        # Each controller has on its disk what another one decides.
        changes = 0
        while node.running and "the quorum's log failed" not in node.log_text():
            changes += 1
            assert changes < 5000, "a full disk is not noticed"
            topics.alter(cluster.nodes[1].bootstrap, "kept", retention_ms=10_000_000 + changes)
        assert node.ends() == 1
        assert "the quorum's log failed" in node.log_text() and "No space left on device" in node.log_text()
        more(load, cluster.nodes[1])
        node.launch()
        assert node.ends() == 1 and "No space left on device" in node.log_text().splitlines()[-1], node.log_tail()
        disk.drop_ballast()
        node.start()
        cluster.in_sync("kept")
        more(load, node)
    comes_back(cluster, load)


@pytest.mark.parametrize(
    ("controller", "restarted"), [("quorum", False), pytest.param("kafka", True, marks=pytest.mark.full)]
)
def test_the_disk_of_one_node_is_full(start, controller, restarted):
    """Others lead and all goes on, though the node lives; with room, and after kill -9 on the full disk, it has all again."""
    disk, cluster, load = start(320, controller, **_LOGS)
    node, other = cluster.nodes[SICK], cluster.nodes[1]
    with load.running():
        more_of_each(load, node)
        disk.leave_mib(4)
        wait_for(lambda: "is short of room" in node.log_text(), node)
        wait_for(lambda: leads_nothing(cluster, SICK), node)
        more_of_each(load, other)
        disk.fill()
        wait_for(lambda: len(topics.out_of_sync(other.bootstrap, "kept")) == PARTITIONS, other)
        load.pause_s = 0.01
        more_of_each(load, other)
        if restarted:
            node.kill()
            node.start()
            more_of_each(load, other)
        disk.drop_ballast()
        cluster.in_sync("kept")
        wait_for(lambda: "has room again" in node.log_text(), node)
        assert "is offline" not in node.log_text()
        more_of_each(load, node)
    comes_back(cluster, load)


@pytest.mark.parametrize(("calls", "number"), [("fdatasync", 30), ("pwritev", 60)])
def test_a_call_to_the_disk_of_one_node_fails(start, calls, number):
    """Its log dir is offline or, where that is the quorum's, the node ends; others lead then. A restart brings it back."""
    _, cluster, load = start(320, **_LOGS)
    node = cluster.nodes[SICK]
    with load.running():
        more(load, node)
        with injected(node, calls, f"error=EIO:when={number}"):
            wait_for(lambda: "is offline" in node.log_text() or "the quorum's log failed" in node.log_text(), node)
            more(load, cluster.nodes[1])
            node.kill()
        node.start()
    comes_back(cluster, load)
