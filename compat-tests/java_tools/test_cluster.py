"""The tools that look at the cluster: API versions, log dirs, cluster id, features, storage."""

import re

from harness.broker import KINDS
from harness.tools import Tools, json_lines, run_tool, table

# What every client needs; how far each goes up is compared version by version in `differential`.
_SERVED = """
    Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup Heartbeat LeaveGroup
    SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId
    OffsetForLeaderEpoch DescribeConfigs AlterConfigs DescribeLogDirs CreatePartitions DeleteGroups
    IncrementalAlterConfigs OffsetDelete DescribeCluster DescribeProducers ListConfigResources
    DescribeTopicPartitions ElectLeaders AlterPartitionReassignments ListPartitionReassignments
""".split()


def test_broker_api_versions(tools, broker):
    """The served APIs are usable at the highest version this client knows, from Kafka's lowest on."""
    shown = tools("kafka-broker-api-versions").out
    assert shown.startswith(f"{broker.bootstrap} (id: 1 rack: null isFenced: false) -> (")
    found = {
        name: (int(low), int(high or low), int(usable))
        for name, low, high, usable in re.findall(r"^\t(\w+)\(\d+\): (\d+)(?: to (\d+))? \[usable: (\d+)\]", shown, re.M)
    }
    assert not [name for name in _SERVED if name not in found]
    assert all(usable == high for _, high, usable in found.values())
    expected = {"Produce": (0, 13), "Fetch": (4, 18), "Metadata": (0, 13), "ListOffsets": (1, 11), "ApiVersions": (0, 4)}
    assert {name: found[name][:2] for name in expected} == expected


def test_log_dirs(tools, broker, fresh):
    """Every partition of the topic is in the log dir with the size of its files, none lagging or moving."""
    topic = tools.create(fresh(), partitions=2)
    tools.produce(topic, [f"key\t{'x' * 1_000}"] * 10, "--reader-property", "parse.key=true")
    done = tools("kafka-log-dirs", "--describe", "--topic-list", topic)
    (answer,) = json_lines(done.out)
    (only,) = answer["brokers"]
    (folder,) = only["logDirs"]
    assert (only["broker"], folder["error"], folder["logDir"]) == (1, None, str(broker.data))
    partitions = {each["partition"]: each for each in folder["partitions"]}
    assert sorted(partitions) == [f"{topic}-0", f"{topic}-1"]
    sizes = sorted(each["size"] for each in partitions.values())
    assert sizes[0] == 0 and 10_000 < sizes[1] < 11_000
    assert all((each["offsetLag"], each["isFuture"]) == (0, False) for each in partitions.values())


def test_cluster_id(broker):
    """kafka-cluster shows the id the folder was formatted with."""
    done = run_tool("kafka-cluster", "cluster-id", "--bootstrap-server", broker.bootstrap)
    assert done.out.strip() == f"Cluster ID: {broker.cluster_id}"


def test_cluster_endpoints(broker):
    """kafka-cluster lists the one broker, unfenced, at its advertised address."""
    done = run_tool("kafka-cluster", "list-endpoints", "--bootstrap-server", broker.bootstrap)
    (row,) = table(done.out)
    assert (row["ID"], row["HOST"], row["PORT"], row["STATE"]) == ("1", "127.0.0.1", str(broker.port), "unfenced")


def test_features(broker):
    """metadata.version is finalized at 4.3's level, and every finalized level is a supported one."""
    done = run_tool("kafka-features", "--bootstrap-server", broker.bootstrap, "describe")
    rows = [
        re.match(r"Feature: (\S+)\s+SupportedMinVersion: (\S+)\s+SupportedMaxVersion: (\S+)\s+FinalizedVersionLevel: (\S+)", line)
        for line in done.lines
    ]
    assert all(rows), done
    levels = {row[1]: row.groups()[1:] for row in rows}
    assert levels["metadata.version"] == ("3.3-IV3", "4.3-IV0", "4.3-IV0")
    del levels["metadata.version"]
    assert all(int(low) <= int(level) <= int(high) for low, high, level in levels.values())


def test_folder_formatted_by_kafka_storage(kind, tmp_path, fresh):
    """A folder that Apache Kafka's kafka-storage formatted starts as it is, under its cluster id."""
    broker = KINDS[kind](tmp_path / "formatted")
    run_tool("kafka-storage", "format", "-t", broker.cluster_id, "-c", broker.config_file, "--standalone")
    before = (broker.data / "meta.properties").read_text()
    broker.start()
    try:
        shown = run_tool("kafka-cluster", "cluster-id", "--bootstrap-server", broker.bootstrap)
        assert shown.out.strip() == f"Cluster ID: {broker.cluster_id}"
        tools, topic = Tools(broker), fresh()
        tools.produce(topic, ["kept"])
        assert tools.consume(topic, 1) == ["kept"]
        broker.restart()
        assert tools.consume(topic, 1) == ["kept"]
    finally:
        if broker.running:
            broker.stop()
    fields = [line for line in (broker.data / "meta.properties").read_text().splitlines() if line[:1] != "#"]
    assert sorted(fields) == sorted(line for line in before.splitlines() if line[:1] != "#")


def test_kafka_storage_reads_our_folder(start_broker):
    """kafka-storage info finds nothing wrong with the folder of a broker that ran."""
    broker = start_broker()
    broker.stop()
    done = run_tool("kafka-storage", "info", "-c", broker.config_file)
    assert f"  {broker.data}" in done.lines
    assert "Found problem" not in done.text
    assert f"cluster.id={broker.cluster_id}" in done.out.replace(" ", "") or broker.cluster_id in done.out
