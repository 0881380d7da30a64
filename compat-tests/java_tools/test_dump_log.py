"""kafka-dump-log on the files the broker wrote: records, indexes, group offsets, cluster metadata."""

import json
import re

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness.tools import Tools, run_tool

_VALUE_BYTES = 1_000


def dump(*files, arguments=()):
    return run_tool("kafka-dump-log", "--files", ",".join(map(str, files)), *arguments)


def batches(text):
    """The fields of each batch line."""
    return [dict(re.findall(r"(\w+): (\S+)", line)) for line in text.splitlines() if line.startswith("baseOffset: ")]


def payloads(text):
    return [line.partition(" payload: ")[2] for line in text.splitlines() if line.startswith("| offset: ")]


def test_segments_and_indexes(start_broker, fresh):
    """Over several segments: every batch valid, offsets contiguous, payloads as sent, indexes sane and true."""
    broker = start_broker()
    tools = Tools(broker)
    topic = tools.create(fresh(), segment_bytes=1_048_576)
    lines = [f"{number:06d}".ljust(_VALUE_BYTES, "x") for number in range(3_000)]
    tools.produce(topic, lines, "--compression-codec", "none")
    broker.stop()

    folder = broker.partition_folder(topic)
    logs = sorted(folder.glob("*.log"))
    assert len(logs) == 3
    text = "".join(dump(log, arguments=["--print-data-log"]).out for log in logs)
    found = batches(text)
    assert all(batch["isvalid"] == "true" and batch["magic"] == "2" for batch in found)
    next_offset = 0
    for batch in found:
        assert int(batch["baseOffset"]) == next_offset
        next_offset = int(batch["lastOffset"]) + 1
    assert payloads(text) == lines
    assert {int(log.stem) for log in logs} <= {int(batch["baseOffset"]) for batch in found}

    indexes = sorted(folder.glob("*.index"))
    times = sorted(folder.glob("*.timeindex"))
    assert [file.stem for file in indexes] == [file.stem for file in times] == [file.stem for file in logs]
    sane = dump(*indexes, *times, arguments=["--index-sanity-check"])
    assert sane.out.count(" passed sanity check.") == len(indexes) + len(times)
    true = dump(*indexes, *times)
    assert "not found" not in true.text and "Mismatches" not in true.text and "mismatch" not in true.text
    positions = {(batch["lastOffset"], batch["position"]) for batch in found}
    entries = re.findall(r"^offset: (\d+) position: (\d+)$", true.out, re.MULTILINE)
    assert len(entries) > 100
    assert all(entry in positions for entry in entries if entry[1] != "0")


def test_compressed_batches(start_broker, fresh):
    """A batch lies on disk under the codec it was sent with, and decompresses to what was sent."""
    broker = start_broker()
    tools, topic = Tools(broker), fresh()
    tools.create(topic)
    codecs = ["gzip", "snappy", "lz4", "zstd"]
    for codec in codecs:
        tools.produce(topic, [f"{codec} {number}" for number in range(20)], "--compression-codec", codec)
    broker.stop()
    shown = dump(broker.partition_folder(topic) / f"{0:020d}.log", arguments=["--print-data-log"]).out
    used = [batch["compresscodec"] for batch in batches(shown)]
    assert list(dict.fromkeys(used)) == codecs
    assert payloads(shown) == [f"{codec} {number}" for codec in codecs for number in range(20)]


