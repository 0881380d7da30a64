"""What is wrong with the files of a partition's replicas, whoever wrote them: no client and no broker is trusted.

Read when all brokers have stopped in order and every replica was in sync, so that all of it is below the high watermark.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from aiokafka.record._crecords.cutil import crc32c_cython

_HEADER = struct.Struct(">qiibIhiqqqhii")
# Base offset and length stand before what the length counts; the checksum is over what follows it.
_BEFORE_LENGTH, _BEFORE_CRC_END = 12, 21
_MAGIC = 2
_CONTROL = 0x20
_SEQUENCES = 1 << 31


@dataclass
class Batch:
    """The head of a batch, and its bytes."""

    base: int
    last: int
    epoch: int
    producer: int
    producer_epoch: int
    sequence: int
    count: int
    is_control: bool
    crc_is_right: bool
    data: bytes


def batches(data):
    """The batches of a segment file; ends before what is no whole batch, and says how many bytes are left."""
    at, found = 0, []
    while len(data) - at >= _HEADER.size:
        base, length, epoch, magic, crc, attributes, delta, _, _, *of_producer = _HEADER.unpack_from(data, at)
        producer, producer_epoch, sequence, count = of_producer
        end = at + _BEFORE_LENGTH + length
        if magic != _MAGIC or length < _HEADER.size - _BEFORE_LENGTH or end > len(data):
            break
        whole = data[at:end]
        is_right = crc32c_cython(whole[_BEFORE_CRC_END:]) == crc
        found.append(Batch(
            base, base + delta, epoch, producer, producer_epoch, sequence, count, bool(attributes & _CONTROL), is_right, whole
        ))  # fmt: skip
        at = end
    return found, len(data) - at


def read_log(folder):
    """All batches of a replica, and what is wrong with its files as such."""
    found, problems = [], []
    for path in sorted(Path(folder).glob("*.log")):
        own, left = batches(path.read_bytes())
        # A broker that was killed may have left room at the end of a segment that it did not fill.
        if left and any(path.read_bytes()[-left:]):
            problems.append(f"{path.name}: {left} bytes at the end are no batch")
        if own and own[0].base < int(path.stem):
            problems.append(f"{path.name} begins at {own[0].base}")
        found += own
    return found, problems


def read_epochs(folder):
    """The leader-epoch-checkpoint: [(epoch, start offset)]."""
    path = Path(folder) / "leader-epoch-checkpoint"
    lines = path.read_text().splitlines() if path.exists() else []
    return [tuple(map(int, line.split())) for line in lines[2:]]


def check_log(log, epochs=None, compacted=False):
    """What is wrong with one replica's batches; `epochs` is what its checkpoint says of them."""
    problems = []
    before = None
    for batch in log:
        if not batch.crc_is_right:
            problems.append(f"the batch at {batch.base} has another checksum")
        if before:
            if batch.base <= before.last:
                problems.append(f"offset {batch.base} follows {before.last}")
            elif batch.base != before.last + 1 and not compacted:
                problems.append(f"a hole from {before.last + 1} to {batch.base}")
            if batch.epoch < before.epoch:
                problems.append(f"leader epoch {batch.epoch} at {batch.base} follows {before.epoch}")
        before = batch
    problems += [] if epochs is None else _check_epochs(log, epochs)
    return problems + ([] if compacted else _check_sequences(log))


def _check_epochs(log, epochs):
    if epochs != sorted(epochs) or len({start for _, start in epochs}) != len(epochs):
        return [f"the checkpoint of epochs is not in order: {epochs}"]
    for batch in log:
        expected = [epoch for epoch, start in epochs if start <= batch.base]
        if not expected or expected[-1] != batch.epoch:
            return [f"the batch at {batch.base} has epoch {batch.epoch}, by the checkpoint {expected[-1:]} of {epochs}"]
    return []


def _check_sequences(log):
    """Idempotence as the log has it: no sequence of a producer's epoch is missing or there twice."""
    problems, next_of, epoch_of = [], {}, {}
    for batch in log:
        if batch.producer < 0 or batch.is_control:
            continue
        if batch.producer_epoch < epoch_of.get(batch.producer, 0):
            problems.append(f"producer {batch.producer} at {batch.base} goes back to epoch {batch.producer_epoch}")
        # Of a producer that it does not know a leader takes any sequence, as Kafka's do: the first batches of a new one are
        # refused for ever if they come after later ones, when a leader fell before it had given them away (KAFKA-14359).
        first = 0 if batch.producer in epoch_of else batch.sequence
        epoch_of[batch.producer] = batch.producer_epoch
        who = (batch.producer, batch.producer_epoch)
        expected = next_of.get(who, first)
        if batch.sequence != expected:
            problems.append(f"producer {who} at {batch.base} has sequence {batch.sequence}, not {expected}")
        next_of[who] = (batch.sequence + batch.count) % _SEQUENCES
    return problems


def check_partition(folders, compacted=False):
    """What is wrong with the replicas of a partition: {name: folder}."""
    problems, logs = [], {}
    for name, folder in folders.items():
        logs[name], own = read_log(folder)
        own += check_log(logs[name], read_epochs(folder), compacted)
        problems += [f"{name}: {problem}" for problem in own]
    if not compacted:
        problems += compare(logs)
    return problems


def compare(logs):
    """Replicas have the same bytes wherever both have any, and end at one offset."""
    (first, log), *others = logs.items()
    problems = []
    for name, other in others:
        start = max((each[0].base for each in (log, other) if each), default=0)
        pair = [[batch for batch in each if batch.base >= start] for each in (log, other)]
        differing = next((n for n, (a, b) in enumerate(zip(*pair)) if a.data != b.data), None)
        if differing is not None:
            problems.append(f"{first} and {name} differ at {pair[0][differing].base}: epochs "
                            f"{pair[0][differing].epoch} and {pair[1][differing].epoch}")  # fmt: skip
        elif len(pair[0]) != len(pair[1]):
            ends = [each[-1].last + 1 if each else start for each in pair]
            problems.append(f"{first} ends at {ends[0]}, {name} at {ends[1]}")
    return problems
