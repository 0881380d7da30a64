"""Work that goes on beside a test."""

import contextlib
import threading


@contextlib.contextmanager
def running(run_until):
    """A thread that does `run_until(stop)`; `stop` is set when the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=run_until, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
