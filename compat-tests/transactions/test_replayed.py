"""Requests of transactions that come a second time, or late, on another connection: what is over is fenced (KAFKA-17754)."""

import time

from checker.witnesses import Witnesses
from harness import topics
from harness.replaying import END_TXN, TXN_OFFSET_COMMIT, Replaying
from harness.waiting import eventually

_PARTITIONS = 4
_SECONDS = 5
_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED = 47, 90


class _Way:
    """What witnesses are told of the broker."""

    def __init__(self, replaying):
        self.bootstrap = f"127.0.0.1:{replaying.port}"


def _has_enough(counts, heard):
    """Whether enough came about for the histories to say something."""
    fenced = [sum(heard[api, code] for code in (_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED)) for api in (END_TXN, TXN_OFFSET_COMMIT)]
    return counts["committed"] > 50 and counts["aborted"] > 10 and min(fenced) > 10


def _counts_yet(folder):
    """How many transactions ended, as those who made them have written so far."""
    lines = [line for file in folder.glob("history-*.jsonl") for line in file.read_text().splitlines()]
    ended = [line for line in lines if '"type":"ok","f":"end"' in line]
    committed = sum('"committed":true' in line for line in ended)
    return {"committed": committed, "aborted": len(ended) - committed}


def test_fenced(start_broker, tmp_path):
    """Java's transactions with records and offsets: histories stay clean, and late ends and commits are told that they are fenced."""
    replaying = Replaying(seed=1)
    broker = start_broker(
        advertised_listeners=f"PLAINTEXT://127.0.0.1:{replaying.port}",
        offsets_topic_num_partitions=5, transaction_state_log_num_partitions=5,
    )  # fmt: skip
    replaying.lead_to(broker.port)
    topics.create(broker.bootstrap, "written", _PARTITIONS)
    witnesses = Witnesses(_Way(replaying), "written", _PARTITIONS, tmp_path / "witnesses")
    try:
        groups = [witnesses.transact_with_java(rate=100) for _ in range(3)]
        witnesses.read()
        time.sleep(_SECONDS)
        eventually(lambda: _has_enough(_counts_yet(witnesses.folder), replaying.heard), "too few transactions")
        witnesses.finish()
        for group in groups:
            witnesses.note_committed(group)
    finally:
        witnesses.kill()
        replaying.close()
    counts = witnesses.check_histories()
    print(counts, replaying.heard)
    assert _has_enough(counts, replaying.heard), (counts, replaying.heard)
