"""franz-go: each case is a function of the Go program in this folder."""

import pytest

from harness import installed
from harness.run import run


@pytest.fixture
def passes(broker):
    """passes("name") runs the case and fails with what the program said."""
    return lambda name: run([installed.franz_go(), broker.bootstrap, name], timeout_s=90)


def test_codecs(passes):
    """200 records through each of 5 codecs: keys, values, nulls, headers, timestamps and offsets."""
    passes("codecs")


def test_idempotent(passes):
    """9,000 records in small batches over 3 partitions, idempotent: all in order."""
    passes("idempotent")


def test_acks(passes):
    """The same with acks 1, 0 and all without idempotence."""
    passes("acks")


def test_group(passes):
    """A second member goes on after the record the first committed."""
    passes("groups")


def test_cooperative_group(passes):
    """cooperative-sticky: the second of two members gets half; the first gives up only that, and gets it back."""
    passes("cooperative")


def test_offsets(passes):
    """kadm lists start, end, last stable, timed and maximum-timestamp offsets."""
    passes("offsets")


def test_topics(passes):
    """kadm creates, grows, lists and deletes a topic; Kafka's errors for the wrong ones."""
    passes("topics")


def test_configs(passes):
    """kadm alters a topic's config incrementally and describes it with its source."""
    passes("configs")


def test_records(passes):
    """kadm deletes records, finds the end of a leader epoch, the size on disk and the active producer."""
    passes("records")


def test_group_admin(passes):
    """kadm commits, fetches, computes lag, deletes offsets and the group."""
    passes("groupAdmin")
