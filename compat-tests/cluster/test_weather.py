"""The bad weather that clusters are tested in is what it is said to be, meets whom it is for, and is over when it is over."""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import netns, weather
from harness.run import run
from harness.weather import Weather, need_tun

BAD = Weather(lost=0.2, doubled=0.1, least_s=0.02, most_s=0.06)
COUNT = 600
_CLONE_NEWNET = 0x40000000
_KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from harness import netns
from harness.weather import Weather
network = netns.Network()
for name in ("a", "b"):
    network.add(name)
with network.in_weather(("a", "b"), Weather(), 1):
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def network():
    need_tun()
    network = netns.Network()
    for name in ("a", "b", "c"):
        network.add(name)
    yield network
    network.close()


def opened(host, *kind):
    """A socket of a host, wherever it is used: a thread goes there to open it."""
    made = []

    def open_there():
        with open(host.launcher[1].partition("=")[2]) as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) == 0
        made.append(socket.socket(socket.AF_INET, *kind))

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join()
    return made[0]


def datagrams(network, one, other):
    """Sends one a millisecond; answers of each that came, in this order, its number and the seconds it took."""
    came = []
    with opened(network.hosts[one], socket.SOCK_DGRAM) as sender, opened(network.hosts[other], socket.SOCK_DGRAM) as receiver:
        receiver.bind((network.hosts[other].address, 0))

        def take(seconds):
            until = time.monotonic() + seconds
            while select.select([receiver], [], [], max(0, until - time.monotonic()))[0]:
                number, sent = struct.unpack("Id", receiver.recv(100))
                came.append((number, time.monotonic() - sent))

        for number in range(COUNT):
            sender.sendto(struct.pack("Id", number, time.monotonic()), receiver.getsockname())
            take(0.001)
        take(0.3)
    return came


def open_files():
    """What this process has open, of which others may be closed at any time."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return found


def is_fair(came):
    numbers = [number for number, _ in came]
    return numbers == list(range(COUNT)) and min(seconds for _, seconds in came) < BAD.least_s / 2


def test_packets_are_lost_doubled_late_and_out_of_order(network):
    assert is_fair(datagrams(network, "a", "b"))
    with network.in_weather(("a", "b"), BAD, 7) as router:
        came = datagrams(network, "a", "b")
        assert is_fair(datagrams(network, "c", "b")) and is_fair(datagrams(network, "a", "c"))
    numbers = [number for number, _ in came]
    lost = 1 - len(set(numbers)) / COUNT
    # Both copies of one that is doubled may be lost.
    assert 0.1 < lost < 0.3 and router.lost > COUNT * 0.1, (lost, router.lost)
    assert len(numbers) - len(set(numbers)) > COUNT * 0.03
    assert min(seconds for _, seconds in came) >= BAD.least_s
    assert max(seconds for _, seconds in came) > (BAD.least_s + BAD.most_s) / 2
    overtaken = sum(before > number for before, number in zip(numbers, numbers[1:]))
    assert overtaken > COUNT / 10 and router.overtaken > COUNT / 10, (overtaken, router.overtaken)
    assert is_fair(datagrams(network, "a", "b"))


def test_a_connection_gets_through_it_and_outlives_it(network):
    """What TCP mends is whole: nothing that is sent is changed."""
    data = os.urandom(1 << 18)
    with opened(network.hosts["b"], socket.SOCK_STREAM) as listener, opened(network.hosts["a"], socket.SOCK_STREAM) as client:
        listener.bind((network.hosts["b"].address, 0))
        listener.listen()
        client.connect(listener.getsockname())
        server = listener.accept()[0]
        with server:

            def there(data):
                sending = threading.Thread(target=client.sendall, args=(data,))
                sending.start()
                got = b""
                while len(got) < len(data):
                    got += server.recv(1 << 16)
                sending.join()
                return got

            with network.in_weather(("a", "b"), Weather(0.02, 0.05, 0.001, 0.01), 3) as router:
                assert there(data) == data
            assert router.lost and router.overtaken
            assert there(data) == data


def test_nothing_is_left_when_the_block_fails(network):
    before = open_files()
    with pytest.raises(ZeroDivisionError), network.in_weather(("a", "b"), BAD, 1):
        assert "weather0" in run(["ip", "-n", network.hosts["a"].namespace, "route"]).out
        raise ZeroDivisionError
    # A host that is not there any more, once the others are set up.
    gone = netns.Host(network, 99, "gone")
    network.hosts["gone"] = gone
    with pytest.raises(AssertionError, match="gone"), network.in_weather(("a", "gone"), BAD, 1):
        pass
    del network.hosts["gone"]
    for host in ("a", "b"):
        links = json.loads(run(["ip", "-j", "-n", network.hosts[host].namespace, "link"]).out)
        assert {link["ifname"] for link in links} == {"lo", "eth0"}
    assert open_files() <= before
    assert is_fair(datagrams(network, "a", "b"))


def test_without_tun_devices_cases_are_skipped_with_the_reason(monkeypatch):
    monkeypatch.setattr(weather, "_TUN", "/dev/net/none")
    with pytest.raises(pytest.skip.Exception, match="/dev/net/none cannot be opened"):
        need_tun()


def test_the_next_run_removes_what_one_that_was_killed_left():
    need_tun()
    netns.need_namespaces()
    command = [sys.executable, "-B", "-c", _KILLED, str(Path(netns.__file__).parent.parent)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert killed.stdout.readline() == b"up\n"
    left = lambda: [*Path("/run/netns").glob(f"ottla-{killed.pid}-*"), *Path("/sys/class/net").glob(f"ot{killed.pid}*")]  # noqa: E731
    assert len(left()) >= 4
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    netns.sweep()
    assert not left()
