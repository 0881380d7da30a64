"""Free TCP ports that the kernel does not also give to outgoing connections."""

import random
import socket

# Below Linux's default ephemeral range: a broker that is down for a moment must find its port free.
_RANGE = range(20_000, 32_000)
_TRIES = 1_000
# What was given away: nobody may listen there yet, or not at this moment.
_given = set()


def free_ports(count):
    held = []
    if len(_RANGE) - len(_given) < _TRIES:
        _given.clear()
    try:
        for port in random.sample([port for port in _RANGE if port not in _given], _TRIES):
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                candidate.close()
                continue
            held.append(candidate)
            if len(held) == count:
                found = [each.getsockname()[1] for each in held]
                _given.update(found)
                return found
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
