"""One broker as a process: Ottla or Apache Kafka, started, killed and stopped from a test."""

import base64
import signal
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path

from harness import installed, java, ports, wire
from harness.run import run

_STOP_TIMEOUT_S = 60


def random_cluster_id():
    """A cluster id as kafka-storage random-uuid makes it: never one that starts like an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


class Broker:
    """A combined single node on free ports, its whole state under one folder."""

    kind = ""
    stop_codes = (0,)
    start_timeout_s = 120
    format_flags = ("--standalone",)
    host = "127.0.0.1"
    given_ports = None
    # What a node's process is started with before its own command: in a namespace, for one.
    launcher = ()

    def __init__(self, folder, **overrides):
        self.folder = Path(folder)
        self.port, self.controller_port = self.given_ports or ports.free_ports(2)
        self.bootstrap = f"{self.host}:{self.port}"
        self.cluster_id = random_cluster_id()
        self.data = self.folder / "data"
        self.config_file = self.folder / "server.properties"
        self.log_file = self.folder / "broker.log"
        self._process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(self._config(overrides))

    def _config(self, overrides):
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{self.host}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"{self.host}:{self.controller_port}",
            "log.dirs": self.data,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            # Transactions that last too long are looked for every 10 s by default.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 300,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # The default waits 3 s for more members before a group's first assignment.
            "group.initial.rebalance.delay.ms": 0,
            # Members of the consumer protocol go a step with each heartbeat; the default is 5 s.
            "group.consumer.min.heartbeat.interval.ms": 300,
            "group.consumer.heartbeat.interval.ms": 300,
            "group.consumer.assignment.interval.ms": 0,
        }
        settings.update({key.replace("_", "."): value for key, value in overrides.items()})
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def log_problem(self):
        """A line of the log that no broker may write, whatever it is asked."""
        return None

    def _start_command(self):
        raise NotImplementedError

    def _format_command(self):
        raise NotImplementedError

    def format(self):
        run([*self._format_command(), "-t", self.cluster_id, "-c", self.config_file, *self.format_flags])

    def start(self):
        self.launch()
        self.wait()
        return self

    def launch(self):
        assert self._process is None, "already running"
        # A broker must not outlive the tests, however these end; nor does it outlive the thread that starts it.
        command = [*self.launcher, "setpriv", "--pdeathsig", "KILL", *map(str, self._start_command())]
        with open(self.log_file, "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def wait(self):
        """Waits until it answers as one that serves."""
        deadline = time.monotonic() + self.start_timeout_s
        problem = None
        while time.monotonic() < deadline:
            try:
                if self._is_ready():
                    return
                problem = "no broker in its Metadata answer yet"
            except OSError as error:
                problem = error
            try:
                code = self._process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            self._process = None
            raise AssertionError(f"{self.kind} ended with {code} while starting\n{self.log_tail()}")
        raise AssertionError(f"{self.kind} did not answer in {self.start_timeout_s} s: {problem}\n{self.log_tail()}")

    def _is_ready(self):
        return wire.broker_count(self.port, timeout_s=5, host=self.host) >= 1

    @property
    def running(self):
        return self._process is not None

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        """SIGKILL: what the process has not handed to the kernel is lost."""
        process, self._process = self._process, None
        process.kill()
        process.wait(timeout=_STOP_TIMEOUT_S)

    def stop(self):
        """SIGTERM, which must end in a clean exit."""
        process, self._process = self._process, None
        assert process.poll() is None, f"{self.kind} had ended with {process.returncode}\n{self.log_tail()}"
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.kind} ignored SIGTERM for {_STOP_TIMEOUT_S} s\n{self.log_tail()}") from None
        assert code in self.stop_codes, f"{self.kind} exited with {code} on SIGTERM\n{self.log_tail()}"

    def ends(self, timeout_s=_STOP_TIMEOUT_S):
        """Waits until it ends of its own accord, and returns its exit code."""
        process, self._process = self._process, None
        return process.wait(timeout=timeout_s)

    def restart(self):
        self.stop()
        self.start()

    def partition_folder(self, topic, partition=0):
        return self.data / f"{topic}-{partition}"

    def log_text(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_tail(self, lines=60):
        return "\n".join(self.log_text().splitlines()[-lines:])


class Kafka(Broker):
    """Apache Kafka from its released jars."""

    kind = "Apache Kafka"
    stop_codes = (0, 128 + signal.SIGTERM)  # a JVM ends with the signal's code after its clean-up
    jvm_flags = java.SMALL

    def _start_command(self):
        return java.broker(self.config_file, self.jvm_flags)

    def _format_command(self):
        return java.tool("kafka.tools.StorageTool", "format")


class Ottla(Broker):
    """The binary under test."""

    kind = "Ottla"

    # Where it tells of itself, if it is asked to.
    http_port = None

    def _start_command(self):
        http = ["--http", f"127.0.0.1:{self.http_port}"] if self.http_port else []
        return [installed.ottla(), "start", "--config", self.config_file, *http]

    def metrics(self, path="/metrics"):
        """{line without its value: value}"""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}

    def _format_command(self):
        return [installed.ottla(), "format"]

    def log_problem(self):
        return next((line for line in self.log_text().splitlines() if "panicked at" in line), None)


KINDS = {"ottla": Ottla, "kafka": Kafka}


def make(kind, folder, **overrides):
    """A formatted broker, not yet started."""
    broker = KINDS[kind](folder, **overrides)
    broker.format()
    return broker
