"""Several log dirs: where partitions are made, how they move, and what one dir's failure leaves."""

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import NewPartitions, NewTopic

from harness import topics
from log_dirs.several import Load, Several, until

# MiB for MiB: the first at once, each other after half a minute.
_SLOWLY = "30000"
_LOG_DIR_NOT_FOUND, _UNKNOWN_TOPIC_OR_PARTITION, _INVALID_TOPIC = 57, 3, 17
_KAFKA_STORAGE_ERROR, _INVALID_REPLICA_ASSIGNMENT, _REPLICA_NOT_AVAILABLE = 56, 39, 9


@pytest.fixture
def several(start_broker, tmp_path):
    """A broker with three log dirs; files to be deleted go after a second."""
    paths = [tmp_path / "dirs" / name for name in "abc"]
    broker = start_broker(log_dirs=",".join(map(str, paths)), log_segment_delete_delay_ms=1000)
    return Several(broker, paths)


def counts(several, topic, partitions):
    until(lambda: all(several.folders(topic, partition) for partition in range(partitions)), "the partitions")
    dirs = [several.dir_of(topic, partition).name for partition in range(partitions)]
    return [dirs.count(path.name) for path in several.paths]


def test_new_partitions_go_to_the_emptiest_dir(several):
    """A topic's partitions are spread, later ones fill up what has fewest, copies on their way counted."""
    several.create("spread", 7)
    assert sorted(counts(several, "spread", 7)) == [2, 2, 3]
    topics.wait(several.admin.create_partitions([NewPartitions("spread", 9)]))
    assert counts(several, "spread", 9) == [3, 3, 3]
    several.create("later", 3)
    assert counts(several, "later", 3) == [1, 1, 1]


def test_what_a_dir_holds_is_told(several):
    """kafka-log-dirs: each dir with its partitions, their sizes as their files have them, and no lag."""
    several.create("told", 3)
    several.produce("told", range(100), partition=1)
    described = several.described("--topic-list", "told")
    assert sorted(described) == sorted(map(str, several.paths))
    found = {}
    for path, (error, partitions) in described.items():
        assert error is None
        for name, fields in partitions.items():
            found[name] = path
            segments = several.paths[0].parent.joinpath(path, name).glob("*.log")
            assert fields["size"] == sum(segment.stat().st_size for segment in segments)
            assert (fields["offsetLag"], fields["isFuture"]) == (0, False)
    assert found == {f"told-{n}": str(several.dir_of("told", n)) for n in range(3)}


def test_a_partition_moves_while_it_is_produced_to(several):
    """Under load a move is like no move: every record is there once and in order; one copy is left, in the new dir."""
    several.create("moved")
    several.produce("moved", range(5000))
    target = several.another_dir("moved")
    several.throttle("4000000")
    with Load(several.broker.bootstrap, "moved", start=5000) as load:
        assert several.move("moved", target) == 0
        until(lambda: "-future" in dict(several.folders("moved")).values(), "the copy")
        several.throttle(None)
        until(lambda: several.folders("moved") == [(target.name, "")], "the move")
        moved_at = load.count
        until(lambda: load.count > moved_at + 500, "records after the move")
    several.wait_until_only_in(target, "moved")
    assert several.values("moved", load.count) == list(range(load.count))
    ((_, fields),) = [(p, f) for p, (_, f) in several.described("--topic-list", "moved").items() if f]
    assert not fields["moved-0"]["isFuture"]
    several.broker.restart()
    assert several.values("moved", load.count) == list(range(load.count))
    several.broker.kill()
    several.broker.start()
    assert several.values("moved", load.count) == list(range(load.count))
    several.wait_until_only_in(target, "moved")


def test_a_move_goes_on_after_a_crash(several):
    """Killed twice in the middle of a move, under load; it ends after the restart, and nothing is lost."""
    several.create("crashed")
    several.produce("crashed", range(4000))
    source, target = several.dir_of("crashed"), several.another_dir("crashed")
    several.throttle(_SLOWLY)
    assert several.move("crashed", target) == 0
    count = 4000
    for _ in range(2):
        with Load(several.broker.bootstrap, "crashed", start=count) as load:
            until(lambda: load.count > count + 300, "records during the move")
        count = load.count
        assert several.folders("crashed") == sorted([(source.name, ""), (target.name, "-future")])
        several.broker.kill()
        several.broker.start()
        assert several.values("crashed", count) == list(range(count))
    several.throttle(None)
    several.wait_until_only_in(target, "crashed")
    assert several.values("crashed", count) == list(range(count))
    several.broker.kill()
    several.broker.start()
    assert several.values("crashed", count) == list(range(count))


