"""Power cuts under load: what was acknowledged is there."""

import os
import random
import time

import pytest

from faults.disk import Disk, need_loop_devices
from faults.load import Load
from faults.watch import wait_for

# Each disk goes through five cuts; the long run has ten disks.
_CUTS = 5
_DISKS = int(os.environ.get("OTTLA_POWER_CUT_DISKS", "1"))


@pytest.fixture
def disk(tmp_path):
    need_loop_devices(tmp_path)
    disk = Disk(tmp_path, size_mib=2048)
    yield disk
    disk.unmount()


@pytest.mark.parametrize("seed", range(_DISKS))
def test_what_was_acknowledged_outlives_power_cuts(seed, disk, start_broker):
    """The disk forgets what was not synced; the same log dir goes through all cuts."""
    random_s = random.Random(seed)
    broker = start_broker(log_dirs=disk.path / "data")
    load = Load(broker.bootstrap, "cut")
    load.create_topic()
    acknowledged = 0
    for _ in range(_CUTS):
        with load.running():
            wait_for(lambda: len(load.acknowledged) > acknowledged, broker)
            time.sleep(random_s.uniform(0, 0.9))
            disk.cut_power()
            broker.kill()
        disk.unmount()
        disk.mount()
        broker.start()
        load.check()
        acknowledged = len(load.acknowledged)
