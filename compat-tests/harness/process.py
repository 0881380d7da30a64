"""A client program that runs beside the test and is watched line by line."""

import queue
import subprocess
import threading
import time


class Client:
    """Started on `with`, ended by SIGTERM when the block ends; stdout and stderr are one stream, shown if the block fails."""

    def __init__(self, command):
        self._command = list(map(str, command))
        self._lines = queue.SimpleQueue()
        self.seen = []

    def __enter__(self):
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, wanted, timeout_s=90):
        """Returns the first further line for which wanted(line) is true."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"nothing of the kind in {timeout_s} s; said:\n" + "\n".join(self.seen)) from None
            assert line is not None, "ended instead; said:\n" + "\n".join(self.seen)
            self.seen.append(line)
            if wanted(line):
                return line

    def say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def kill(self):
        """SIGKILL, in place of the end of the block."""
        self._process.kill()
        self._process.wait()

    def __exit__(self, problem, *_):
        self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join(timeout=10)
            self._process.stdout.close()
            if problem:
                self._show()

    def _show(self):
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self.seen.append(line)
        print("\n".join([f"--- {' '.join(self._command[-4:])} said:", *self.seen]))
