"""kafka-features and kafka-metadata-quorum."""

import re

from harness.tools import Tools


def levels(tools):
    described = tools("kafka-features", "describe").out
    rows = re.findall(r"^Feature: (\S+)\s.*FinalizedVersionLevel: (\S+)", described, re.M)
    return dict(rows)


def test_features_rise_and_fall(start_broker):
    """What the tool changes is what it describes after, and after a restart."""
    own = Tools(start_broker())
    before = levels(own)
    assert before["metadata.version"] == "4.3-IV0"
    assert before["group.version"] == "1"
    done = own("kafka-features", "downgrade", "--feature", "share.version=0", "--feature", "streams.version=0")
    assert "share.version was downgraded to 0." in done.out
    assert levels(own) == before | {"share.version": "0", "streams.version": "0"}
    own.broker.restart()
    assert levels(own) == before | {"share.version": "0", "streams.version": "0"}
    assert "share.version was upgraded to 1." in own("kafka-features", "upgrade", "--feature", "share.version=1").out
    assert levels(own) == before | {"streams.version": "0"}


def test_features_that_cannot_be(tools):
    """Nothing changes where one of the levels is refused, and the tool says why."""
    before = levels(tools)
    lossy = tools("kafka-features", "downgrade", "--metadata", "3.9", code=1)
    assert "Refusing to perform the requested downgrade because it might delete metadata information." in lossy.text
    unknown = tools("kafka-features", "upgrade", "--feature", "foo=1", code=1)
    assert "does not support this feature." in unknown.text
    assert levels(tools) == before


def test_the_quorum_is_described(tools, broker):
    """The node is the one voter, leads, and nobody lags."""
    status = tools("kafka-metadata-quorum", "describe", "--status").out
    fields = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.M))
    assert fields["LeaderId"] == "1"
    assert int(fields["LeaderEpoch"]) >= 1
    assert int(fields["HighWatermark"]) > 0
    assert (fields["MaxFollowerLag"], fields["CurrentObservers"]) == ("0", "[]")
    rows = [line.split() for line in tools("kafka-metadata-quorum", "describe", "--replication").lines]
    assert [(row[0], row[-1]) for row in rows] == [("NodeId", "Status"), ("1", "Leader")]
