"""The same requests to Apache Kafka and to Ottla, compared field by field."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from harness import broker as brokers
from harness import installed
from harness.run import run

KNOWN = installed.COMPAT_TESTS / "wire" / "differences.tsv"
# Sessions of members that fall silent on purpose are short.
_OVERRIDES = {
    "offsets_topic_num_partitions": 4,
    "transaction_state_log_num_partitions": 4,
    "group_min_session_timeout_ms": 100,
    "group_consumer_min_session_timeout_ms": 100,
    # Groups of four are full.
    "group_consumer_max_size": 3,
}


@pytest.fixture(scope="module")
def program():
    """The program that compares, built from this checkout."""
    run(["cargo", "build", "--quiet", "--locked", "--bin", "differential"], cwd=installed.CHECKOUT, timeout_s=900)
    return Path(os.environ.get("CARGO_TARGET_DIR", installed.CHECKOUT / "target")) / "debug" / "differential"


@pytest.fixture(scope="module")
def record(program, tmp_path_factory):
    """Starts a broker of a kind, and keeps in a file what it, or its controller, answers."""
    within, numbers = tmp_path_factory.mktemp("recorded"), itertools.count()

    def record(kind, *arguments, controller=False, timeout_s=170):
        folder = within / f"{kind}-{next(numbers)}"
        folder.mkdir()
        broker = brokers.make(kind, folder, **({} if controller else _OVERRIDES)).start()
        asked = ["--controller", f"127.0.0.1:{broker.controller_port}"] if controller else [*arguments, broker.bootstrap]
        answers = folder / "answers.tsv"
        try:
            run([program, "--record", *asked, answers], timeout_s=timeout_s)
        finally:
            broker.stop()
        return answers

    return record


@pytest.fixture(scope="module")
def record_controller(record):
    return partial(record, controller=True)


@pytest.fixture(scope="module")
def kafkas_answers(record):
    """Those of two Apache Kafkas, at once: most of the time is spent waiting for timeouts."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(record, ("kafka", "kafka")))


@pytest.fixture(scope="module")
def kafka_controllers_answers(record_controller):
    with ThreadPoolExecutor() as pool:
        return list(pool.map(record_controller, ("kafka", "kafka")))


def test_kafka_answers_itself_alike(program, kafkas_answers):
    """What differs between two Apache Kafkas is noise, and there is none left to hide a difference in."""
    run([program, *kafkas_answers, "--self"])


def test_ottla_answers_as_kafka_does(program, record, kafkas_answers):
    """Each difference is in the list with its reason, and the list names no other."""
    run([program, kafkas_answers[0], record("ottla"), "--known", KNOWN])


@pytest.mark.full
@pytest.mark.limit(600)
def test_older_transactions(program, record):
    """Transactions at the levels 1 and 0 of transaction.version."""
    kafka, again, ottla = (record(kind, "--only", "older-transactions") for kind in ("kafka", "kafka", "ottla"))
    run([program, kafka, again, "--self", "--only", "older-transactions"])
    run([program, kafka, ottla, "--known", KNOWN, "--only", "older-transactions"])


@pytest.mark.full
@pytest.mark.limit(3600)
def test_the_last_epochs_of_producers(program, record):
    """What becomes of a producer id whose 32,767 epochs are used up."""
    answers = [record(kind, "--only", "epochs", timeout_s=1700) for kind in ("kafka", "ottla")]
    run([program, *answers, "--only", "epochs"])


def test_kafka_s_controller_answers_itself_alike(program, kafka_controllers_answers):
    """The same of what is asked of controllers."""
    run([program, *kafka_controllers_answers, "--self", "--controller"])


def test_ottla_s_controller_answers_as_kafka_s_does(program, record_controller, kafka_controllers_answers):
    """On the controller's listener too: what brokers and operators ask there."""
    known = installed.COMPAT_TESTS / "wire" / "controller-differences.tsv"
    run([program, kafka_controllers_answers[0], record_controller("ottla"), "--known", known, "--controller"])
