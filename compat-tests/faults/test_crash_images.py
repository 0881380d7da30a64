"""Copies of a disk at an instant under load, as a crash leaves it: each has all that was acknowledged before."""

import json
import os
import random
import subprocess
import time

import pytest

from faults.disk import Disk, make_image, need_loop_devices
from faults.load import Load
from faults.watch import wait_for
from harness import broker as brokers
from harness import installed
from harness.run import run

_IMAGES = int(os.environ.get("OTTLA_CRASH_IMAGES", "6"))
_PER_RUN = 6
# What the next start makes of a finding, where a crash is no reason for it.
_WRONG = ("the partition is offline", "the broker does not start", "stays as it is")


@pytest.fixture
def outer(tmp_path):
    """XFS in a file: it copies a file in an instant."""
    need_loop_devices(tmp_path)
    image, path = tmp_path / "outer.img", tmp_path / "outer"
    path.mkdir()
    with open(image, "wb") as file:
        file.truncate(20 << 30)
    made = subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"there is no XFS with reflinks: {made.stderr.strip()}")
    run(["mount", "-o", "loop", image, path])
    yield path
    run(["umount", path])


@pytest.fixture
def disk(outer, tmp_path):
    """The broker's, in a file of the outer one."""
    make_image(outer / "inner", 3072)
    disk = Disk(tmp_path / "inner", image=outer / "inner")
    yield disk
    disk.unmount()


@pytest.mark.parametrize("seed", range(-(-_IMAGES // _PER_RUN)))
def test_what_was_acknowledged_is_in_every_crash_image(seed, outer, disk, start_broker, tmp_path):
    """No page that was only in memory is in them."""
    drawn = random.Random(seed)
    broker = start_broker(log_dirs=disk.path / "data", log_segment_bytes=drawn.choice([1 << 20, 1 << 30]))
    load = Load(broker.bootstrap, "image", largest=drawn.choice([900, 900, 10000]))
    load.create_topic()
    images = []
    with load.running():
        wait_for(lambda: load.acknowledged, broker)
        for number in range(_PER_RUN):
            time.sleep(drawn.uniform(0.05, 0.6))
            acknowledged = dict(load.acknowledged)
            run(["cp", "--reflink=always", outer / "inner", outer / f"image-{number}"])
            images.append((outer / f"image-{number}", acknowledged))
    broker.kill()
    for number, (image, acknowledged) in enumerate(images):
        is_last = number == len(images) - 1
        _check_image(load, Disk(tmp_path / f"copy-{number}", image=image), acknowledged, is_last)
        image.unlink()


def _check_image(load, disk, acknowledged, stop_cleanly):
    try:
        data = disk.path / "data"
        wrong = [each for each in _findings(data) if each["atStart"] in _WRONG]
        assert not wrong, wrong
        broker = brokers.Ottla(disk.path.parent / "broker", log_dirs=data)
        broker.start()
        try:
            load.check(acknowledged, broker.bootstrap)
            if stop_cleanly:
                broker.stop()
                assert not _findings(data), "something is wrong after a clean stop"
        finally:
            if broker.running:
                broker.kill()
        assert not broker.log_problem()
    finally:
        disk.unmount()


def _findings(data):
    """What `ottla check` says."""
    checked = run([installed.ottla(), "check", "--json", data], code=None)
    assert checked.code in (0, 1), checked
    return [json.loads(line) for line in checked.lines]
