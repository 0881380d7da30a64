"""Works that need a broker of their own: how it starts, and what memory it has."""

import socket
import struct
import time

import running


def idle(it, _seconds):
    """Of a broker that was started before: its first start makes its files."""
    it.broker.stop()
    figures = {"start to Metadata s": it.start()}
    time.sleep(3)
    memory = it.memory_mib
    with it.spending() as spent:
        time.sleep(3)
    return figures | {"memory MiB": memory, "CPU ms a second": spent.cpu_s / spent.seconds * 1000}


def many(partitions):
    """What partitions cost, with a little data in each, and how soon they are served after kill -9."""

    def work(it, _seconds):
        it.fresh(10)
        before = it.memory_mib
        topic, answered, served = it.create(partitions)
        memory = it.memory_mib
        running.settle()
        it.load("produce", topic, partitions=partitions, connections=8, rate=20, seconds=partitions / 400)
        loaded = it.memory_mib
        it.broker.kill()
        running.settle()
        began = time.monotonic()
        it.start()
        it.wait_for_ends(topic, partitions)
        return {
            "create s": answered,
            "create and serve s": served,
            "memory MiB": memory,
            "memory a partition KiB": (memory - before) / partitions * 1024,
            "memory after load MiB": loaded,
            "served after kill -9 s": time.monotonic() - began,
        }

    return work


def connections(count):
    """Connections that have each asked for ApiVersions once."""
    body = struct.pack(">hhih", 18, 0, 1, 1) + b"p"
    request = struct.pack(">i", len(body)) + body

    def work(it, _seconds):
        before = it.memory_mib
        held = []
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", it.broker.port))
            connection.sendall(request)
            assert connection.recv(4096), "closed instead of answered"
            held.append(connection)
        time.sleep(2)
        memory = it.memory_mib
        for each in held:
            each.close()
        return {"memory a connection KiB": (memory - before) / count * 1024}

    return work
