"""Tools that look at the replicas, disks and metadata of all nodes, unchanged against three nodes of Ottla."""

import contextlib
import json
import re
import subprocess

import pytest
from confluent_kafka import Producer

from harness.run import run
from harness.tools import Tools, command
from harness.waiting import eventually

PARTITIONS = 3
LINES = [f"line {n}" for n in range(300)]


@pytest.fixture
def cluster(start_cluster):
    started = start_cluster("quorum", ["ottla"] * 3)
    Tools(started).topics("--create", "--topic", "seen", "--partitions", PARTITIONS, "--replication-factor", 3)
    _produce(started)
    return started


def _produce(cluster):
    """Some to each partition: of several without a lag a tool names the first."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "log_level": 0})
    for number, line in enumerate(LINES):
        producer.produce("seen", line, partition=number % PARTITIONS)
    assert producer.flush(30) == 0
    cluster.in_sync("seen")


def _segments(node):
    """{partition: bytes of its log}."""
    sizes = lambda n: (file.stat().st_size for file in node.partition_folder("seen", n).glob("*.log"))  # noqa: E731
    return {n: sum(sizes(n)) for n in range(PARTITIONS)}


@contextlib.contextmanager
def _verifying(cluster, folder):
    """kafka-replica-verification, which runs until it is ended; yields what it has printed so far."""
    arguments = ["--broker-list", cluster.bootstrap, "--topics-include", "seen", "--time", -2, "--report-interval-ms", 300]
    printed = folder / "verification.txt"
    with open(printed, "wb") as out:
        tool = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command("kafka-replica-verification", *arguments))],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield printed.read_text
        finally:
            tool.kill()
            tool.wait()


def test_kafka_replica_verification_finds_all_replicas_alike(cluster, tmp_path):
    ends = Tools(cluster).offsets("seen")
    assert sum(ends.values()) == len(LINES)

    def reported():
        """{partition: offset} of the reports of no lag, of which each names one partition."""
        found = re.findall(r"max lag is 0 for partition seen-(\d) at offset (\d+) among 3 partitions", text())
        return {int(partition): int(offset) for partition, offset in found}

    with _verifying(cluster, tmp_path) as text:
        reached = lambda ends: any(ends[n] == offset for n, offset in reported().items() if offset)  # noqa: E731
        eventually(lambda: reached(ends), "no partition is found whole on all replicas")
        _produce(cluster)
        later = Tools(cluster).offsets("seen")
        eventually(lambda: reached(later), "what is new is not found on all replicas")
        assert "doesn't match" not in text() and "checksum" not in text(), text()


def test_kafka_replica_verification_finds_a_replica_that_differs(cluster, tmp_path):
    """What the test above does not find would be found: a replica whose record is another, with the checksum that it must have."""
    node = cluster.nodes[3]
    node.stop()
    other = None
    for partition in range(PARTITIONS):
        for file in node.partition_folder("seen", partition).glob("*.log"):
            other = file if b"line" in file.read_bytes() else other
    content = bytearray(other.read_bytes())
    at = content.index(b"line")
    content[at : at + 4] = b"LINE"
    start = _batch_of(content, at)
    size = 12 + int.from_bytes(content[start + 8 : start + 12], "big")
    content[start + 17 : start + 21] = _crc32c(content[start + 21 : start + size]).to_bytes(4, "big")
    other.write_bytes(content)
    node.start()
    cluster.in_sync("seen")
    with _verifying(cluster, tmp_path) as text:
        eventually(lambda: "checksum" in text(), "the other replica passes for the same")


def _batch_of(content, position):
    """Where the batch begins that a position is in."""
    start = 0
    while True:
        end = start + 12 + int.from_bytes(content[start + 8 : start + 12], "big")
        if position < end:
            return start
        start = end


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_kafka_log_dirs_tells_of_all_nodes(cluster):
    tools = Tools(cluster)
    described = tools("kafka-log-dirs", "--describe", "--topic-list", "seen").out
    found = json.loads(next(line for line in described.splitlines() if line.startswith("{")))
    assert {broker["broker"] for broker in found["brokers"]} == {1, 2, 3}
    for broker in found["brokers"]:
        [log_dir] = broker["logDirs"]
        node = cluster.nodes[broker["broker"]]
        assert (log_dir["error"], log_dir["logDir"]) == (None, str(node.data))
        partitions = {each["partition"]: each for each in log_dir["partitions"]}
        assert {name: each["size"] for name, each in partitions.items()} == {
            f"seen-{n}": size for n, size in _segments(node).items()
        }
        assert all((each["offsetLag"], each["isFuture"]) == (0, False) for each in partitions.values())
    only = tools("kafka-log-dirs", "--describe", "--broker-list", "2", "--topic-list", "seen").out
    found = json.loads(next(line for line in only.splitlines() if line.startswith("{")))
    assert [broker["broker"] for broker in found["brokers"]] == [2]


def test_kafka_metadata_shell_reads_the_log_of_each_node(cluster, tmp_path):
    """The shell shows brokers, topics and partitions from any node's log; it wants a folder that no broker uses.

    The nodes go on: where a log ends with two elections, as it may when they stop, the shell waits for ever, for it never has what
    comes before the last batch.
    """
    for number, node in cluster.nodes.items():
        [log] = sorted((node.data / "__cluster_metadata-0").glob("*.log"))
        copy = tmp_path / str(number) / "__cluster_metadata-0" / log.name
        copy.parent.mkdir(parents=True)
        copy.write_bytes(log.read_bytes())

        def shell(*words):
            return run(command("kafka-metadata-shell", "--snapshot", copy, *words), name=" ".join(words)).out

        def shows(wanted, *words):
            """Each call is a shell of its own, and any may look before it has read all of the file."""
            eventually(lambda: wanted <= set(re.findall(r"\w+", shell(*words))), f"{words} shows no {wanted}")

        shows({"1", "2", "3"}, "ls", "/image/cluster/brokers")
        shows({"seen"}, "ls", "/image/topics/byName")
        shows({"0", "1", "2"}, "ls", "/image/topics/byName/seen")
        shows({"replicas", "leader"}, "cat", "/image/topics/byName/seen/0")


def test_kafka_broker_api_versions_tells_of_all_nodes(cluster):
    text = Tools(cluster)("kafka-broker-api-versions").out
    heads = r"^127\.0\.0\.1:(\d+) \(id: (\d) rack: null isFenced: false\) -> \($"
    asked = {int(number): int(port) for port, number in re.findall(heads, text, re.M)}
    assert asked == {number: node.port for number, node in cluster.nodes.items()}, text
    served = {tuple(re.findall(r"^\t(\w+)\((\d+)\): (.*?),?$", told, re.M)) for told in re.split(heads, text, flags=re.M)[3::3]}
    [apis] = served
    assert len(apis) > 50 and all("usable" in versions or "UNSUPPORTED" in versions for _, _, versions in apis), text


def test_kafka_configs_alters_through_one_node_what_the_others_tell(cluster):
    """Of a topic, of one broker, and of all; and takes it back."""
    first, last = Tools(cluster.nodes[1]), Tools(cluster.nodes[3])
    for entity, config in [
        (["--entity-type", "topics", "--entity-name", "seen"], "retention.ms=1234567"),
        (["--entity-type", "brokers", "--entity-name", 2], "log.cleaner.threads=2"),
        (["--entity-type", "brokers", "--entity-default"], "log.retention.ms=7654321"),
    ]:
        shown = lambda: last("kafka-configs", *entity, "--describe").out  # noqa: B023, E731
        first("kafka-configs", *entity, "--alter", "--add-config", config)
        eventually(lambda: config in shown(), f"{config} is not set")  # noqa: B023
        first("kafka-configs", *entity, "--alter", "--delete-config", config.split("=")[0])
        eventually(lambda: config not in shown(), f"{config} is set yet")  # noqa: B023
