"""The program that scripts/bench loads brokers with: what it says it sent and read is what is there."""

import json
import os
from pathlib import Path

import pytest

from harness import installed, topics
from harness.run import run


@pytest.fixture(scope="module")
def load(broker):
    """Runs ottla-load, built from this checkout, against the shared broker."""
    run(["cargo", "build", "--quiet", "--locked", "-p", "ottla-load"], cwd=installed.CHECKOUT, timeout_s=170)
    program = Path(os.environ.get("CARGO_TARGET_DIR", installed.CHECKOUT / "target")) / "debug" / "ottla-load"

    def load(kind, topic, *options):
        return json.loads(run([program, kind, broker.bootstrap, topic, *options]).out)

    return load


@pytest.mark.parametrize("options", [(), ("--compression=zstd",), ("--batch=100", "--record=100")])
def test_what_was_produced_is_fetched(load, broker, topic, options):
    """Each record that was acknowledged is in its partition, and all are read, in each of two rounds."""
    name = topic(partitions=4)
    produced = load("produce", name, "--partitions=4", "--connections=2", "--seconds=1", "--megabytes=50", *options)
    assert produced["kept up"] and produced["requests"] > 4
    assert sum(topics.all_ends(broker.bootstrap, name, 4)) == produced["records"]
    fetched = load("fetch", name, "--partitions=4", "--connections=2", "--rounds=2")
    assert fetched["records"] == 2 * produced["records"]
    assert fetched["bytes"] == 2 * produced["bytes"]


def test_a_rate_is_kept(load, broker, topic):
    """2 MB/s for a second; a rate that no broker keeps is given up after 2 s."""
    name = topic()
    produced = load("produce", name, "--rate=2", "--seconds=1")
    assert produced["kept up"] and 1.9e6 < produced["bytes"] < 2.1e6
    produced = load("produce", name, "--rate=1000000", "--seconds=60")
    assert not produced["kept up"] and produced["seconds"] < 30


def test_end_to_end_and_small_requests(load, topic):
    """Every record that is produced arrives, and small requests are answered."""
    name = topic()
    assert load("end-to-end", name, "--seconds=1")["records"] == 200
    assert load("ask", name, "--seconds=0.2")["requests"] > 0
    assert load("ask", name, "--seconds=0.2", "--metadata")["requests"] > 0
