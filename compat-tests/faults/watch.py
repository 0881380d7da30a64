"""Waiting for what a broker's log says, under a deadline."""

import time

_DEADLINE_S = 90


def wait_for(condition, broker, deadline_s=_DEADLINE_S):
    """Fails with the end of the broker's log."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"nothing of the kind in {deadline_s} s\n{broker.log_tail()}"
        time.sleep(0.02)


def wait_for_line(text, broker, count=1):
    wait_for(lambda: broker.log_text().count(text) >= count, broker)
