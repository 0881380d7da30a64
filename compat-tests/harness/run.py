"""Runs one client program to its end, under a deadline, and keeps what it said."""

import subprocess
from dataclasses import dataclass


@dataclass
class Finished:
    """A program that ended: its exit code and what it printed."""

    command: str
    code: int
    out: str
    err: str

    @property
    def lines(self):
        return self.out.splitlines()

    @property
    def text(self):
        """Both streams, for messages that tools put on either."""
        return self.out + self.err

    def __str__(self):
        return f"{self.command}\nexit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def run(command, name=None, stdin="", timeout_s=60, code=0, cwd=None, env=None):
    """Runs a command; fails unless it exits with `code` (None: any). Text or bytes on stdin."""
    name = name or " ".join(map(str, command))
    data = stdin if isinstance(stdin, bytes) else stdin.encode()
    try:
        done = subprocess.run(
            list(map(str, command)), input=data, capture_output=True, timeout=timeout_s, cwd=cwd, env=env
        )
    except subprocess.TimeoutExpired as expired:
        out, err = expired.stdout or b"", expired.stderr or b""
        raise AssertionError(
            f"{name} took over {timeout_s} s\n--- stdout\n{out.decode(errors='replace')}"
            f"\n--- stderr\n{err.decode(errors='replace')}"
        ) from None
    finished = Finished(name, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    assert code is None or finished.code == code, f"expected exit {code}: {finished}"
    return finished
