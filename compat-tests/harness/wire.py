"""The least of Kafka's protocol: Metadata, to see whether a broker answers; Fetch and AlterReplicaLogDirs, for the errors
that clients hide."""

import socket
import struct

_METADATA = 3
_VERSION = 1
_FETCH = 1
_FETCH_VERSION = 4
_ALTER_REPLICA_LOG_DIRS = 34
_ALTER_REPLICA_LOG_DIRS_VERSION = 1


def _receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("closed before the answer was complete")
        data += part
    return data


def _ask(port, key, version, body, timeout_s):
    client = b"compat-probe"
    request = struct.pack(">hhih", key, version, 1, len(client)) + client + body
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _receive(connection, 4))
        return _receive(connection, size)


def fetch_error(port, topic, partition=0, timeout_s=30):
    """Fetches from the start of a partition; returns the error code."""
    name = topic.encode()
    limits = struct.pack(">iiiib", -1, 0, 1, 1 << 20, 0)
    wanted = struct.pack(">iiqi", 1, partition, 0, 1 << 20)
    body = limits + struct.pack(">ih", 1, len(name)) + name + wanted
    answer = _ask(port, _FETCH, _FETCH_VERSION, body, timeout_s)
    # Correlation id, throttle time, one topic with its name, one partition with its number, then the code.
    return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]


def alter_replica_log_dir(port, path, topic, partition=0, timeout_s=30):
    """Asks for a partition to be moved to a log dir; returns the error code."""
    where, name = str(path).encode(), topic.encode()
    body = struct.pack(">ih", 1, len(where)) + where + struct.pack(">ih", 1, len(name)) + name
    body += struct.pack(">ii", 1, partition)
    answer = _ask(port, _ALTER_REPLICA_LOG_DIRS, _ALTER_REPLICA_LOG_DIRS_VERSION, body, timeout_s)
    # Correlation id, throttle time, one topic with its name, one partition with its number, then the code.
    return struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)[0]


def broker_count(port, timeout_s):
    """Asks the broker for its cluster; returns how many brokers are named, 0 without a controller."""
    answer = _ask(port, _METADATA, _VERSION, struct.pack(">i", 0), timeout_s)
    brokers, at = struct.unpack_from(">i", answer, 4)[0], 8
    for _ in range(brokers):
        at += 4
        at += 2 + struct.unpack_from(">h", answer, at)[0] + 4
        at += 2 + max(0, struct.unpack_from(">h", answer, at)[0])
    controller = struct.unpack_from(">i", answer, at)[0]
    return brokers if controller >= 0 else 0
