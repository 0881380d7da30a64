"""The same requests to Apache Kafka and to Ottla, compared field by field."""

import pytest

from harness import broker as brokers
from harness import installed
from harness.run import run

_OVERRIDES = {"offsets_topic_num_partitions": 4}


@pytest.fixture
def program():
    """The program that compares, built from this checkout."""
    run(["cargo", "build", "--quiet", "--locked", "--bin", "differential", "--target-dir", _target()],
        cwd=installed.CHECKOUT, timeout_s=170)
    return _target() / "debug" / "differential"


def _target():
    return installed.CHECKOUT / "target" / "differential"


@pytest.fixture
def recorded(program, tmp_path):
    """Starts a broker of a kind, and keeps in a file what it answers."""

    def record(kind, name):
        broker = brokers.make(kind, tmp_path / name, **_OVERRIDES).start()
        answers = tmp_path / f"{name}.tsv"
        try:
            run([program, "--record", broker.bootstrap, answers], timeout_s=170)
        finally:
            broker.stop()
        return answers

    return record


def test_kafka_answers_itself_alike(program, recorded):
    """What differs between two Apache Kafkas is noise, and there is none left to hide a difference in."""
    run([program, recorded("kafka", "first"), recorded("kafka", "second"), "--self"])


def test_ottla_answers_as_kafka_does(program, recorded):
    """Each difference is in the list with its reason, and the list names no other."""
    known = installed.COMPAT_TESTS / "wire" / "differences.tsv"
    run([program, recorded("kafka", "kafka"), recorded("ottla", "ottla"), "--known", known])
