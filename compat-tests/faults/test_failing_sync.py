"""Syncs and writes that fail: the log dir goes offline, nothing acknowledged is lost, and a restart brings it back."""

import os

import pytest

from faults.load import Load
from faults.tracing import injected
from faults.watch import wait_for

_SYNCS = [int(n) for n in os.environ.get("OTTLA_FAILING_SYNCS", "1 2 3 10 40").split()]
_WRITES = [int(n) for n in os.environ.get("OTTLA_FAILING_WRITES", "1 25 300").split()]
# The metadata log has no log dir of its own: it stops, and says so.
_FAILED = ("is offline", "the metadata log failed")


@pytest.mark.parametrize("call", _SYNCS)
def test_a_failed_sync_loses_nothing_acknowledged(call, start_broker):
    """The kernel answers EIO to one fdatasync of the broker; producers hear of it, and records stay what they were."""
    _check("fdatasync", call, start_broker())


@pytest.mark.parametrize("call", _WRITES)
def test_a_failed_write_loses_nothing_acknowledged(call, start_broker):
    """The same with one write to a file; what it left in the file is not served and not there after a restart."""
    _check("pwritev", call, start_broker())


def _check(calls, number, broker):
    load = Load(broker.bootstrap, "failing")
    load.create_topic()
    with injected(broker, calls, f"error=EIO:when={number}"):
        with load.running():
            wait_for(lambda: any(text in broker.log_text() for text in _FAILED), broker)
        broker.kill()
    broker.start()
    load.check()
