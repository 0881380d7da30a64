"""System calls of a broker that fail or take long, by strace, which attaches to it as it runs."""

import contextlib
import shutil
import signal
import subprocess

import pytest


@contextlib.contextmanager
def injected(broker, calls, fault, path=None):
    """`fault` as in strace's inject option, for these system calls, on one file if a path is given."""
    if not shutil.which("strace"):
        pytest.skip("there is no strace")
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}"]
    command += ["-P", str(path)] if path else []
    with subprocess.Popen([*command, "-p", str(broker.pid)], stderr=subprocess.PIPE) as tracer:
        first = tracer.stderr.readline()  # it says that it is attached
        while path and first and b"attached" not in first:
            first = tracer.stderr.readline()
        if b"attached" not in first:
            pytest.skip(f"strace cannot attach here: {first.decode().strip()}")
        try:
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.stderr.read()
