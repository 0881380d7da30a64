"""kafka-console-producer and -consumer: contents, order, keys, headers, and survival of kill -9."""

from collections import defaultdict

from harness.tools import Tools


def test_thousand_lines_into_an_auto_created_topic(tools, fresh):
    """1,000 typed lines into a topic that does not exist yet are read back, all and in order."""
    topic, lines = fresh(), [f"line {number}" for number in range(1_000)]
    tools.produce(topic, lines)
    assert tools.consume(topic, 1_000) == lines
    assert tools.offsets(topic) == {0: 1_000}


def test_order_in_each_partition(tools, fresh):
    """Keyed lines over 3 partitions: a key stays in one partition, each partition keeps its order."""
    topic = tools.create(fresh(), partitions=3)
    sent = [(f"key-{number % 10}", f"value-{number}") for number in range(1_000)]
    tools.produce(
        topic, [f"{key}\t{value}" for key, value in sent], "--reader-property", "parse.key=true"
    )
    shown = tools.consume(
        topic, 1_000, "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true",
        "--formatter-property", "print.key=true",
    )  # fmt: skip
    partitions, places = defaultdict(list), defaultdict(set)
    for line in shown:
        partition, offset, key, value = line.split("\t")
        partitions[partition].append((int(offset.removeprefix("Offset:")), key, value))
        places[key].add(partition)
    assert all(len(where) == 1 for where in places.values())
    assert len(partitions) > 1
    received = []
    for records in partitions.values():
        assert [offset for offset, _, _ in records] == list(range(len(records)))
        numbers = [int(value.removeprefix("value-")) for _, _, value in records]
        assert numbers == sorted(numbers)
        received += [(key, value) for _, key, value in records]
    assert sorted(received) == sorted(sent)


def test_keys_headers_and_nulls(tools, fresh):
    """Keys, repeated header names, a null key and a null value come back as they were sent."""
    topic = tools.create(fresh())
    tools.produce(
        topic,
        ["a:1,a:2,b:x\tkey\tvalue", "NULL\tNULL\tno key", "h:v\tgone\tNULL", "h:ünï\tschlüssel\tgrün 🦦"],
        "--reader-property", "parse.headers=true", "--reader-property", "parse.key=true",
        "--reader-property", "null.marker=NULL",
    )  # fmt: skip
    shown = tools.consume(
        topic, 4, "--formatter-property", "print.headers=true", "--formatter-property", "print.key=true"
    )
    assert shown == [
        "a:1,a:2,b:x\tkey\tvalue",
        "NO_HEADERS\tnull\tno key",
        "h:v\tgone\tnull",
        "h:ünï\tschlüssel\tgrün 🦦",
    ]


def test_partition_and_offset(tools, fresh):
    """--partition with --offset starts exactly there, and CreateTime timestamps never go back."""
    topic = tools.create(fresh())
    tools.produce(topic, [f"line {number}" for number in range(50)])
    done = tools(
        "kafka-console-consumer", "--topic", topic, "--partition", 0, "--offset", 40, "--max-messages", 10,
        "--timeout-ms", 30_000, "--formatter-property", "print.timestamp=true",
    )  # fmt: skip
    times, values = zip(*(line.split("\t") for line in done.lines))
    assert list(values) == [f"line {number}" for number in range(40, 50)]
    assert all(time.startswith("CreateTime:") for time in times)
    assert list(times) == sorted(times)


def test_every_acks_and_codec(tools, fresh):
    """The producer's acks 0, 1 and all and each codec deliver the same lines."""
    topic, sent = tools.create(fresh()), []
    for acks, codec in (("1", "gzip"), ("all", "snappy"), ("-1", "lz4"), ("1", "zstd"), ("0", "none")):
        lines = [f"{codec} {acks} {number} " + "x" * 100 for number in range(100)]
        tools.produce(
            topic, lines, "--compression-codec", codec, "--command-property", f"acks={acks}",
            "--command-property", "enable.idempotence=false",
        )  # fmt: skip
        sent += lines
    assert tools.consume(topic, 500) == sent


def test_group_goes_on_where_it_stopped(tools, fresh):
    """A second run of the same group reads only what came after the first."""
    topic, group = tools.create(fresh()), fresh("group")
    tools.produce(topic, ["one", "two", "three"])
    assert tools.consume(topic, 2, "--group", group) == ["one", "two"]
    assert tools.consume(topic, 1, "--group", group) == ["three"]


def test_include_pattern_reads_several_topics(tools, fresh):
    """--include subscribes by pattern, to the topics that match and to no other."""
    base = fresh()
    for suffix in ("x-1", "x-2", "y"):
        tools.produce(tools.create(f"{base}-{suffix}"), [suffix])
    done = tools(
        "kafka-console-consumer", "--include", f"{base}-x.*", "--from-beginning", "--max-messages", 2,
        "--timeout-ms", 30_000,
    )  # fmt: skip
    assert sorted(done.lines) == ["x-1", "x-2"]


def test_unknown_topic_without_auto_creation(start_broker, fresh):
    """With auto.create.topics.enable=false the producer is told the topic does not exist."""
    tools = Tools(start_broker(auto_create_topics_enable="false"))
    topic = fresh()
    done = tools.produce(topic, ["lost"], "--max-block-ms", 2_000)
    assert f"Topic {topic} not present in metadata after 2000 ms." in done.text
    assert topic not in tools.topics("--list").lines


def test_kill_9_and_restart(start_broker, fresh):
    """1,000 acknowledged lines in an auto-created topic outlive kill -9: all are read, in order."""
    broker = start_broker()
    tools, topic = Tools(broker), fresh()
    lines = [f"line {number}" for number in range(1_000)]
    tools.produce(topic, lines)
    described = tools.topics("--describe", "--topic", topic).out
    broker.kill()
    broker.start()
    assert tools.topics("--describe", "--topic", topic).out == described
    assert tools.consume(topic, 1_000) == lines
    tools.produce(topic, ["after"])
    assert tools.consume(topic, 1_001) == [*lines, "after"]


def test_clean_restart(start_broker, fresh):
    """A stop by SIGTERM exits cleanly and loses nothing: topics, configs, records, group offsets."""
    broker = start_broker()
    tools, group = Tools(broker), fresh("group")
    topic = tools.create(fresh(), partitions=2, max_message_bytes=54321)
    tools.produce(topic, ["a\t1", "b\t2", "c\t3"], "--reader-property", "parse.key=true")
    first = tools.consume(topic, 2, "--group", group)
    described, ends = tools.topics("--describe", "--topic", topic).out, tools.offsets(topic)
    broker.restart()
    assert "max.message.bytes=54321" in described
    assert tools.topics("--describe", "--topic", topic).out == described
    assert tools.offsets(topic) == ends
    assert sorted(first + tools.consume(topic, 1, "--group", group)) == ["1", "2", "3"]
