"""Kafka Connect: lines of one file go through a topic into another."""

import pytest

from harness.tools import table
from harness.waiting import eventually
from worker import distributed, sink, source, standalone


class Lines:
    """The two files, and the lines written so far."""

    def __init__(self, folder):
        self.input, self.output, self.written = folder / "input", folder / "output", 0
        self.input.touch()
        self.output.touch()

    def write(self, count):
        with self.input.open("a") as file:
            file.writelines(f"line {self.written + each}\n" for each in range(count))
        self.written += count

    def come_out(self):
        """All lines, each once and in order."""
        eventually(lambda: self.output.read_text().count("\n") >= self.written, "not all lines came out")
        self.are_as_written()

    def are_as_written(self):
        assert self.output.read_text().splitlines() == [f"line {number}" for number in range(self.written)]


@pytest.fixture
def lines(tmp_path):
    return Lines(tmp_path)


def test_standalone(broker, topic, lines, tmp_path):
    """Lines come out in order, none lost or doubled, though the worker is stopped and started amid them."""
    through = topic()
    connectors = [source(lines.input, through), sink(lines.output, through)]
    lines.write(2_000)
    with standalone(broker.bootstrap, tmp_path / "worker", connectors):
        lines.come_out()
        lines.write(20_000)
        eventually(lambda: lines.output.read_text().count("\n") > 2_000, "no further line came out")
    lines.write(2_000)
    with standalone(broker.bootstrap, tmp_path / "worker", connectors):
        lines.come_out()
    lines.are_as_written()


def test_distributed(broker, tools, topic, fresh, lines, tmp_path):
    """Two workers of a group share two connectors; one is killed with -9, and the other goes on where that had committed."""
    through, group = topic(), fresh("group")
    with (
        distributed(broker.bootstrap, tmp_path / "one", group) as one,
        distributed(broker.bootstrap, tmp_path / "two", group) as two,
    ):
        one.wait_until_healthy()
        two.wait_until_healthy()
        reads, writes = source(lines.input, through), sink(lines.output, through)
        one.create(reads)
        two.create(writes)
        reader, writer = reads["name"], writes["name"]
        parts = {(name, part) for name in (reader, writer) for part in ("connector", 0)}

        def shared_out():
            places = one.places()
            apart = places.get((reader, 0)) != places.get((writer, 0))
            return places if apart and places.keys() == parts else None

        places = eventually(shared_out, "not shared out")
        assert set(places.values()) == {one.address, two.address}
        types = table(tools("kafka-groups", "--list").out)
        assert [(row["TYPE"], row["PROTOCOL"]) for row in types if row["GROUP"] == group] == [("Classic", "connect")]
        lines.write(2_000)
        lines.come_out()
        eventually(lambda: one.offset(reader) == lines.input.stat().st_size, "what the source read is not committed")
        eventually(lambda: one.offset(writer) == lines.written, "what the sink wrote is not committed")
        ends, stays = (one, two) if places[reader, 0] == one.address else (two, one)
        ends.kill()
        lines.write(2_000)
        eventually(lambda: stays.places() == dict.fromkeys(parts, stays.address), "not taken over")
        lines.come_out()
    lines.are_as_written()
