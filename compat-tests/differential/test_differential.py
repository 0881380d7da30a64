"""The same requests to Apache Kafka and to Ottla, compared field by field."""

import os
from pathlib import Path

import pytest

from harness import broker as brokers
from harness import installed
from harness.run import run

_OVERRIDES = {"offsets_topic_num_partitions": 4, "transaction_state_log_num_partitions": 4}


@pytest.fixture(scope="module")
def program():
    """The program that compares, built from this checkout."""
    run(["cargo", "build", "--quiet", "--locked", "--bin", "differential"], cwd=installed.CHECKOUT, timeout_s=170)
    return Path(os.environ.get("CARGO_TARGET_DIR", installed.CHECKOUT / "target")) / "debug" / "differential"


@pytest.fixture(scope="module")
def record(program, tmp_path_factory):
    """Starts a broker of a kind, and keeps in a file what it answers."""

    def record(kind):
        folder = tmp_path_factory.mktemp(kind)
        broker = brokers.make(kind, folder, **_OVERRIDES).start()
        answers = folder / "answers.tsv"
        try:
            run([program, "--record", broker.bootstrap, answers], timeout_s=170)
        finally:
            broker.stop()
        return answers

    return record


@pytest.fixture(scope="module")
def kafka_answers(record):
    return record("kafka")


@pytest.fixture(scope="module")
def record_controller(program, tmp_path_factory):
    """The same of a node's controller."""

    def record(kind):
        folder = tmp_path_factory.mktemp(f"{kind}-controller")
        broker = brokers.make(kind, folder).start()
        answers = folder / "answers.tsv"
        try:
            run([program, "--record", "--controller", f"127.0.0.1:{broker.controller_port}", answers], timeout_s=170)
        finally:
            broker.stop()
        return answers

    return record


@pytest.fixture(scope="module")
def kafka_controller_answers(record_controller):
    return record_controller("kafka")


def test_kafka_answers_itself_alike(program, record, kafka_answers):
    """What differs between two Apache Kafkas is noise, and there is none left to hide a difference in."""
    run([program, kafka_answers, record("kafka"), "--self"])


def test_ottla_answers_as_kafka_does(program, record, kafka_answers):
    """Each difference is in the list with its reason, and the list names no other."""
    known = installed.COMPAT_TESTS / "wire" / "differences.tsv"
    run([program, kafka_answers, record("ottla"), "--known", known])


def test_kafka_s_controller_answers_itself_alike(program, record_controller, kafka_controller_answers):
    """The same of what is asked of controllers."""
    run([program, kafka_controller_answers, record_controller("kafka"), "--self", "--controller"])


def test_ottla_s_controller_answers_as_kafka_s_does(program, record_controller, kafka_controller_answers):
    """On the controller's listener too: what brokers and operators ask there."""
    known = installed.COMPAT_TESTS / "wire" / "controller-differences.tsv"
    run([program, kafka_controller_answers, record_controller("ottla"), "--known", known, "--controller"])
