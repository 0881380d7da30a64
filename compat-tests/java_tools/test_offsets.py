"""kafka-get-offsets and kafka-delete-records."""

import json

import pytest

from harness.tools import Tools


@pytest.fixture
def filled(tools, fresh):
    """A topic of 2 partitions holding 12 and 8 records, in two batches each."""
    topic = tools.create(fresh(), partitions=2)
    for key, count in (("k3", 7), ("k1", 3), ("k3", 5), ("k1", 5)):
        lines = [f"{key}\t{number}" for number in range(count)]
        tools.produce(topic, lines, "--reader-property", "parse.key=true")
    ends = tools.offsets(topic)
    assert sorted(ends.values()) == [8, 12]
    return topic, ends


def test_get_offsets(tools, filled, fresh):
    """latest, earliest, max-timestamp, earliest-local, latest-tiered and times each give Kafka's answer."""
    topic, ends = filled
    nothing = dict.fromkeys(ends, 0)
    assert tools.offsets(topic, "--time", "-1") == ends
    assert tools.offsets(topic, "--time", "latest") == ends
    assert tools.offsets(topic, "--time", "-2") == nothing
    assert tools.offsets(topic, "--time", "-4") == nothing
    assert tools.offsets(topic, "--time", "-5") == {}
    assert tools.offsets(topic, "--time", "0") == nothing
    assert tools.offsets(topic, "--time", "99999999999999") == {}
    newest = tools.offsets(topic, "--time", "-3")
    starts_of_the_last_batches = {part: end - 5 for part, end in ends.items()}
    assert all(starts_of_the_last_batches[part] <= newest[part] < ends[part] for part in ends)
    one = next(iter(ends))
    assert tools.offsets(topic, "--partitions", one) == {one: ends[one]}
    missing = tools("kafka-get-offsets", "--topic", fresh(), code=1)
    assert "Could not match any topic-partitions with the specified filters" in missing.text


def test_offset_of_a_timestamp(tools, fresh):
    """--time T gives the first record at or after T."""
    topic, stamps = tools.create(fresh()), []
    for line in ("one", "two", "three"):
        tools.produce(topic, [line])
    shown = tools.consume(topic, 3, "--formatter-property", "print.timestamp=true")
    stamps = [int(line.split("\t")[0].removeprefix("CreateTime:")) for line in shown]
    assert stamps == sorted(set(stamps))
    for index, stamp in enumerate(stamps):
        assert tools.offsets(topic, "--time", stamp) == {0: index}
        assert tools.offsets(topic, "--time", stamp - 1) == {0: index}
    assert tools.offsets(topic, "--time", stamps[-1] + 1) == {}
    assert tools.offsets(topic, "--time", "max-timestamp") == {0: 2}


def delete_records(tools, tmp_path, offsets):
    wanted = [{"topic": topic, "partition": part, "offset": offset} for (topic, part), offset in offsets.items()]
    file = tmp_path / "offsets.json"
    file.write_text(json.dumps({"partitions": wanted, "version": 1}))
    done = tools("kafka-delete-records", "--offset-json-file", file)
    return [tuple(line.split("\t")) for line in done.lines if line.startswith("partition: ")]


def test_delete_records(tools, filled, tmp_path):
    """Records before an offset go: to 3 in one partition, -1 empties the other; reading starts there."""
    topic, ends = filled
    first, second = sorted(ends)
    result = delete_records(tools, tmp_path, {(topic, first): 3, (topic, second): -1})
    assert sorted(result) == [
        (f"partition: {topic}-{first}", "low_watermark: 3"),
        (f"partition: {topic}-{second}", f"low_watermark: {ends[second]}"),
    ]
    assert tools.offsets(topic, "--time", "-2") == {first: 3, second: ends[second]}
    assert tools.offsets(topic) == ends
    shown = tools.consume(topic, ends[first] - 3, "--formatter-property", "print.offset=true")
    assert [line.split("\t")[0] for line in shown] == [f"Offset:{offset}" for offset in range(3, ends[first])]


def test_delete_records_out_of_range(tools, filled, tmp_path):
    """An offset past the end is refused for that partition and deletes nothing."""
    topic, ends = filled
    ((partition, error),) = delete_records(tools, tmp_path, {(topic, 0): 300})
    assert partition == f"partition: {topic}-0"
    assert "OffsetOutOfRangeException" in error
    assert tools.offsets(topic, "--time", "-2") == dict.fromkeys(ends, 0)


def test_deleted_records_stay_deleted(start_broker, fresh, tmp_path):
    """The new log start outlives a clean stop and a kill -9 after it."""
    broker = start_broker()
    tools, topic = Tools(broker), fresh()
    tools.produce(topic, [str(number) for number in range(10)])
    delete_records(tools, tmp_path, {(topic, 0): 4})
    broker.stop()
    broker.start()
    broker.kill()
    broker.start()
    assert tools.offsets(topic, "--time", "-2") == {0: 4}
    assert tools.consume(topic, 6) == [str(number) for number in range(4, 10)]
