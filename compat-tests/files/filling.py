"""Fills a broker with all that its files can hold."""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from harness import topics
from harness.topics import DEADLINE_S, wait

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Whose offsets an operator set, members of either protocol committed, and transactions committed.
GROUPS = ["readers", "classic", "consumer", "transactional"]
COMPACTED = "compacted"
_START_MS = 1_700_000_000_000
_SMALL = {"internal_segment_bytes": 2048, "index_interval_bytes": 200, "retention_ms": -1}
# Kafka's own cleaning and retention begin half a minute after the start.
OVERRIDES = {
    "log_initial_task_delay_ms": 100,
    "log_retention_check_interval_ms": 200,
    "log_cleaner_backoff_ms": 100,
    "log_segment_delete_delay_ms": 100,
    "offsets_topic_num_partitions": 2,
    "transaction_state_log_num_partitions": 1,
}


def admin(broker):
    """A client to be kept until it has answered."""
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})


def producer(broker, **settings):
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "linger.ms": 5, **named})


def until(holds, what):
    end = time.monotonic() + DEADLINE_S
    while not (found := holds()):
        assert time.monotonic() < end, f"not in {DEADLINE_S} s: {what}"
        time.sleep(0.05)
    return found


def flush(sender):
    assert sender.flush(DEADLINE_S) == 0, "records were not acknowledged"


def create(broker):
    """Makes the topics; retention must not take what has old timestamps."""
    make = lambda name, partitions=1, **configs: topics.create(broker.bootstrap, name, partitions, **configs)  # noqa: E731
    make("codecs", retention_ms=-1)
    make("stamped", message_timestamp_type="LogAppendTime")
    make("idempotent", partitions=2, **_SMALL)
    make("transactions", partitions=2, **_SMALL)
    make(COMPACTED, cleanup_policy="compact", min_cleanable_dirty_ratio=0.01, segment_ms=600_000, **_SMALL)
    make("trimmed", **_SMALL)
    make("expired", **{**_SMALL, "retention_bytes": 6000})
    make("gone")
    make("empty", partitions=2)


def codecs(broker, life):
    """Every codec; keys, values and headers that are null or empty; headers with equal keys; times out of order."""
    for number, codec in enumerate(CODECS):
        sender = producer(broker, compression_type=codec)
        for n in range(20):
            sender.produce(
                "codecs",
                key=None if n % 3 == 0 else f"key {n}",
                value=None if n % 7 == 0 else f"{life} {codec} {n} " + "x" * (n * 10),
                headers=[("h", b"1"), ("h", None), ("h", b""), ("", str(n).encode())] if n % 2 else None,
                timestamp=_START_MS + life * 100_000 + number * 1000 + (n * 7) % 20,
            )
        flush(sender)


def stamped(broker, life):
    """LogAppendTime, compressed and not."""
    for codec in ["none", "zstd"]:
        sender = producer(broker, compression_type=codec)
        for n in range(10):
            sender.produce("stamped", value=f"{life} {codec} {n}", timestamp=5)
        flush(sender)


def idempotent(broker, life):
    """Two idempotent producers, over several segments."""
    for number in range(2):
        sender = producer(broker, enable_idempotence=True, compression_type="lz4" if number else "none")
        for n in range(60):
            sender.produce("idempotent", partition=n % 2, key=f"{n}", value=f"{life} {number} {n} " + "y" * 100)
            if n % 5 == 4:
                flush(sender)


def transactions(broker, life):
    """Committed and aborted ones, in turns."""
    senders = [producer(broker, transactional_id=f"txn-{number}") for number in range(2)]
    for sender in senders:
        sender.init_transactions(DEADLINE_S)
    for turn in range(6):
        for number, sender in enumerate(senders):
            sender.begin_transaction()
            for n in range(4):
                sender.produce("transactions", partition=n % 2, value=f"{life} {turn} {number} {n} " + "z" * 100)
            flush(sender)
        for number, sender in enumerate(senders):
            (sender.abort_transaction if (turn + number) % 3 == 0 else sender.commit_transaction)(DEADLINE_S)


