"""The least of Kafka's protocol: Metadata, to see whether a broker answers; Fetch, OffsetCommit and AlterReplicaLogDirs, for
the errors that clients hide; AddRaftVoter, to be there before the change is made."""

import socket
import struct

_METADATA = 3
_VERSION = 1
_FETCH = 1
_FETCH_VERSION = 4
_OFFSET_COMMIT = 8
_OFFSET_COMMIT_VERSION = 2
_FETCH_SNAPSHOT = 59
_ADD_RAFT_VOTER = 80
_ALTER_REPLICA_LOG_DIRS = 34
_ALTER_REPLICA_LOG_DIRS_VERSION = 1


def receive(connection, size):
    """So many bytes, however they come."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("closed before all had come")
        data += part
    return data


def _ask(port, key, version, body, timeout_s, host="127.0.0.1"):
    client = b"compat-probe"
    # Of the APIs here these have the header that ends in tagged fields.
    tags = b"\0" if key in (_FETCH_SNAPSHOT, _ADD_RAFT_VOTER) else b""
    request = struct.pack(">hhih", key, version, 1, len(client)) + client + tags + body
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", receive(connection, 4))
        return receive(connection, size)


def fetch_error(port, topic, partition=0, timeout_s=30):
    """Fetches from the start of a partition; returns the error code."""
    name = topic.encode()
    limits = struct.pack(">iiiib", -1, 0, 1, 1 << 20, 0)
    wanted = struct.pack(">iiqi", 1, partition, 0, 1 << 20)
    body = limits + struct.pack(">ih", 1, len(name)) + name + wanted
    answer = _ask(port, _FETCH, _FETCH_VERSION, body, timeout_s)
    # Correlation id, throttle time, one topic with its name, one partition with its number, then the code.
    return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]


def commit_error(port, group, topic, offset, partition=0, timeout_s=30):
    """Commits an offset for a group without members; returns the error code."""
    name, group = topic.encode(), group.encode()
    body = struct.pack(">h", len(group)) + group + struct.pack(">ihq", -1, 0, -1)
    body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiqh", 1, partition, offset, -1)
    answer = _ask(port, _OFFSET_COMMIT, _OFFSET_COMMIT_VERSION, body, timeout_s)
    # Correlation id, one topic with its name, one partition with its number, then the code.
    return struct.unpack_from(">h", answer, 4 + 4 + 2 + len(name) + 4 + 4)[0]


def alter_replica_log_dir(port, path, topic, partition=0, timeout_s=30):
    """Asks for a partition to be moved to a log dir; returns the error code."""
    where, name = str(path).encode(), topic.encode()
    body = struct.pack(">ih", 1, len(where)) + where + struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">ii", 1, partition)
    answer = _ask(port, _ALTER_REPLICA_LOG_DIRS, _ALTER_REPLICA_LOG_DIRS_VERSION, body, timeout_s)
    # Correlation id, throttle time, one topic with its name, one partition with its number, then the code.
    return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]


def fetch_snapshot(port, end_offset, epoch, leader_epoch, position, max_bytes, timeout_s=30):
    """Fetches a piece of a snapshot from a controller; returns error code, the snapshot's size, and the bytes."""
    name = b"__cluster_metadata"
    # Compact lists and strings have their lengths plus one in front; an empty list of tagged fields ends each struct.
    wanted = struct.pack(">iiqi", 0, leader_epoch, end_offset, epoch) + b"\0" + struct.pack(">q", position) + b"\0"
    topic = bytes([len(name) + 1]) + name + b"\x02" + wanted + b"\0"
    body = struct.pack(">ii", -1, max_bytes) + b"\x02" + topic + b"\0"
    answer = _ask(port, _FETCH_SNAPSHOT, 0, body, timeout_s)
    # Correlation id and tags, throttle time, error code; one topic with its name, one partition with its number.
    at = 4 + 1 + 4
    assert struct.unpack_from(">h", answer, at)[0] == 0
    at += 2 + 1 + 1 + len(name) + 1 + 4
    error = struct.unpack_from(">h", answer, at)[0]
    at += 2 + 8 + 4 + 1
    size, place = struct.unpack_from(">qq", answer, at)
    at += 16
    length = shift = 0
    while True:
        byte = answer[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    length = max(0, length - 1)
    assert place == (position if error == 0 else 0)
    return error, size, answer[at : at + length]


def add_raft_voter(port, voter_id, directory, voter_port, timeout_s=30):
    """Asks a controller to give another one, on this machine, a vote; returns the error code."""
    name, host = b"CONTROLLER", b"127.0.0.1"
    # No cluster id; compact strings and lists have their lengths plus one in front, and structs end in tagged fields.
    body = b"\0" + struct.pack(">ii", timeout_s * 1000, voter_id) + directory + b"\x02"
    body += bytes([len(name) + 1]) + name + bytes([len(host) + 1]) + host + struct.pack(">H", voter_port) + b"\0"
    answer = _ask(port, _ADD_RAFT_VOTER, 0, body + b"\0", timeout_s)
    # Correlation id and tags, throttle time, then the code.
    return struct.unpack_from(">h", answer, 4 + 1 + 4)[0]


def accepts(host, port, timeout_s=5):
    """Whether somebody listens there: a controller tells nobody of brokers."""
    socket.create_connection((host, port), timeout=timeout_s).close()
    return True


def broker_count(port, timeout_s, host="127.0.0.1"):
    """Asks the broker for its cluster; returns how many brokers are named, 0 without a controller."""
    answer = _ask(port, _METADATA, _VERSION, struct.pack(">i", 0), timeout_s, host)
    brokers, at = struct.unpack_from(">i", answer, 4)[0], 8
    for _ in range(brokers):
        at += 4
        at += 2 + struct.unpack_from(">h", answer, at)[0] + 4
        at += 2 + max(0, struct.unpack_from(">h", answer, at)[0])
    controller = struct.unpack_from(">i", answer, at)[0]
    return brokers if controller >= 0 else 0
