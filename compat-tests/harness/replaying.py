"""A way to a broker on which some requests are heard again or only late, on another connection, as a network may do to them."""

import heapq
import itertools
import random
import socket
import struct
import threading
import time
from collections import Counter

from harness import ports
from harness.wire import receive

PRODUCE, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 0, 24, 25, 26, 28
_TRANSACTIONAL = {PRODUCE, ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT}
# Of these versions on headers end in tagged fields, and lists and strings are compact.
_FLEXIBLE = {END_TXN: 3, TXN_OFFSET_COMMIT: 3}
_TWICE, _LATE = 0.4, 0.03
_DELAYS_S = [0.002, 0.02, 0.1, 0.5, 2]
_TIMEOUT_S = 30


def _frame(connection):
    size = receive(connection, 4)
    return size + receive(connection, *struct.unpack(">i", size))


def _error_code(api, answer):
    """The error code of an answer whose correlation id, tags and throttle time are in front."""
    at = 4 + 1 + 4
    if api == TXN_OFFSET_COMMIT:
        # One topic with its name, one partition with its number.
        at += 1 + answer[at + 1] + 1 + 4
    return struct.unpack_from(">h", answer, at)[0]


class Replaying:
    """Listens on `port`, and leads to a broker from `lead_to` on. `heard` counts by API and error code what came a second time."""

    def __init__(self, seed):
        (self.port,) = ports.free_ports(1)
        self.heard = Counter()
        self._broker_port, self._chance = None, random.Random(seed)
        self._waiting, self._numbers = [], itertools.count()
        self._changed = threading.Condition()
        self._ended = False
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)

    def lead_to(self, broker_port):
        self._broker_port = broker_port
        for work in (self._accept, self._replay):
            threading.Thread(target=work, daemon=True).start()

    def close(self):
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        # So that the thread that accepts wakes up.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self._broker_port), timeout=_TIMEOUT_S)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            broker = self._connect()
        except OSError:
            client.close()
            return
        broker.settimeout(None)
        threading.Thread(target=self._answer, args=(broker, client), daemon=True).start()
        try:
            while True:
                frame = _frame(client)
                if self._is_lost(frame):
                    break
                broker.sendall(frame)
        except OSError:
            pass
        for each in (client, broker):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def _answer(broker, client):
        with broker, client:
            try:
                while data := broker.recv(1 << 16):
                    client.sendall(data)
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _is_lost(self, frame):
        """Whether a request does not go on now, and its connection breaks. It or another of it may come later."""
        (api,) = struct.unpack_from(">h", frame, 4)
        if api not in _TRANSACTIONAL:
            return False
        with self._changed:
            chance = self._chance.random()
            if chance < _LATE + _TWICE:
                due = time.monotonic() + self._chance.choice(_DELAYS_S)
                heapq.heappush(self._waiting, (due, next(self._numbers), api, frame))
                self._changed.notify_all()
            return chance < _LATE

    def _replay(self):
        while True:
            with self._changed:
                while not self._ended and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                    self._changed.wait(max(0, self._waiting[0][0] - time.monotonic()) if self._waiting else None)
                if self._ended:
                    return
                _, _, api, frame = heapq.heappop(self._waiting)
            try:
                with self._connect() as connection:
                    connection.sendall(frame)
                    answer = _frame(connection)[4:]
            except OSError:
                continue
            (version,) = struct.unpack_from(">h", frame, 6)
            told = api in _FLEXIBLE and version >= _FLEXIBLE[api]
            self.heard[api, _error_code(api, answer) if told else None] += 1