def open_transaction(broker, life):
    """Begins a transaction that nobody ends; keep what is returned for as long as it must stay open."""
    sender = producer(broker, transactional_id=f"open-{life}", transaction_timeout_ms=800_000)
    sender.init_transactions(DEADLINE_S)
    sender.begin_transaction()
    for n in range(3):
        sender.produce("transactions", partition=0, value=f"{life} open {n}")
    flush(sender)
    plain = producer(broker)
    plain.produce("transactions", partition=0, value=f"{life} after an open one")
    flush(plain)
    return sender


def compacted(broker, life):
    """The same keys over and over, and tombstones."""
    sender = producer(broker, compression_type="snappy")
    for n in range(240):
        sender.produce(COMPACTED, key=f"key {n % 12}", value=None if n % 11 == 0 else f"{life} {n} " + "c" * 50)
        if n % 6 == 5:
            flush(sender)
    flush(sender)


def member(broker, protocol):
    """A group named by its protocol, whose member reads, commits and leaves."""
    settings = {"group.id": protocol, "group.protocol": protocol, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "log_level": 0, **settings})
    consumer.subscribe(["codecs"])
    read = []
    until(lambda: read.extend(consumer.consume(5, 0.1)) or len(read) >= 5, f"records for a {protocol} member")
    consumer.commit(asynchronous=False)
    consumer.close()


def offsets_in_transactions(broker, group):
    """Offsets that were committed, and others that were aborted, by a transaction."""
    sender = producer(broker, transactional_id="offsets")
    sender.init_transactions(DEADLINE_S)
    for offset, end in [(5, sender.commit_transaction), (9, sender.abort_transaction)]:
        sender.begin_transaction()
        of_group = Consumer({"bootstrap.servers": broker.bootstrap, "log_level": 0, "group.id": group})
        sender.send_offsets_to_transaction([TopicPartition("codecs", 0, offset)], of_group.consumer_group_metadata(), DEADLINE_S)
        of_group.close()
        end(DEADLINE_S)


def metadata(client):
    """Records of the metadata log beside topics and configs."""
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    wait(client.alter_user_scram_credentials([UserScramCredentialUpsertion("alice", info, b"secret")]))


def plain(broker, topic, count, text):
    sender = producer(broker)
    for n in range(count):
        sender.produce(topic, key=f"{n}", value=f"{text} {n} " + "p" * 100)
        if n % 3 == 2:
            flush(sender)
    flush(sender)


def _is_cleaned(broker):
    checkpoint = broker.data / "cleaner-offset-checkpoint"
    return checkpoint.exists() and any(line.startswith(f"{COMPACTED} 0 ") for line in checkpoint.read_text().splitlines())


def _take(client, commits):
    """Whether a group's coordinator takes its offsets, which is refused while it begins."""
    (done,) = wait(client.alter_consumer_group_offsets([commits])).values()
    return all(each.error is None for each in done.topic_partitions)


def _first_offset(broker, topic):
    client = admin(broker)
    (found,) = wait(client.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()})).values()
    return found.offset


def first_life(broker):
    """All that a broker can come to hold before its first stop."""
    client = admin(broker)
    create(broker)
    second_life(broker, life=1)
    plain(broker, "trimmed", 60, "trimmed")
    wait(client.delete_records([TopicPartition("trimmed", 0, 31)]))
    plain(broker, "expired", 90, "expired")
    until(lambda: _first_offset(broker, "expired") > 0, "retention")
    keep = ConfigEntry("retention.bytes", "-1", incremental_operation=AlterConfigOpType.SET)
    wait(client.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, "expired", incremental_configs=[keep])]))
    until(lambda: _is_cleaned(broker), "compaction")
    commits = [TopicPartition("codecs", 0, 42, "meta"), TopicPartition("idempotent", 1, 7)]
    until(lambda: _take(client, ConsumerGroupTopicPartitions(GROUPS[0], commits)), "a commit for a group without members")
    member(broker, "classic")
    member(broker, "consumer")
    offsets_in_transactions(broker, "transactional")
    metadata(client)
    plain(broker, "gone", 3, "gone")
    wait(client.delete_topics(["gone"]))


def second_life(broker, life):
    """More of everything, under a new leader epoch."""
    for fill in [codecs, stamped, idempotent, transactions, compacted]:
        fill(broker, life)