def test_a_move_is_told_and_given_up(several):
    """The copy's lag is told; asking for another dir sends it there, asking for the own dir ends the move."""
    several.create("given-up")
    several.produce("given-up", range(3000))
    source = several.dir_of("given-up")
    first, second = [path for path in several.paths if path != source]
    several.throttle(_SLOWLY)
    assert several.move("given-up", first) == 0
    fields = several.described("--topic-list", "given-up")[str(first)][1]["given-up-0"]
    assert fields["isFuture"] and 0 < fields["offsetLag"] <= 3000
    assert several.move("given-up", second) == 0
    until(lambda: several.folders("given-up") == sorted([(source.name, ""), (second.name, "-future")]), "the second")
    assert several.move("given-up", source) == 0
    several.wait_until_only_in(source, "given-up")
    several.throttle(None)
    assert several.values("given-up", 3000) == list(range(3000))


def test_a_deleted_topic_takes_its_copy_along(several):
    """Deleting a topic that moves leaves nothing in either dir."""
    several.create("deleted")
    several.produce("deleted", range(3000))
    several.throttle(_SLOWLY)
    assert several.move("deleted", several.another_dir("deleted")) == 0
    topics.wait(several.admin.delete_topics(["deleted"]))
    until(lambda: not several.folders("deleted", deleted=True), "the folders to go")


def test_what_cannot_move_is_refused(several):
    """The codes of AlterReplicaLogDirs, and the dir that a partition was asked for before it was there."""
    several.create("refused")
    here = several.dir_of("refused")
    assert several.move("refused", here) == 0
    assert several.move("refused", "/nowhere") == _LOG_DIR_NOT_FOUND
    assert several.move("refused", f"{here}/") == _LOG_DIR_NOT_FOUND
    assert several.move("refused", here, partition=7) == _UNKNOWN_TOPIC_OR_PARTITION
    assert several.move("n" * 240, here) == _INVALID_TOPIC
    for partition in range(3):
        assert several.move("asked-for", several.paths[2], partition) == _UNKNOWN_TOPIC_OR_PARTITION
    several.create("asked-for", 3)
    assert counts(several, "asked-for", 3) == [0, 0, 3]
    assert several.folders("refused") == [(here.name, "")]


def test_cordoned_dirs_get_nothing_new(several):
    """`cordoned.log.dirs` (KIP-1066): no new partitions, no moves there; none at all while all dirs are cordoned."""
    a, b, c = several.paths
    several.create("before", 3)
    several.configure("cordoned.log.dirs", f"{a},{b}")
    until(lambda: several.move("before", a) == _INVALID_REPLICA_ASSIGNMENT, "the cordon")
    assert several.move("nothing", b) == _INVALID_REPLICA_ASSIGNMENT
    several.create("cordoned", 4)
    assert counts(several, "cordoned", 4) == [0, 0, 4]
    several.configure("cordoned.log.dirs", "*")

    def refusal(create):
        try:
            topics.wait(create())
        except KafkaException as refused:
            return refused.args[0].str()
        return None

    grow = lambda: several.admin.create_partitions([NewPartitions("before", 4)], validate_only=True)
    everything = "All brokers are currently fenced, or have all their log directories cordoned."
    assert until(lambda: refusal(grow), "the cordon of all") == everything
    create = lambda: several.admin.create_topics([NewTopic("too-late", 1, 1)])
    assert refusal(create) == f"Unable to replicate the partition 1 time(s): {everything}"
    several.configure("cordoned.log.dirs", None)
    until(lambda: refusal(grow) is None, "the end of the cordon")
    several.broker.restart()
    several.create("after", 2)


def test_a_dir_that_fails_takes_only_its_partitions(several):
    """Started with one dir that cannot be used, the others are served; with it back, so is all it holds."""
    several.create("partly", 3)
    for partition in range(3):
        several.produce("partly", range(100), partition)
    lost = several.paths[2]
    (gone,) = [n for n in range(3) if several.dir_of("partly", n) == lost]
    kept = [n for n in range(3) if n != gone]
    several.broker.stop()
    lost.rename(lost.with_name("away"))
    lost.write_text("not a folder")
    several.broker.start()
    described = until(lambda: several.described("--topic-list", "partly"), "the log dirs")
    assert "KafkaStorageException" in described[str(lost)][0]
    for partition in kept:
        several.produce("partly", range(100, 200), partition)
        assert several.values("partly", 200, partition) == list(range(200))
    assert several.move("partly", lost, kept[0]) == _KAFKA_STORAGE_ERROR
    assert several.move("partly", several.another_dir("partly", kept[0]), kept[0]) == _KAFKA_STORAGE_ERROR
    assert several.move("partly", several.paths[0], gone) == _REPLICA_NOT_AVAILABLE
    several.create("beside", 4)
    assert sum(counts(several, "beside", 4)[:2]) == 4
    several.broker.stop()
    lost.unlink()
    lost.with_name("away").rename(lost)
    several.broker.start()
    until(lambda: not _leaderless(several, "partly"), "a leader for all")
    assert several.values("partly", 100, gone) == list(range(100))
    several.produce("partly", range(100, 110), gone)
    assert several.dir_of("partly", gone) == lost
    for partition in kept:
        assert several.values("partly", 200, partition) == list(range(200))


def _leaderless(several, topic):
    partitions = several.admin.list_topics(topic, timeout=30).topics[topic].partitions
    return [number for number, partition in partitions.items() if partition.leader != 1]
