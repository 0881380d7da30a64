"""sarama: each case is a function of the Go program in this folder."""

import pytest

from harness import installed
from harness.run import run


@pytest.fixture
def passes(broker):
    """passes("name") runs the case and fails with what the program said."""
    return lambda name: run([installed.sarama(), broker.bootstrap, name], timeout_s=90)


def test_plain(passes):
    """600 records in small batches over 2 partitions, by each of 5 codecs and each acks: all of it, in order."""
    passes("plain")


def test_idempotent(passes):
    """The same by each codec with an idempotent producer."""
    passes("idempotent")


def test_range(passes):
    """A second member joins and leaves a range group while records are sent; each is consumed once."""
    passes("range")


def test_sticky(passes):
    """The same under the sticky strategy, whose user data passes through the coordinator."""
    passes("sticky")


def test_goes_on(passes):
    """Each next member of a group goes on after what the one before it committed when it left."""
    passes("goesOn")


def test_static(passes):
    """A static member restarts into the same generation and partitions; removed by name, the other gets all."""
    passes("static")


def test_fenced(passes):
    """A second static member of one name takes its partitions over, and the first is fenced."""
    passes("fenced")


def test_offsets(passes):
    """The offset manager commits with metadata, reads back and resets to a lower offset."""
    passes("offsets")


def test_group_admin(passes):
    """The admin client lists and describes a group, alters, lists and deletes its offsets, and deletes it."""
    passes("groupAdmin")
