"""The oracle that reads segment files: what no broker may write is flagged, and what looks like it is not."""

import struct

import pytest
from aiokafka.record._crecords.cutil import crc32c_cython

from checker import segments


def batch(base, count=1, epoch=0, producer=-1, producer_epoch=0, sequence=-1, payload=b"x", control=False, crc=None):
    rest = struct.pack(">hiqqqhii", 0x20 if control else 0, count - 1, 0, 0, producer, producer_epoch, sequence, count) + payload
    crc = crc32c_cython(rest) if crc is None else crc
    return struct.pack(">qiibI", base, len(rest) + 9, epoch, 2, crc) + rest


def sent(base, sequence, count=1, producer_epoch=0, producer=7):
    return batch(base, count, producer=producer, producer_epoch=producer_epoch, sequence=sequence)


def write(folder, *data, epochs=((0, 0),), start=0):
    folder.mkdir(exist_ok=True)
    (folder / f"{start:020}.log").write_bytes(b"".join(data))
    lines = [f"{epoch} {at}\n" for epoch, at in epochs]
    (folder / "leader-epoch-checkpoint").write_text(f"0\n{len(lines)}\n" + "".join(lines))
    return folder


FLAGGED = {
    "checksum": ("another checksum", [batch(0, crc=1)], {}),
    "the same offset twice": ("offset 1 follows 1", [batch(0, 2), batch(1)], {}),
    "a hole": ("a hole from 1 to 2", [batch(0), batch(2)], {}),
    "an epoch that goes back": ("leader epoch 1 at 1 follows 2", [batch(0, epoch=2), batch(1, epoch=1)], {"epochs": ((2, 0),)}),
    "an epoch that the checkpoint does not know": ("the batch at 1 has epoch 1", [batch(0), batch(1, epoch=1)], {}),
    "a checkpoint in no order": ("not in order", [batch(0)], {"epochs": ((0, 0), (2, 5), (1, 9))}),
    "a sequence twice": ("has sequence 0, not 1", [sent(0, 0), sent(1, 0)], {}),
    "a sequence is missing": ("has sequence 3, not 2", [sent(0, 0, count=2), sent(2, 3)], {}),
    "the first sequence of an epoch is missing": ("has sequence 1, not 0", [sent(0, 0), sent(1, 1, producer_epoch=1)], {}),
    "a producer's epoch goes back": (
        "goes back to epoch 1", [sent(0, 0, producer_epoch=1), sent(1, 0, producer_epoch=2), sent(2, 1, producer_epoch=1)], {},
    ),
    "rubbish at the end": ("are no batch", [batch(0), b"\1" * 70], {}),
    "a segment that begins before its name": ("begins at 0", [batch(0)], {"start": 5}),
}  # fmt: skip

ALLOWED = {
    "offsets and epochs that grow": ([batch(0, 3), batch(3, epoch=2), batch(4, epoch=2)], {"epochs": ((0, 0), (2, 3))}),
    "an epoch without a record": ([batch(0)], {"epochs": ((0, 0), (1, 1))}),
    "sequences of two producers": ([sent(0, 0), sent(1, 0, producer=8), sent(2, 1), sent(3, 1, producer=8)], {}),
    "sequences begin anew in a new epoch": ([sent(0, 0), sent(1, 1), sent(2, 0, producer_epoch=1)], {}),
    "the first sequence of a producer nobody knew": ([sent(0, 3), sent(1, 4)], {}),
    "a marker has no sequence": ([sent(0, 0), batch(1, producer=7, control=True), sent(2, 1)], {}),
    "room at the end": ([batch(0), bytes(100)], {}),
    "a log whose start is deleted": ([sent(5, 17), sent(6, 18)], {"start": 5}),
    "nothing": ([], {"epochs": ()}),
}


@pytest.mark.parametrize("name", FLAGGED)
def test_flagged(name, tmp_path):
    expected, data, more = FLAGGED[name]
    problems = segments.check_partition({"1": write(tmp_path / "t-0", *data, **more)})
    assert any(expected in problem for problem in problems), problems


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name, tmp_path):
    data, more = ALLOWED[name]
    assert segments.check_partition({"1": write(tmp_path / "t-0", *data, **more)}) == []


def test_the_sequence_after_the_largest_is_zero(tmp_path):
    """It is so in a log whose start is deleted, as nobody waits for so many records."""
    log = write(tmp_path / "t-0", sent(5, 2**31 - 2, count=2), sent(7, 0), start=5)
    assert segments.check_partition({"1": log}) == []


def test_holes_are_right_in_a_compacted_log(tmp_path):
    log = write(tmp_path / "t-0", sent(0, 0), sent(4, 4))
    assert segments.check_partition({"1": log}, compacted=True) == []


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([batch(0), batch(1, payload=b"y")], "1 and 2 differ at 1"),
        ([batch(0), batch(1, epoch=1)], "1 and 2 differ at 1: epochs 0 and 1"),
        ([batch(0)], "1 ends at 2, 2 at 1"),
        ([batch(0), batch(1), batch(2)], "1 ends at 2, 2 at 3"),
    ],
)
def test_replicas_that_are_not_the_same_are_flagged(tmp_path, other, expected):
    epochs = ((0, 0), (1, 1)) if "epochs" in expected else ((0, 0),)
    folders = {"1": write(tmp_path / "one", batch(0), batch(1)), "2": write(tmp_path / "two", *other, epochs=epochs)}
    problems = segments.check_partition(folders)
    assert len(problems) == 1 and expected in problems[0], problems


def test_replicas_may_roll_and_delete_segments_each_by_themselves(tmp_path):
    one = write(tmp_path / "one", batch(0), batch(1), batch(2))
    two = write(tmp_path / "two", batch(1))
    write(two, batch(2), start=2)
    (two / f"{0:020}.log").rename(two / f"{1:020}.log")
    assert segments.check_partition({"1": one, "2": two}) == []
