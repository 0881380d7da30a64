"""The same logs cleaned by Apache Kafka's log cleaner and by Ottla's: every record that stays, and what is kept of the rest."""

import os
import random
import re
import shutil
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from harness import broker as brokers
from harness import installed, topics
from harness.run import run
from harness.tools import run_tool

_DEADLINE_S = 60
_NEVER_MS = 10**15
_SEGMENT_BYTES = 20_000
_CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# A map of 436 keys.
_BUFFER_BYTES = 1_048_600
_LOAD_FACTOR = 0.01
_DELETE_RETENTION_MS = {
    "keeps-tombstones": 86_400_000, "drops-tombstones": 1, "has-append-time": 1, "takes-passes": 86_400_000,
}  # fmt: skip
# More keys than the map holds only where there are no transactions: when a pass begins within a segment, after an abort
# marker in it, Kafka 4.3.1 takes what the producer commits next for aborted and does not learn its keys. Ottla does.
_KEYS = [250, 100, 10]
_MORE_KEYS = [900, 500, 10]


@pytest.fixture(scope="module")
def program():
    """Ottla's cleaner on a folder, built from this checkout."""
    build = ["cargo", "build", "--quiet", "--locked", "--package", "ottla-storage", "--example", "clean_log"]
    run(build, cwd=installed.CHECKOUT, timeout_s=900)
    return Path(os.environ.get("CARGO_TARGET_DIR", installed.CHECKOUT / "target")) / "debug/examples/clean_log"


@pytest.fixture(scope="module")
def kafka(tmp_path_factory):
    """Apache Kafka, whose cleaner looks for work all the time."""
    broker = brokers.make(
        "kafka", tmp_path_factory.mktemp("kafka"), log_cleaner_backoff_ms=50,
        log_cleaner_dedupe_buffer_size=_BUFFER_BYTES, log_cleaner_io_buffer_load_factor=_LOAD_FACTOR,
    ).start()  # fmt: skip
    yield broker
    broker.stop()


