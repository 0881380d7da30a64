"""Syncs that fail: the log dir goes offline, nothing acknowledged is lost, and a restart brings it back."""

import os
import signal
import subprocess
import time

import pytest

from faults.load import Load

_CALLS = [int(n) for n in os.environ.get("OTTLA_FAILING_SYNCS", "1 2 3 10 40").split()]
_DEADLINE_S = 30


@pytest.mark.parametrize("call", _CALLS)
def test_a_failed_sync_loses_nothing_acknowledged(call, start_broker, tmp_path):
    """The kernel answers EIO to one fdatasync of the broker; producers hear of it, and records stay what they were."""
    broker = start_broker()
    load = Load(broker.bootstrap, "sync")
    load.create_topic()
    inject = f"inject=fdatasync:error=EIO:when={call}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject, "-p", str(broker.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        tracer.stderr.readline()  # it says that it is attached
        end = load.start()
        _wait_for(lambda: "is offline" in broker.log_text(), broker)
        end()
        broker.kill()
        tracer.send_signal(signal.SIGINT)
    broker.start()
    load.check()


def _wait_for(condition, broker):
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"no log dir went offline in {_DEADLINE_S} s\n{broker.log_tail()}"
        time.sleep(0.02)
