"""Clusters that belong to one case."""

import itertools

import pytest

from harness import cluster


@pytest.fixture
def start_cluster(tmp_path):
    """Starts clusters: start_cluster("kafka", ["ottla", "ottla", "kafka"]), the controller first."""
    mine = []
    numbers = itertools.count()

    def start(controller, brokers, **overrides):
        started = cluster.Cluster(tmp_path / f"cluster-{next(numbers)}", controller, brokers, **overrides)
        mine.append(started)
        return started.start()

    yield start
    for each in mine:
        each.close()
