"""The least of Kafka's protocol: one Metadata request, to see whether a broker answers."""

import socket
import struct

_METADATA = 3
_VERSION = 1


def _receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("closed before the answer was complete")
        data += part
    return data


def broker_count(port, timeout_s):
    """Asks the broker for its cluster; returns how many brokers are named, 0 without a controller."""
    client = b"compat-probe"
    body = struct.pack(">hhih", _METADATA, _VERSION, 1, len(client)) + client + struct.pack(">i", 0)
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        (size,) = struct.unpack(">i", _receive(connection, 4))
        answer = _receive(connection, size)
    brokers, at = struct.unpack_from(">i", answer, 4)[0], 8
    for _ in range(brokers):
        at += 4
        at += 2 + struct.unpack_from(">h", answer, at)[0] + 4
        at += 2 + max(0, struct.unpack_from(">h", answer, at)[0])
    controller = struct.unpack_from(">i", answer, at)[0]
    return brokers if controller >= 0 else 0
