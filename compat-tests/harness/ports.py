"""Free TCP ports that the kernel does not also give to outgoing connections."""

import itertools
import random
import socket

# Below Linux's default ephemeral range: a broker that is down for a moment must find its port free.
_RANGE = range(20_000, 32_000)
# Whoever is given a port listens there only later, and not all the time: no port is given again before all others were.
_next = itertools.cycle(random.sample(_RANGE, len(_RANGE)))


def free_ports(count):
    held = []
    try:
        for port in itertools.islice(_next, 1_000):
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                candidate.close()
                continue
            held.append(candidate)
            if len(held) == count:
                return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
    raise RuntimeError(f"fewer than {count} free ports in {_RANGE}")


def is_free(port):
    """Whether somebody could listen there now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
