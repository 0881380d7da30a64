"""Waits for what a test cannot be told of."""

import time

DEADLINE_S = 60


def eventually(question, otherwise):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + DEADLINE_S
    while not (answer := question()):
        assert time.monotonic() < end, f"after {DEADLINE_S} s: {otherwise}"
        time.sleep(0.02)
    return answer
