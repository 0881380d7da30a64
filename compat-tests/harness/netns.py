"""Hosts of their own on one machine: network namespaces on a bridge, and what can go wrong between them.

Rules are iptables' of the namespaces, so that they go with them. What a run that was killed left behind is removed by the next:
all names carry the process id of the run.
"""

import contextlib
import itertools
import os
import random
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from harness.run import run
from harness.weather import between

_NETNS = Path("/run/netns")
_numbers = itertools.count()


def need_namespaces():
    """Skips the case where this machine cannot make hosts, and says why."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    for program in ("ip", "iptables", "nsenter"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}")
    name = f"ottla-{os.getpid()}-probe"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"network namespaces cannot be made here: {tried.stderr.strip()}")
    probe = ["nsenter", f"--net={_NETNS / name}", "iptables", "-w", "-A", "INPUT", "-s", "10.0.0.1", "-j", "DROP"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    run(["ip", "netns", "del", name])
    if tried.returncode != 0:
        pytest.skip(f"iptables does not work in a namespace: {tried.stderr.strip()}")


def sweep():
    """Removes what runs that ended without a word left behind."""
    dead = lambda pid: not Path(f"/proc/{pid}").exists()  # noqa: E731
    for path in _NETNS.glob("ottla-*-*"):
        if dead(path.name.split("-")[1]):
            subprocess.run(["ip", "netns", "del", path.name], check=False)
    for link in Path("/sys/class/net").glob("ot*"):
        found = re.fullmatch(r"ot(\d+)[bx]\d+(x\d+)?", link.name)
        if found and dead(found[1]):
            subprocess.run(["ip", "link", "del", link.name], check=False, stderr=subprocess.DEVNULL)


def _free_subnet():
    """The first three numbers of a network that this machine has no address in."""
    taken = run(["ip", "-4", "-o", "addr"]).out + run(["ip", "-4", "route"]).out
    while True:
        # Not from the generator of the tests, which a seed may have set.
        high, low = os.urandom(2)
        subnet = f"10.{high}.{low}"
        if f"{subnet}." not in taken and not taken.count(f" 10.{high}.0.0/16"):
            return subnet


class Host:
    """A namespace with one address. What is started with `launcher` before it runs there."""

    def __init__(self, network, number, name):
        self.name, self.address = name, f"{network.subnet}.{number}"
        self.namespace = f"{network.namespaces}-{name}"
        self.launcher = ("nsenter", f"--net={_NETNS / self.namespace}")

    def iptables(self, *arguments):
        run([*self.launcher, "iptables", "-w", *arguments])


class Network:
    """Hosts by name on one bridge, whose own address is this namespace's way to them, which is never cut."""

    def __init__(self):
        need_namespaces()
        sweep()
        number = next(_numbers)
        self.subnet = _free_subnet()
        self.namespaces = f"ottla-{os.getpid()}-{number}"
        self._prefix = f"ot{os.getpid()}"
        self._bridge = f"{self._prefix}b{number}"
        self._number = number
        self.hosts = {}
        run(["ip", "link", "add", self._bridge, "type", "bridge"])
        try:
            run(["ip", "addr", "add", f"{self.subnet}.254/24", "dev", self._bridge])
            run(["ip", "link", "set", self._bridge, "up"])
        except BaseException:
            self.close()
            raise

    def add(self, name):
        host = Host(self, len(self.hosts) + 1, name)
        self.hosts[name] = host
        outer = f"{self._prefix}x{self._number}x{len(self.hosts)}"
        assert len(outer) < 16, outer
        run(["ip", "netns", "add", host.namespace])
        run(["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", host.namespace])
        run(["ip", "link", "set", outer, "master", self._bridge, "up"])
        for command in (
            ["link", "set", "lo", "up"], ["addr", "add", f"{host.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"],
        ):  # fmt: skip
            run(["ip", "-n", host.namespace, *command])
        return host

    def close(self):
        """What runs in the namespaces must have ended; with them go their links and rules."""
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.namespace], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", self._bridge], check=False, stderr=subprocess.DEVNULL)

    def isolate(self, name):
        """The host sees nobody, nobody sees it; connections stay as if nothing were sent."""
        self.hosts[name].iptables("-A", "INPUT", "-i", "eth0", "-j", "DROP")
        self.hosts[name].iptables("-A", "OUTPUT", "-o", "eth0", "-j", "DROP")

    def cut(self, one, other, reset=False):
        """These two do not see each other; others see both. With `reset`, whoever sends is told at once."""
        if reset:
            self._reset(one, other)
            self._reset(other, one)
        else:
            self.cut_one_way(one, other)
            self.cut_one_way(other, one)

    def cut_one_way(self, sender, receiver):
        """What the sender sends does not arrive; what it is sent does."""
        self.hosts[sender].iptables("-A", "OUTPUT", "-d", self.hosts[receiver].address, "-j", "DROP")

    def _reset(self, sender, receiver):
        # A reset itself must come through, or nobody would learn of it.
        self.hosts[receiver].iptables(
            "-A", "INPUT", "-p", "tcp", "-s", self.hosts[sender].address, "!", "--tcp-flags", "RST", "RST",
            "-j", "REJECT", "--reject-with", "tcp-reset",
        )  # fmt: skip

    def cut_from(self, name, others, reset=False):
        for other in others:
            self.cut(name, other, reset)

    def in_weather(self, names, weather, seed):
        """While the block runs these hosts see each other through bad weather; yields the router."""
        return between([self.hosts[name] for name in names], weather, seed, self._prefix)

    def heal(self):
        for host in self.hosts.values():
            host.iptables("-F")

    @contextlib.contextmanager
    def flapping(self, cut, seed, shortest_s=0.1, longest_s=1.0):
        """While the block runs, `cut()` is made and healed in turns of random length."""
        stop, chance, problems = threading.Event(), random.Random(seed), []

        def flap():
            try:
                while not stop.is_set():
                    cut()
                    stop.wait(chance.uniform(shortest_s, longest_s))
                    self.heal()
                    stop.wait(chance.uniform(shortest_s, longest_s))
            except Exception as problem:  # noqa: BLE001
                problems.append(problem)

        thread = threading.Thread(target=flap)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.heal()
            assert not problems, problems
