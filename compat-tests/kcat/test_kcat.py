"""kcat, and through it librdkafka 2.0.2."""

import json
import re

import pytest

from harness.run import run

_CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


@pytest.fixture
def kcat(broker):
    def call(*arguments, **options):
        return run(["kcat", "-b", broker.bootstrap, *arguments], **options)

    return call


@pytest.mark.parametrize("codec", _CODECS)
def test_codec_with_keys_and_headers(kcat, fresh, codec):
    """Lines with keys and headers through one codec come back as they were, in order."""
    topic, lines = fresh(), [f"key-{number % 5}:value {number} {'x' * 50}" for number in range(500)]
    kcat("-P", "-t", topic, "-K", ":", "-z", codec, "-H", "name=ünï", "-H", "other=", stdin="\n".join(lines))
    read = kcat("-C", "-t", topic, "-e", "-q", "-f", "%o|%h|%k:%s\n")
    assert read.lines == [f"{offset}|name=ünï,other=|{line}" for offset, line in enumerate(lines)]


def test_nulls_and_binary(kcat, fresh):
    """Empty keys and values sent as null (-Z) come back as null; bytes that are no text stay as they are."""
    topic = fresh()
    kcat("-P", "-t", topic, "-K", ":", "-Z", stdin=":value\nkey:\n")
    read = kcat("-C", "-t", topic, "-e", "-q", "-J")
    assert [(row["key"], row["payload"]) for row in map(json.loads, read.lines)] == [(None, "value"), ("key", None)]
    kcat("-P", "-t", topic, stdin=bytes(range(11, 256)) + b"\n")
    hexed = kcat("-C", "-t", topic, "-o", "2", "-e", "-q", "-f", "%S")
    assert hexed.out == "245"


def test_metadata(kcat, broker, topic):
    """-L shows the broker, the controller and each partition with leader, replicas and ISR."""
    topic = topic(partitions=3)
    shown = json.loads(kcat("-L", "-J", "-t", topic).out)
    assert shown["controllerid"] == 1
    assert shown["brokers"] == [{"id": 1, "name": broker.bootstrap}]
    (described,) = shown["topics"]
    assert described["topic"] == topic
    assert described["partitions"] == [
        {"partition": number, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]} for number in range(3)
    ]
    everything = json.loads(kcat("-L", "-J").out)
    assert topic in [each["topic"] for each in everything["topics"]]


def test_unknown_topic_is_not_made_by_asking(kcat, fresh):
    """librdkafka's metadata request forbids auto creation, so -L of a topic that is not there makes none."""
    topic = fresh()
    kcat("-L", "-J", "-t", topic, "-X", "allow.auto.create.topics=false")
    again = json.loads(kcat("-L", "-J").out)
    assert topic not in [each["topic"] for each in again["topics"]]


def test_offsets_by_timestamp(kcat, fresh):
    """-Q finds the offset of a timestamp, and s@/e@ consume the records between two."""
    topic = fresh()
    for number in range(5):
        kcat("-P", "-t", topic, stdin=f"line {number}\n")
    stamps = [int(line) for line in kcat("-C", "-t", topic, "-e", "-q", "-f", "%T\n").lines]
    assert stamps == sorted(set(stamps)) and len(stamps) == 5
    for offset, stamp in enumerate(stamps):
        assert re.search(rf"\[0\] offset {offset}$", kcat("-Q", "-t", f"{topic}:0:{stamp}").out.strip())
    assert re.search(r"offset 0$", kcat("-Q", "-t", f"{topic}:0:{stamps[0] - 1000}").out.strip())
    between = kcat("-C", "-t", topic, "-q", "-o", f"s@{stamps[1]}", "-o", f"e@{stamps[3]}")
    assert between.lines == ["line 1", "line 2"]


def test_offsets(kcat, fresh):
    """-o with an offset, a count from the end and -c a number of records."""
    topic = fresh()
    kcat("-P", "-t", topic, stdin="".join(f"{number}\n" for number in range(20)))
    assert kcat("-C", "-t", topic, "-o", "15", "-e", "-q").lines == ["15", "16", "17", "18", "19"]
    assert kcat("-C", "-t", topic, "-o", "-3", "-e", "-q").lines == ["17", "18", "19"]
    assert kcat("-C", "-t", topic, "-o", "beginning", "-c", "4", "-q").lines == ["0", "1", "2", "3"]


def test_partitions(kcat, topic):
    """-p sends to that partition alone, and reading all partitions gives each one's order."""
    topic = topic(partitions=3)
    for partition in (0, 2):
        text = "".join(f"{partition}-{number}\n" for number in range(10))
        kcat("-P", "-t", topic, "-p", str(partition), stdin=text)
    asked = [f"{topic}:{partition}:-1" for partition in range(3)]
    ends = [kcat("-Q", "-t", each).out.strip().split()[-1] for each in asked]
    assert ends == ["10", "0", "10"]
    assert kcat("-C", "-t", topic, "-p", "2", "-e", "-q").lines == [f"2-{number}" for number in range(10)]
    both = kcat("-C", "-t", topic, "-e", "-q").lines
    for partition in (0, 2):
        mine = [line for line in both if line.startswith(f"{partition}-")]
        assert mine == [f"{partition}-{number}" for number in range(10)]


def test_group(kcat, topic, fresh):
    """-G consumes as a group, commits on leaving, and goes on there the next time."""
    topic, group = topic(partitions=2), fresh("group")

    def consume(count):
        settings = ("-X", "auto.offset.reset=earliest", "-c", str(count), "-q")
        return kcat("-G", group, *settings, topic, timeout_s=60).lines

    kcat("-P", "-t", topic, "-p", "0", stdin="a\nb\nc\n")
    kcat("-P", "-t", topic, "-p", "1", stdin="d\ne\n")
    assert sorted(consume(5)) == ["a", "b", "c", "d", "e"]
    kcat("-P", "-t", topic, "-p", "1", stdin="f\n")
    assert consume(1) == ["f"]


@pytest.mark.parametrize("setting", ["acks=0", "acks=1", "acks=all", "enable.idempotence=true"])
def test_acks(kcat, fresh, setting):
    """acks 0, 1, all and the idempotent producer deliver 1,000 lines in order."""
    topic, lines = fresh(), [str(number) for number in range(1_000)]
    kcat("-P", "-t", topic, "-c", "1")  # the topic is there before acks=0 could lose to its creation
    kcat("-P", "-t", topic, "-X", setting, "-X", "batch.num.messages=50", stdin="\n".join(lines))
    read = kcat("-C", "-t", topic, "-c", "1000", "-q", timeout_s=30)
    assert read.lines == lines


def test_large_file(kcat, fresh, tmp_path):
    """A file of 20 MB sent line by line under zstd is byte for byte the same when read back."""
    topic, file = fresh(), tmp_path / "input"
    file.write_text("".join(f"{number:07d} {'abcdefghij' * (number % 20)}\n" for number in range(200_000)))
    kcat("-P", "-t", topic, "-z", "zstd", "-l", file, timeout_s=120)
    assert kcat("-C", "-t", topic, "-e", "-q", timeout_s=120).out == file.read_text()
