"""JVMs that run Kafka's test classes with our brokers in place of theirs."""

import queue
import subprocess
import threading
import time
from collections import namedtuple
from pathlib import Path

from harness import installed

Case = namedtuple("Case", "status name millis reason")

# Seconds for a class: mirrors of Connect need more than a quarter of an hour.
LIMIT_S = 1800
_HERE = Path(__file__).resolve().parent
_FLAGS = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={_HERE}/log4j2.properties"]


def _class_path():
    return (installed.kafka_suite_jars() / "classpath").read_text().strip()


def _start_command(kind):
    if kind == "ottla":
        return [installed.ottla(), "start", "--config", "{config}"]
    # The tests' jars are on its class path, for their plug-ins, but none of our classes.
    archive = installed.kafka_suite_jars() / "broker.jsa"
    quiet = ["-Xmx512m", f"-XX:SharedArchiveFile={archive}", "-Xlog:disable", "-Xlog:all=error:stderr"]
    return ["java", *_FLAGS, *quiet, "-cp", _class_path(), "kafka.Kafka", "{config}"]


class Jvm:
    """One JVM for some classes. One that overran or failed something may leave threads behind: take another."""

    def __init__(self, kind, folder, only):
        left_out = _HERE / f"left-out-{kind}.tsv"
        start = " ".join(map(str, _start_command(kind)))
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        command = [
            "setpriv", "--pdeathsig", "KILL", "java", *_FLAGS, "-Xmx1g", f"-Djava.io.tmpdir={folder}/tmp",
            "-XX:-OmitStackTraceInFastThrow", f"-Dsuite.start={start}",
            f"-Dsuite.left.out={left_out}",
            f"-Dsuite.only={only}", f"-Dsuite.folds={str(kind == 'kafka').lower()}",
            "-cp", f"{installed.kafka_suite()}:{_class_path()}", "ottla.suite.Run",
        ]  # fmt: skip
        self._log = open(folder / "jvm.log", "ab")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=folder
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n").split("\t"))
        self._lines.put(["END"])

    def run(self, name, limit_s):
        """The cases of a class, and what went wrong with the class as a whole."""
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        cases = []
        deadline = time.monotonic() + limit_s
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return cases, f"not done after {limit_s} s"
            if line[0] == "CASE":
                cases.append(Case(line[1], line[2], int(line[3]), line[4]))
            elif line[0] == "DONE":
                return cases, None
            elif line[0] == "END":
                return cases, "the JVM ended"

    def close(self):
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            stream.close()


class Runner:
    """Runs classes one after the other in as few JVMs as are safe."""

    def __init__(self, kind, folder, only=""):
        self._kind, self._folder, self._only, self._jvm = kind, folder, only, None

    def run(self, name, limit_s):
        self._jvm = self._jvm or Jvm(self._kind, self._folder, self._only)
        cases, problem = self._jvm.run(name, limit_s)
        if problem or any(case.status == "failed" for case in cases):
            self.close()
        return cases, problem

    def close(self):
        jvm, self._jvm = self._jvm, None
        if jvm:
            jvm.close()
