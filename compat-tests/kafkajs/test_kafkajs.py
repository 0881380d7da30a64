"""kafkajs: each case is a function in cases.js, run in a Node of its own."""

import os
from pathlib import Path

import pytest

from harness.run import run

_CASES = Path(__file__).with_name("cases.js")


@pytest.fixture
def passes(broker):
    """passes("name") runs the case and fails with what Node said."""

    def call(name):
        environment = {**os.environ, "CLUSTER_ID": broker.cluster_id, "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
        run(["node", _CASES, broker.bootstrap, name], timeout_s=90, env=environment)

    return call


def test_plain(passes):
    """200 messages with keys, nulls, headers and timestamps come back as sent, at the announced offsets."""
    passes("plain")


def test_gzip(passes):
    """The same through gzip."""
    passes("gzip")


def test_idempotent(passes):
    """The same through the idempotent producer."""
    passes("idempotent")


def test_group_goes_on(passes):
    """A group reads on where its last run committed."""
    passes("groupGoesOn")


def test_rebalance(passes):
    """Two members share four partitions; when one leaves the other has them all."""
    passes("rebalance")


def test_admin(passes):
    """Topics are created, described, grown, configured (AlterConfigs), listed and deleted."""
    passes("admin")


def test_offsets(passes):
    """Offsets by time, deleteTopicRecords, setOffsets, resetOffsets, describe and delete a group."""
    passes("offsets")
