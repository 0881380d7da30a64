"""Bad weather between hosts of a network: packets are late, lost, doubled and out of order, by a router of TUN devices.

Each host sends what is for another through a device of its own to this process, which lets it arrive as a seed decides. Only
what hosts send to each other passes here: their addresses stay what they are.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass

import pytest

from harness.run import run

_TUN = "/dev/net/tun"
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 1, 0x1000
_LARGEST = 1 << 16
_DEVICE = "weather0"


def missing():
    """Why there can be no such router here, or None."""
    try:
        os.close(os.open(_TUN, os.O_RDWR))
    except OSError as error:
        return f"no bad weather between hosts: {_TUN} cannot be opened ({error.strerror})"
    return None


def need_tun():
    """Skips the case where this machine has no TUN devices, and says why."""
    if reason := missing():
        pytest.skip(reason)


@dataclass
class Weather:
    """What becomes of a packet: shares of 1, and seconds. What is much later than the next one comes after it."""

    lost: float = 0.0
    doubled: float = 0.0
    least_s: float = 0.0
    most_s: float = 0.0


class Router:
    """Takes packets of some hosts and hands them to others, in a thread."""

    def __init__(self, hosts, weather, seed, prefix):
        self._weather, self._chance = weather, random.Random(seed)
        # Packets that arrived, that did not, and that arrived after one that was sent later.
        self.passed = self.lost = self.overtaken = 0
        self._devices, self._waiting, self._count, self._latest = {}, [], 0, 0
        self._wake, self._stop = os.pipe()
        self._problems = []
        self._thread = threading.Thread(target=self._run)
        try:
            for number, host in enumerate(hosts):
                self._devices[socket.inet_aton(host.address)] = _open(f"{prefix}w{number}")
                _set_up(f"{prefix}w{number}", host)
            for host in hosts:
                for other in hosts:
                    if other is not host:
                        _ip(host, "route", "add", f"{other.address}/32", "dev", _DEVICE, "src", host.address)
            self._thread.start()
        except BaseException:
            self._close_files()
            raise

    def close(self):
        """Packets on their way are lost; the devices go with their files, and the routes with them."""
        os.write(self._stop, b".")
        self._thread.join()
        self._close_files()
        assert not self._problems, self._problems

    def _close_files(self):
        for file in (*self._devices.values(), self._wake, self._stop):
            os.close(file)

    def _run(self):
        try:
            while True:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                ready, _, _ = select.select(
                    [self._wake, *self._devices.values()], [], [], wait if wait is None else max(0, wait)
                )
                if self._wake in ready:
                    return
                for device in ready:
                    self._take(device)
                while self._waiting and self._waiting[0][0] <= time.monotonic():
                    _, number, device, packet = heapq.heappop(self._waiting)
                    os.write(device, packet)
                    self.passed += 1
                    self.overtaken += number < self._latest
                    self._latest = max(number, self._latest)
        except Exception as problem:  # noqa: BLE001
            self._problems.append(problem)

    def _take(self, device):
        # A few at a time, so that those who wait go out in time.
        for _ in range(64):
            try:
                packet = os.read(device, _LARGEST)
            except BlockingIOError:
                return
            # The receiver's address, if it is of version 4.
            receiver = self._devices.get(packet[16:20]) if packet[0] >> 4 == 4 else None
            if receiver is None:
                continue
            copies = 2 if self._chance.random() < self._weather.doubled else 1
            for _ in range(copies):
                if self._chance.random() < self._weather.lost:
                    self.lost += 1
                    continue
                due = time.monotonic() + self._chance.uniform(self._weather.least_s, self._weather.most_s)
                self._count += 1
                heapq.heappush(self._waiting, (due, self._count, receiver, packet))


def _open(name):
    """A new device; who has the file is at its other end, and with the file it goes."""
    file = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except BaseException:
        os.close(file)
        raise
    return file


def _set_up(name, host):
    """The device is the host's."""
    run(["ip", "link", "set", name, "netns", host.namespace, "name", _DEVICE])
    # Packets come in where no route to their sender may lead yet.
    for part in ("all", _DEVICE):
        run([*host.launcher, "sh", "-c", f"echo 0 > /proc/sys/net/ipv4/conf/{part}/rp_filter"])
    _ip(host, "link", "set", _DEVICE, "up")


def _ip(host, *arguments):
    run(["ip", "-n", host.namespace, *arguments])


@contextlib.contextmanager
def between(hosts, weather, seed, prefix):
    """While the block runs; yields the router, which counts."""
    router = Router(hosts, weather, seed, prefix)
    try:
        yield router
    finally:
        router.close()
