"""Writes a history: each line before anything else happens of which it is the beginning."""

import json
import time


class Recorder:
    """The history of one process, in a file of its own."""

    def __init__(self, path, process):
        self._out = open(path, "w")  # noqa: SIM115
        self.process = process

    def write(self, kind, f, **more):
        self._out.write(json.dumps({"type": kind, "f": f, "process": self.process, "time": time.monotonic(), **more}) + "\n")

    def flush(self):
        self._out.flush()

    def close(self):
        self._out.close()

    def now(self, kind, f, **more):
        self.write(kind, f, **more)
        self.flush()
