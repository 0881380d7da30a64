"""The clients of a run with faults, whose histories are checked: producers, readers, members of groups, each a process."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from checker import families, segments
from checker.history import History, report, value_of
from harness import installed, java, topics
from harness.tools import command
from harness.waiting import eventually

_CLIENTS = Path(__file__).parent / "clients"
_PATIENCE_S = 120
# Of what the test itself sends to see whether a partition is served.
_PROBES = 1 << 20

# Ends soon what a frozen broker will never answer, as the runs are short.
_LIBRDKAFKA = {"reconnect.backoff.max.ms": 500, "socket.timeout.ms": 10_000, "topic.metadata.refresh.interval.ms": 5_000}
# While a coordinator begins, here or on another node.
_MOVING = {KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE}
_JAVA_TRANSACTOR = {"request.timeout.ms": 5_000, "max.block.ms": 10_000, "linger.ms": 0, "transaction.timeout.ms": 20_000}
_JAVA_PRODUCER = {
    "enable.idempotence": "true", "retries": 2147483647, "delivery.timeout.ms": 60_000, "request.timeout.ms": 10_000,
    "linger.ms": 2,
}  # fmt: skip


class Witness:
    """A client in a process of its own."""

    def __init__(self, name, launcher, arguments, folder, stdout=None):
        self.name = name
        self.log = folder / f"{name}.log"
        self._out = stdout
        with open(self.log, "wb") as log, open(stdout or self.log, "ab") as out:
            full = [*launcher, "setpriv", "--pdeathsig", "KILL", *map(str, arguments)]
            self._process = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def problem(self):
        code = self._process.poll()
        return f"{self.name} has ended with {code}: {self.log.read_text()[-2000:]}" if code is not None else None

    def ask_to_end(self):
        self._process.send_signal(signal.SIGTERM)

    def wait(self):
        code = self._process.wait(timeout=_PATIENCE_S)
        # A JVM ends with the signal's code after its clean-up.
        assert code in (0, 128 + signal.SIGTERM), f"{self.name} ended with {code}: {self.log.read_text()[-2000:]}"

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        self._process.kill()
        self._process.wait()


class Member(Witness):
    """A member of a group, and what it said of its place in it."""

    def __init__(self, name, launcher, arguments, folder, history):
        history.touch()
        self._history, self._read_to = history, 0
        # When it set out to join; what it owns, in which generation, and since when.
        self.began, self.owned, self.generation, self.since = None, frozenset(), None, None
        super().__init__(name, launcher, arguments, folder)

    def look(self):
        """Reads on in its history, whose last line may be half written."""
        with open(self._history, "rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                op = json.loads(line)
                if op["f"] == "joins":
                    self.began = op["time"]
                elif op["f"] == "owns":
                    self.owned, self.generation, self.since = frozenset(op["keys"]), op["generation"], op["time"]
        return self


class Witnesses:
    """Starts clients, and checks what they saw."""

    def __init__(self, cluster, topic, partitions, folder, launcher=()):
        self.cluster, self.topic, self.partitions = cluster, topic, partitions
        self.folder, self._launcher = folder, launcher
        folder.mkdir(parents=True, exist_ok=True)
        self._next_process = 1
        self._verifiable = {}
        self._producers, self._readers = [], []
        self.groups = {}
        self._probes = 0

    @property
    def all(self):
        return [*self._producers, *self._readers, *(member for members in self.groups.values() for member in members)]

    def _process(self):
        self._next_process += 1
        return self._next_process - 1

    def _history(self, process):
        return self.folder / f"history-{process}.jsonl"

    def _wish(self, process, **more):
        config = {"bootstrap.servers": self.cluster.bootstrap, **_LIBRDKAFKA, **more.pop("config", {})}
        return json.dumps({
            "history": str(self._history(process)), "process": process, "topic": self.topic, "partitions": self.partitions,
            "config": config, **more,
        })  # fmt: skip

    def _python(self, program, process, **wish):
        arguments = [sys.executable, "-B", _CLIENTS / f"{program}.py", self._wish(process, **wish)]
        return Witness(f"{program}-{process}", self._launcher, arguments, self.folder)

    def produce(self, rate, largest=300, **config):
        self._producers.append(self._python("producer", self._process(), rate=rate, largest=largest, config=config))

    def transact(self, rate, timeout_ms=20_000):
        """Transactions of a few records in a few partitions, some of them aborted."""
        process = self._process()
        config = {"transactional.id": f"witness-{process}", "transaction.timeout.ms": timeout_ms}
        self._producers.append(self._python("transactor", process, rate=rate, config=config))

    def transact_with_java(self, rate):
        """The same, with the offsets of a group, which this returns."""
        process = self._process()
        group = f"offsets-{process}"
        config = {"bootstrap.servers": self.cluster.bootstrap, "transactional.id": f"witness-{process}", **_JAVA_TRANSACTOR}
        arguments = java.tool(
            "ottla.compat.HistoryTransactor", self._history(process), process, self.topic, self.partitions, rate, group,
            *(f"{key}={value}" for key, value in config.items()), classes=installed.java_clients(),
        )  # fmt: skip
        self._producers.append(Witness(f"java-transactor-{process}", self._launcher, arguments, self.folder))
        return group

    def produce_with_java(self, rate):
        """kafka-verifiable-producer, which writes down what is acknowledged only."""
        process = self._process()
        properties = self.folder / f"java-producer-{process}.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in _JAVA_PRODUCER.items()))
        arguments = command(
            "kafka-verifiable-producer", "--bootstrap-server", self.cluster.bootstrap, "--topic", self.topic,
            "--throughput", rate, "--value-prefix", process, "--command-config", properties,
        )  # fmt: skip
        said = self._verifiable[process] = self.folder / f"java-producer-{process}.said"
        self._producers.append(Witness(f"java-producer-{process}", self._launcher, arguments, self.folder, stdout=said))

    def read(self):
        self._readers.append(self._python("reader", self._process()))

    def join(self, group, family, protocol, session_s=6):
        """Starts a member of a client family, which checker/families.py lists with their protocols."""
        process = self._process()
        wish = families.Wish(
            history=str(self._history(process)), process=process, bootstrap=self.cluster.bootstrap, topic=self.topic,
            group=group, protocol=protocol, session_ms=session_s * 1000,
        )  # fmt: skip
        member = Member(
            f"{family}-member-{process}", self._launcher, families.command(family, wish), self.folder, self._history(process)
        )
        self.groups.setdefault(group, []).append(member)
        return member

    def forget(self, member):
        """One that has ended, of which only its history stays."""
        for members in self.groups.values():
            if member in members:
                members.remove(member)

    def probe(self, seconds):
        """Every partition takes a record with acks=all within this time; says how long the slowest took."""
        refused, began = [], time.monotonic()
        producer = Producer({
            "bootstrap.servers": self.cluster.bootstrap, **_LIBRDKAFKA, "enable.idempotence": True,
            "message.timeout.ms": int(seconds * 1000), "log_level": 0,
        })  # fmt: skip
        for partition in range(self.partitions):
            value, self._probes = f"{_PROBES}.{self._probes}", self._probes + 1
            producer.produce(
                self.topic, value, partition=partition,
                on_delivery=lambda error, message: error and refused.append((message.partition(), error.name())),
            )  # fmt: skip
        producer.flush()
        assert not refused, f"not served {seconds} s after all was healed: {refused}"
        return time.monotonic() - began

    def check_alive(self):
        problems = [problem for witness in self.all if (problem := witness.problem())]
        assert not problems, problems

    # The end of a run.

    def _ends(self):
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0})
        found = topics.serve(admin, self.topic, self.partitions)
        return {part.partition: end.offset for part, end in found.items()}

    def _committed(self, group):
        """As a consumer asks for it: librdkafka's admin client dies of a coordinator that has just moved."""
        asking = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": group, **_LIBRDKAFKA, "log_level": 0})
        asked = [TopicPartition(self.topic, number) for number in range(self.partitions)]

        def told():
            try:
                found = asking.committed(asked, timeout=_PATIENCE_S)
                return None if any(part.error for part in found) else found
            except KafkaException as problem:
                assert problem.args[0].code() in _MOVING, problem
                return None

        try:
            found = eventually(told, f"nobody says what {group} has committed")
            return {part.partition: max(0, part.offset) for part in found}
        finally:
            asking.close()

    def finish(self):
        """Producers end first; groups read what there is; then one reads everything."""
        self.check_alive()
        for witness in self._producers:
            witness.ask_to_end()
        for witness in self._producers:
            witness.wait()
        # So that no partition ends with the marker of a transaction, which nobody reads.
        self.probe(_PATIENCE_S)
        ends = self._ends()
        for group in self.groups:
            # The end of a transaction that nobody ended may come behind these ends.
            has_read = lambda group=group: all(offset >= ends[n] for n, offset in self._committed(group).items())  # noqa: E731
            eventually(has_read, f"{group} has not read to {ends}", seconds=60)
        for group, members in self.groups.items():
            for witness in members:
                witness.ask_to_end()
            for witness in members:
                witness.wait()
            self.note_committed(group)
        for witness in self._readers:
            witness.ask_to_end()
            witness.wait()
        self._python("reader", self._process(), final=True).wait()

    def note_committed(self, group):
        """What is committed now is in the history as well."""
        process = self._process()
        began = time.monotonic()
        offsets = {f"{self.topic}-{number}": offset for number, offset in self._committed(group).items()}
        op = {"f": "fetch_committed", "process": process, "group": group}
        with open(self._history(process), "w") as out:
            out.write(json.dumps({"type": "invoke", "time": began, **op}) + "\n")
            out.write(json.dumps({"type": "ok", "time": time.monotonic(), "offsets": offsets, **op}) + "\n")

    def kill(self):
        for witness in self.all:
            witness.kill()

    def history(self):
        history = History()
        history.add({"type": "info", "f": "unlisted", "process": _PROBES})
        for process, said in self._verifiable.items():
            history.add({"type": "info", "f": "unlisted", "process": process})
            for line in said.read_text().split("\n")[:-1]:
                told = json.loads(line)
                if told["name"] == "producer_send_success":
                    history.add({
                        "type": "ok", "f": "send", "process": process, "key": f"{told['topic']}-{told['partition']}",
                        "value": value_of(*map(int, told["value"].split("."))), "offset": told["offset"],
                    })  # fmt: skip
        return history.add_files(sorted(self.folder.glob("history-*.jsonl")))

    def check_histories(self):
        history = self.history()
        anomalies = history.anomalies()
        assert not anomalies, f"{report(anomalies)}\nhistories are in {self.folder}"
        return history.counts()

    def check(self):
        """After the cluster has stopped: the histories, and the replicas' files."""
        counts = self.check_histories()
        for partition in range(self.partitions):
            problems = segments.check_partition(self.cluster.replica_folders(self.topic, partition))
            assert not problems, f"{self.topic}-{partition}: {problems[:10]}"
        for partition in range(5):
            problems = segments.check_partition(
                self.cluster.replica_folders("__consumer_offsets", partition), compacted=True
            )
            assert not problems, f"__consumer_offsets-{partition}: {problems[:10]}"
        return counts
