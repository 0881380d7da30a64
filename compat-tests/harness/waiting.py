"""Waits for what a test cannot be told of."""

import time

DEADLINE_S = 60


def eventually(question, otherwise, seconds=DEADLINE_S):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < end, f"after {seconds} s: {otherwise}"
        time.sleep(0.02)
    return answer
