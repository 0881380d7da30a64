"""Produce and Fetch as today's clients send them (topics by name and by id), for what clients take in and do not show."""

import socket
import struct
import uuid
from dataclasses import dataclass, field

from harness.wire import receive

PRODUCE_VERSION = 12
FETCH_VERSION = 17


@dataclass
class Answer:
    """What a broker says of one partition, and the brokers that it names: {id: (host, port, rack)}."""

    error: int
    leader: tuple = (-1, -1)
    high_watermark: int = -1
    preferred: int = -1
    records: bytes = b""
    aborted: object = None
    nodes: dict = field(default_factory=dict)


class _Reader:
    def __init__(self, data):
        self._data = data
        self._at = 0

    def take(self, size):
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, form):
        return struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def bytes(self):
        """None where there is null."""
        length = self.varint() - 1
        return None if length < 0 else self.take(length)

    def text(self):
        found = self.bytes()
        return None if found is None else found.decode()

    def array(self, read):
        """None where there is null."""
        count = self.varint() - 1
        return None if count < 0 else [read() for _ in range(count)]

    def tags(self):
        """{tag: reader of its field}."""
        return {self.varint(): _Reader(self.take(self.varint())) for _ in range(self.varint())}


def _varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _bytes(value):
    return _varint(0) if value is None else _varint(len(value) + 1) + value


def _text(value):
    return _bytes(None if value is None else value.encode())


def _ask(port, key, version, body, timeout_s=30):
    client = b"compat-probe"
    request = struct.pack(">hhih", key, version, 1, len(client)) + client + b"\0" + body
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", receive(connection, 4))
        reader = _Reader(receive(connection, size))
    assert reader.number("i") == 1
    assert not reader.tags()
    return reader


def _leader(tags, tag):
    if tag not in tags:
        return -1, -1
    reader = tags[tag]
    return reader.number("i"), reader.number("i")


def _nodes(tags):
    if 0 not in tags:
        return {}
    reader = tags[0]

    def node():
        found = reader.number("i"), (reader.text(), reader.number("i"), reader.text())
        assert not reader.tags()
        return found

    return dict(reader.array(node))


def fetch(port, topic_id, partition=0, offset=0, leader_epoch=-1, rack="", max_wait_ms=0, replica=None):
    """Fetches a partition of a topic with an id (uuid.UUID), as a consumer or as (replica, its epoch)."""
    wanted = struct.pack(">iiqiqi", partition, leader_epoch, offset, -1, -1, 1 << 20) + b"\0"
    topic = topic_id.bytes + _varint(2) + wanted + b"\0"
    limits = struct.pack(">iiibii", max_wait_ms, 1, 1 << 20, 0, 0, -1)
    tags = b"\0"
    if replica:
        state = struct.pack(">iq", *replica) + b"\0"
        tags = _varint(1) + _varint(1) + _varint(len(state)) + state
    reader = _ask(port, 1, FETCH_VERSION, limits + _varint(2) + topic + _varint(1) + _text(rack) + tags)
    assert reader.number("i") == 0
    whole = reader.number("h")
    reader.number("i")
    answers = []

    def partition_data():
        index, error, high_watermark = reader.number("i"), reader.number("h"), reader.number("q")
        assert index == partition
        reader.take(16)
        aborted = reader.array(lambda: (reader.number("q"), reader.number("q"), reader.tags()))
        preferred, records = reader.number("i"), reader.bytes()
        leader = _leader(reader.tags(), 1)
        answers.append(Answer(error, leader, high_watermark, preferred, records or b"", aborted))

    def topic_data():
        assert uuid.UUID(bytes=reader.take(16)) == topic_id
        reader.array(partition_data)
        assert not reader.tags()

    reader.array(topic_data)
    if whole:
        return Answer(whole)
    [answer] = answers
    answer.nodes = _nodes(reader.tags())
    return answer


def produce(port, topic, records, partition=0, acks=-1, timeout_ms=30_000):
    """Produces a batch as another partition has it."""
    data = struct.pack(">i", partition) + _bytes(records) + b"\0"
    wanted = _text(topic) + _varint(2) + data + b"\0"
    body = _text(None) + struct.pack(">hi", acks, timeout_ms) + _varint(2) + wanted + b"\0"
    reader = _ask(port, 0, PRODUCE_VERSION, body)
    answers = []

    def partition_response():
        index, error = reader.number("i"), reader.number("h")
        assert index == partition
        reader.take(24)
        reader.array(lambda: (reader.number("i"), reader.text(), reader.tags()))
        reader.text()
        answers.append(Answer(error, _leader(reader.tags(), 0)))

    def topic_response():
        assert reader.text() == topic
        reader.array(partition_response)
        assert not reader.tags()

    reader.array(topic_response)
    assert reader.number("i") == 0
    [answer] = answers
    answer.nodes = _nodes(reader.tags())
    return answer