class Topic:
    """A topic that Apache Kafka cleans when it is told to."""

    def __init__(self, broker, name):
        self.broker = broker
        self.name = name
        self.delete_retention_ms = _DELETE_RETENTION_MS[name]
        self.admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        self.folder = broker.partition_folder(name)
        self.cleaned_up_to = None

    def create(self):
        """Without compaction at first, so that records without a key get in."""
        topics.create(
            self.broker.bootstrap, self.name, cleanup_policy="delete", internal_segment_bytes=_SEGMENT_BYTES,
            delete_retention_ms=self.delete_retention_ms, min_cleanable_dirty_ratio=0.0001,
            message_timestamp_type="LogAppendTime" if self.name == "has-append-time" else "CreateTime",
        )  # fmt: skip

    def alter(self, **configs):
        entries = [
            ConfigEntry(key.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
            for key, value in configs.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, self.name, incremental_configs=entries)
        topics.wait(self.admin.incremental_alter_configs([resource]))

    def active_offset(self):
        return max(int(log.stem) for log in self.folder.glob("*.log"))

    def copy(self, to):
        """A copy as after a clean stop. The active segment's indexes are longer than they are full: they are built anew."""
        shutil.copytree(self.folder, to, ignore=shutil.ignore_patterns("*.deleted"))
        for kind in ["index", "timeindex"]:
            (to / f"{self.active_offset():020d}.{kind}").unlink()
        return to

    def clean(self):
        """Lets Apache Kafka clean all that may be cleaned."""
        self.alter(min_compaction_lag_ms=0)
        deadline = time.monotonic() + _DEADLINE_S
        while self.checkpoint() != self.active_offset():
            assert time.monotonic() < deadline, f"{self.name} is clean up to {self.checkpoint()}"
            time.sleep(0.02)
        self.alter(min_compaction_lag_ms=_NEVER_MS)
        self.cleaned_up_to = self.checkpoint()

    def checkpoint(self):
        file = self.broker.data / "cleaner-offset-checkpoint"
        found = re.search(rf"^{self.name} 0 (\d+)$", file.read_text() if file.exists() else "", re.MULTILINE)
        return int(found.group(1)) if found else None


class Writer:
    """Overwrites keys: every codec, tombstones, odd headers, producers of every kind. The same seed writes the same."""

    def __init__(self, bootstrap, topic, seed):
        self.random = random.Random(seed)
        self.topic = topic
        common = {"bootstrap.servers": bootstrap, "linger.ms": 20, "log_level": 0}
        self.plain = [
            Producer({**common, "compression.type": codec, "enable.idempotence": n % 2 == 0, "batch.num.messages": 9})
            for n, codec in enumerate(_CODECS)
        ]
        self.transactional = [
            Producer({**common, "compression.type": codec, "transactional.id": f"{topic}-{seed}-{codec}"})
            for codec in _CODECS[1:4]
            if topic != "takes-passes"
        ]
        for producer in self.transactional:
            producer.init_transactions(_DEADLINE_S)

    def send(self, producer, keys):
        key = f"key-{self.random.randrange(keys)}".encode()
        value = None if self.random.random() < 0.2 else self.random.randbytes(self.random.choice([0, 10, 100, 400]))
        headers = self.random.choice([[], [("h", b"1"), ("h", None), ("", b"")], [("n", None)]])
        producer.produce(self.topic, value, key, headers=headers)

    def without_keys(self, count):
        for n in range(count):
            self.plain[n % 5].produce(self.topic, f"value {n}".encode())
        self.flush()

    def write(self, rounds, keys):
        for _ in range(rounds):
            for producer in self.plain:
                for _ in range(self.random.randrange(30)):
                    self.send(producer, keys)
            self.transactions(keys)
            self.flush()

    def transactions(self, keys):
        """Open at the same time, mixed in one another's batches, ended in any order."""
        for producer in self.transactional:
            producer.begin_transaction()
        for _ in range(self.random.randrange(4)):
            for producer in self.transactional:
                for _ in range(self.random.randrange(8)):
                    self.send(producer, keys)
                producer.flush(_DEADLINE_S)
        for producer in self.random.sample(self.transactional, len(self.transactional)):
            end = producer.abort_transaction if self.random.random() < 0.5 else producer.commit_transaction
            end(_DEADLINE_S)

    def fill_segments(self):
        """Ends the segment that holds the last of these keys. These keys are never written again."""
        for n in range(60):
            self.plain[0].produce(self.topic, bytes(700), f"last-{self.random.random()}-{n}".encode())
        self.flush()

    def flush(self):
        for producer in self.plain:
            assert producer.flush(_DEADLINE_S) == 0


def our_clean(program, folder, topic, first_dirty):
    settings = {
        "dedupe_buffer_bytes": _BUFFER_BYTES, "dedupe_load_factor": _LOAD_FACTOR,
        "segment_bytes": _SEGMENT_BYTES, "delete_retention_ms": topic.delete_retention_ms,
    }  # fmt: skip
    if first_dirty is not None:
        settings["first_dirty_offset"] = first_dirty
    now_ms = int(time.time() * 1000)
    arguments = [f"{key}={value}" for key, value in settings.items()]
    lines = run([program, "clean", folder, now_ms, *arguments]).lines
    return int(lines[-1].rsplit(" ", 1)[1]), len(lines) - 1


def dump(program, folder):
    return run([program, "dump", folder]).lines


@pytest.mark.parametrize("name", _DELETE_RETENTION_MS)
def test_ottla_cleans_as_kafka_does(program, kafka, tmp_path, name):
    """Two rounds over one log. Segments, batches, records, producers' last batches, markers and indexes are the same."""
    topic = Topic(kafka, name)
    topic.create()
    writer = Writer(kafka.bootstrap, name, seed=1)
    writer.without_keys(50)
    topic.alter(cleanup_policy="compact", min_compaction_lag_ms=_NEVER_MS)
    many_passes = name == "takes-passes"
    for number, keys in enumerate(_MORE_KEYS if many_passes else _KEYS):
        writer.write([14, 7, 1][number], keys)
        writer.fill_segments()
        ours = topic.copy(tmp_path / f"ours-{number}")
        before = dump(program, ours)
        first_dirty = topic.cleaned_up_to
        topic.clean()
        theirs = topic.copy(tmp_path / f"theirs-{number}")
        clean_up_to, passes = our_clean(program, ours, topic, first_dirty)
        assert clean_up_to == topic.cleaned_up_to
        assert (passes > 1) == (many_passes and number == 0)
        found, expected = dump(program, ours), dump(program, theirs)
        assert len(expected) < len(before) * (0.9 if number < 2 else 1), "there was little to clean"
        assert found == expected
    assert problems(ours) == problems(theirs)


def problems(folder):
    """What kafka-dump-log finds wrong with a log. It misses the timestamps of batches that were emptied."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix in (".log", ".index", ".timeindex", ".txnindex")]
    shown = run_tool("kafka-dump-log", "--deep-iteration", "--files", ",".join(map(str, files)))
    assert "isvalid: true" in shown.out and "isvalid: false" not in shown.out
    assert "Mismatches in" not in shown.text and "not found" not in shown.text, shown.text
    return re.findall("Index timestamp: .*", shown.text)