@pytest.mark.parametrize("target", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_recompressed_batches(start_broker, fresh, target):
    """With compression.type the broker stores every batch under that codec, and each record as it was sent."""
    broker = start_broker()
    tools, topic = Tools(broker), fresh()
    # The records are of long ago, and would be deleted some time after the start.
    tools.create(topic, compression_type=target, retention_ms=-1)
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    sent = []
    for codec in codecs:
        settings = {"bootstrap.servers": broker.bootstrap, "compression.type": codec, "enable.idempotence": True}
        producer = Producer(settings | {"linger.ms": 200})
        for number in range(20):
            key, value = f"{codec} {number}", f"value {number} " * 20
            headers = [("h", b"1"), ("h", None), ("h", b"2")]
            timestamp = 1_700_000_000_000 + number
            producer.produce(topic, value, key, timestamp=timestamp, headers=headers)
            sent.append((timestamp, key, value))
        assert producer.flush(30) == 0
    assert [record[:3] for record in consumed(broker, topic, len(sent))] == sent
    assert all(record[3] == headers for record in consumed(broker, topic, len(sent)))
    broker.stop()
    shown = dump(broker.partition_folder(topic) / f"{0:020d}.log", arguments=["--print-data-log"]).out
    found = batches(shown)
    assert {batch["compresscodec"] for batch in found} == {"none" if target == "uncompressed" else target}
    assert all(batch["isvalid"] == "true" for batch in found)
    assert all(int(batch["producerId"]) >= 0 and int(batch["baseSequence"]) >= 0 for batch in found)
    assert payloads(shown) == [value for _, _, value in sent]


def consumed(broker, topic, count):
    """Timestamp, key, value and headers of the first records."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        records = []
        while len(records) < count:
            polled = consumer.consume(count - len(records), 20)
            assert polled, f"{len(records)} of {count} records"
            records += polled
        return [(r.timestamp()[1], r.key().decode(), r.value().decode(), r.headers()) for r in records]
    finally:
        consumer.close()


def test_group_offsets(start_broker, fresh):
    """__consumer_offsets holds the group and its commit in Kafka's records."""
    broker = start_broker(offsets_topic_num_partitions=1)
    tools, topic, group = Tools(broker), fresh(), fresh("group")
    tools.produce(topic, ["one", "two", "three"])
    assert tools.consume(topic, 2, "--group", group) == ["one", "two"]
    broker.stop()
    files = sorted(broker.partition_folder("__consumer_offsets").glob("*.log"))
    text = "".join(dump(file, arguments=["--offsets-decoder"]).out for file in files)
    assert all(batch["isvalid"] == "true" for batch in batches(text))
    records = [
        (json.loads(key), json.loads(value))
        for key, value in re.findall(r" key: (\{.*?\}\}) payload: (\{.*\})$", text, re.MULTILINE)
    ]
    commits = [(key["data"], value["data"]) for key, value in records if key["type"] == "1"]
    assert commits[-1][0] == {"group": group, "topic": topic, "partition": 0}
    assert commits[-1][1]["offset"] == 2
    states = [value["data"] for key, value in records if key["type"] == "2" and key["data"] == {"group": group}]
    joined = [state for state in states if state["members"]][-1]
    assert (joined["protocolType"], joined["protocol"]) == ("consumer", "range")
    (member,) = joined["members"]
    assert member["clientId"] == "console-consumer"
    assert member["subscription"]["topics"] == [topic]
    assert member["assignment"]["assignedPartitions"] == [{"topic": topic, "partitions": [0]}]
    assert states[-1]["members"] == []


def test_cluster_metadata(start_broker, fresh):
    """__cluster_metadata holds topics, partitions and configs in Kafka's metadata records."""
    broker = start_broker()
    tools = Tools(broker)
    topic = tools.create(fresh(), partitions=2, retention_ms=4444)
    gone = tools.create(fresh("gone"))
    tools.topics("--delete", "--topic", gone)
    broker.stop()
    files = sorted(broker.partition_folder("__cluster_metadata").glob("*.log"))
    text = "".join(dump(file, arguments=["--cluster-metadata-decoder"]).out for file in files)
    assert all(batch["isvalid"] == "true" for batch in batches(text))
    records = [json.loads(payload) for payload in payloads(text) if payload.startswith("{")]

    def data(kind, **wanted):
        found = [record["data"] for record in records if record["type"] == kind]
        return [each for each in found if all(each.get(key) == value for key, value in wanted.items())]

    (made,) = data("TOPIC_RECORD", name=topic)
    partitions = data("PARTITION_RECORD", topicId=made["topicId"])
    assert [(each["partitionId"], each["replicas"], each["isr"], each["leader"]) for each in partitions] == [
        (0, [1], [1], 1),
        (1, [1], [1], 1),
    ]
    (config,) = data("CONFIG_RECORD", resourceName=topic)
    assert (config["resourceType"], config["name"], config["value"]) == (2, "retention.ms", "4444")
    (dropped,) = data("TOPIC_RECORD", name=gone)
    assert data("REMOVE_TOPIC_RECORD", topicId=dropped["topicId"])
    features = {each["name"]: each["featureLevel"] for each in data("FEATURE_LEVEL_RECORD")}
    assert features["metadata.version"] == 30
    assert data("REGISTER_BROKER_RECORD", brokerId=1)[0]["endPoints"][0]["port"] == broker.port
