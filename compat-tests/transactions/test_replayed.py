"""Requests of transactions that come a second time, or late, on another connection: what is over is fenced (KAFKA-17754)."""

import time

from checker.witnesses import Witnesses
from harness import topics
from harness.replaying import END_TXN, TXN_OFFSET_COMMIT, Replaying

_PARTITIONS = 4
_SECONDS = 5
_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED = 47, 90


class _Way:
    """What witnesses are told of the broker."""

    def __init__(self, replaying):
        self.bootstrap = f"127.0.0.1:{replaying.port}"


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
        witnesses.finish()
        for group in groups:
            witnesses.note_committed(group)
    finally:
        witnesses.kill()
        replaying.close()
    counts = witnesses.check_histories()
    print(counts, replaying.heard)
    assert counts["committed"] > 50, counts
    assert counts["aborted"] > 10, counts
    for api in (END_TXN, TXN_OFFSET_COMMIT):
        fenced = sum(replaying.heard[api, code] for code in (_INVALID_PRODUCER_EPOCH, _PRODUCER_FENCED))
        assert fenced > 10, replaying.heard
