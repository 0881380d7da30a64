"""Transactions by both of their protocols: as of KIP-98, and as of KIP-890, which gives each its own epoch."""

import pytest

from harness.tools import Tools
from harness.waiting import eventually

NEWEST = 2


def finalize(broker, level):
    """Changes the cluster's transaction.version, and waits until the broker tells its clients."""
    tools = Tools(broker)
    if finalized(tools) == level:
        return
    change = "upgrade" if level > finalized(tools) else "downgrade"
    tools("kafka-features", change, "--feature", f"transaction.version={level}")
    eventually(lambda: finalized(tools) == level, f"transaction.version is not {level}")


def finalized(tools):
    (line,) = [line for line in tools("kafka-features", "describe").lines if line.startswith("Feature: transaction.version")]
    return int(line.split("FinalizedVersionLevel:")[1].split()[0])


@pytest.fixture(scope="module", params=[NEWEST, 1], ids=lambda level: f"v{level}")
def level(request, broker):
    """The cluster's transaction.version, by which clients choose how they begin and end transactions."""
    finalize(broker, request.param)
    yield request.param
    finalize(broker, NEWEST)
