"""Disks that are full: producers are refused in time, all else goes on, and they are served again when there is room."""

import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from faults.disk import Disk, need_loop_devices
from faults.load import Load
from faults.watch import wait_for, wait_for_line
from harness.topics import wait

_SHORT = "is short of room"
_AGAIN = "has room again"
_SETTINGS = {
    "log_segment_bytes": 1 << 20,
    "log_segment_delete_delay_ms": 100,
    "log_retention_check_interval_ms": 500,
}


@pytest.fixture
def disk(tmp_path):
    """Large enough for a twentieth of it, the reserve, to be more than may wait for the journal."""
    need_loop_devices(tmp_path)
    disk = Disk(tmp_path, size_mib=640)
    yield disk
    disk.unmount()


@pytest.fixture
def broker(disk, start_broker):
    """It ends before the disk is taken away."""
    broker = start_broker(log_dirs=disk.path / "data", **_SETTINGS)
    yield broker
    if broker.running:
        broker.stop()


def _drop_ballast(disk, _admin, _load):
    disk.drop_ballast()


def _delete_records(_disk, admin, load):
    ends = {}
    for partition, offset in list(load.acknowledged):
        ends[partition] = max(offset, ends.get(partition, 0))
    wait(admin.delete_records([TopicPartition(load.topic, *end) for end in ends.items()]))


def _shorten_retention(_disk, admin, load):
    shorter = ConfigEntry("retention.bytes", "100000", incremental_operation=AlterConfigOpType.SET)
    wait(admin.incremental_alter_configs([ConfigResource("topic", load.topic, incremental_configs=[shorter])]))


def _delete_another_topic(_disk, admin, _load):
    wait(admin.delete_topics(["other"]))


@pytest.mark.parametrize("make_room", [_drop_ballast, _delete_records, _shorten_retention, _delete_another_topic])
def test_producers_are_refused_before_the_disk_is_full_and_come_back(make_room, disk, broker):
    """Meanwhile records are fetched, offsets committed, topics made and deleted; clients that wait lose nothing."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    _fill_topic(broker, "other", 60)
    load = Load(broker.bootstrap, "filling", largest=20000)
    load.create_topic()
    disk.leave_mib(116)
    with load.running():
        wait_for_line(_SHORT, broker)
        refused_at = len(load.acknowledged)
        assert disk.free_mib > 1, "refused only when there was nothing left"
        load.check(dict(load.acknowledged))
        _commit_offsets(broker, load.topic)
        wait(admin.create_topics([NewTopic("made-meanwhile", 3, 1)]))
        wait(admin.delete_topics(["made-meanwhile"]))
        make_room(disk, admin, load)
        wait_for_line(_AGAIN, broker)
        wait_for(lambda: len(load.acknowledged) > refused_at + 100, broker)
    assert not load.errors, load.errors[:5]
    assert "is offline" not in broker.log_text()
    load.check()
    broker.kill()
    broker.start()
    load.check()
    disk.drop_ballast()


def test_a_disk_that_others_fill_is_waited_for(disk, broker):
    """Not a byte is left, whatever was kept back: nothing acknowledged is lost, and all goes on when there is room."""
    load = Load(broker.bootstrap, "full", largest=5000)
    load.create_topic()
    with load.running():
        for round_number in range(1, 4):
            wait_for(lambda: len(load.acknowledged) > 1000 * round_number, broker)
            disk.leave_mib(4)
            disk.fill()
            wait_for_line(_SHORT, broker, round_number)
            disk.fill()
            full_at = len(load.acknowledged)
            time.sleep(1.5)  # the fault: all that comes up now and then meets the full disk
            load.check(dict(load.acknowledged))
            disk.drop_ballast()
            wait_for_line(_AGAIN, broker, round_number)
            wait_for(lambda: len(load.acknowledged) > full_at + 100, broker)
            assert "is offline" not in broker.log_text() and "metadata log failed" not in broker.log_text()
    assert not load.errors, load.errors[:5]
    load.check()
    broker.kill()
    broker.start()
    load.check()


def _cut_power(disk):
    disk.cut_power()
    disk.unmount()
    disk.mount()


@pytest.mark.parametrize("happens", [lambda _disk: None, _cut_power], ids=["kill", "power cut"])
def test_a_broker_that_starts_on_a_full_disk_serves_when_there_is_room(happens, disk, start_broker, tmp_path):
    """Its logs cannot be opened, nor what the journal has put back into them; nothing of it is lost, nor for good."""
    data, metadata = disk.path / "data", tmp_path / "metadata"
    broker = start_broker(log_dirs=f"{data},{metadata}", metadata_log_dir=metadata, cordoned_log_dirs=metadata, **_SETTINGS)
    load = Load(broker.bootstrap, "kept", largest=5000)
    load.create_topic()
    # What it commits is left to a coordinator that had no room to begin.
    group = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "kept"})
    group.commit(offsets=[TopicPartition(load.topic, 0, 7)], asynchronous=False)
    with load.running():
        wait_for(lambda: len(load.acknowledged) > 1000, broker)
        disk.leave_mib(4)
        disk.fill()
        wait_for_line(_SHORT, broker)
        broker.kill()
        happens(disk)
        disk.fill()
        broker.start()
        wait_for_line("cannot open the log until there is room", broker)
        full_at = len(load.acknowledged)
        disk.drop_ballast()
        wait_for(lambda: len(load.acknowledged) > full_at + 100, broker)
        wait_for_line("logs that the journal has records of", broker)
    assert [committed.offset for committed in group.committed([TopicPartition(load.topic, 0)], timeout=30)] == [7]
    group.close()
    assert "is offline" not in broker.log_text()
    assert not load.errors, load.errors[:5]
    load.check()
    broker.stop()


def test_a_disk_that_becomes_read_only_takes_its_log_dir_offline(disk, broker):
    """Producers are refused and records are still read; after a restart on the mended disk all is there."""
    load = Load(broker.bootstrap, "read-only")
    load.create_topic()
    with load.running():
        wait_for(lambda: len(load.acknowledged) > 1000, broker)
        disk.make_read_only()
        wait_for(lambda: "is offline" in broker.log_text() or "metadata log failed" in broker.log_text(), broker)
    load.check()
    broker.kill()
    disk.unmount()
    disk.mount()
    broker.start()
    load.check()


def _fill_topic(broker, topic, mib):
    """Records nobody misses."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    wait(admin.create_topics([NewTopic(topic, 1, 1)]))
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    for _ in range(mib * 2):
        producer.produce(topic, bytes(1 << 19))
    assert producer.flush(60) == 0


def _commit_offsets(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "meanwhile"})
    committed = consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert [each.offset for each in committed if not each.error] == [1]
    consumer.close()
