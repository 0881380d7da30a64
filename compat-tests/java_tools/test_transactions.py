"""kafka-transactions: every subcommand."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as Partition
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from harness import broker as brokers
from harness import ports, topics
from harness.tools import Tools, table
from harness.waiting import eventually

_DEADLINE_S = 30


@pytest.fixture
def open_transaction(broker):
    """open_transaction("id", "topic", partition…): a producer whose transaction has a record in each of the partitions."""

    def begin(id, topic, *partitions):
        settings = {"bootstrap.servers": broker.bootstrap, "transactional.id": id, "transaction.timeout.ms": 123_000, "log_level": 0}
        producer = Producer(settings)
        producer.init_transactions(_DEADLINE_S)
        producer.begin_transaction()
        for partition in partitions:
            producer.produce(topic, "open", partition=partition)
        assert producer.flush(_DEADLINE_S) == 0
        return producer

    return begin


def last_stable_offset(broker, topic):
    consumer = Consumer({
        "bootstrap.servers": broker.bootstrap, "group.id": "none", "isolation.level": "read_committed", "log_level": 0,
    })  # fmt: skip
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), _DEADLINE_S)[1]
    finally:
        consumer.close()


def described(tools, id):
    """The one row of kafka-transactions describe."""
    (row,) = table(tools("kafka-transactions", "describe", "--transactional-id", id).out)
    return row


def producers(tools, topic, partition=0, *arguments):
    done = tools("kafka-transactions", "describe-producers", "--topic", topic, "--partition", partition, *arguments)
    return table(done.out)


def test_list(tools, topic, fresh, open_transaction):
    """list names ids with coordinator, producer and state; its filters are of duration and of what the id looks like."""
    name, prefix = topic(), fresh("id")
    with_records = open_transaction(f"{prefix}-open", name, 0)
    open_transaction(f"{prefix}-idle", name)

    def listed(*arguments):
        rows = table(tools("kafka-transactions", "list", *arguments).out)
        mine = [row for row in rows if row["TransactionalId"].startswith(prefix)]
        assert all(row["Coordinator"] == "1" and int(row["ProducerId"]) >= 0 for row in mine)
        return {row["TransactionalId"].removeprefix(f"{prefix}-"): row["TransactionState"] for row in mine}

    assert listed() == {"open": "Ongoing", "idle": "Empty"}
    assert listed("--transactional-id-pattern", f"{prefix}-i.*") == {"idle": "Empty"}
    assert listed("--transactional-id-pattern", "nothing") == {}
    assert listed("--duration-filter", "3600000").get("open") is None
    assert listed("--duration-filter", "0").get("open") == "Ongoing"
    wrong = tools("kafka-transactions", "list", "--transactional-id-pattern", "(", code=1)
    assert "request sent to broker 1 failed" in wrong.text
    with_records.commit_transaction(_DEADLINE_S)
    eventually(lambda: listed()["open"] == "CompleteCommit", "the commit is not complete")


def test_describe(tools, topic, fresh, open_transaction):
    """describe tells an id's producer, state, timeout, duration and partitions through a transaction's life."""
    name, id = topic(partitions=3), fresh("id")
    producer = open_transaction(id, name, 0, 2)
    row = described(tools, id)
    assert (row["CoordinatorId"], row["TransactionalId"], row["TransactionState"]) == ("1", id, "Ongoing")
    assert row["TransactionTimeoutMs"] == "123000"
    assert abs(int(row["CurrentTransactionStartTimeMs"]) - time.time() * 1000) < 60_000
    assert 0 <= int(row["TransactionDurationMs"]) < 60_000
    assert sorted(row["TopicPartitions"].split(",")) == [f"{name}-0", f"{name}-2"]
    producer.abort_transaction(_DEADLINE_S)
    eventually(lambda: described(tools, id)["TransactionState"] == "CompleteAbort", "the abort is not complete")
    assert "TopicPartitions" not in described(tools, id)
    unknown = tools("kafka-transactions", "describe", "--transactional-id", fresh("unknown"), code=1)
    assert "the ID could not be found" in unknown.text


@pytest.mark.full
def test_describe_producers(tools, topic, fresh, open_transaction):
    """describe-producers tells each producer's epoch, last sequence and where its open transaction begins."""
    name, id = topic(), fresh("id")
    producer = open_transaction(id, name, 0, 0)
    (row,) = producers(tools, name)
    assert (row["ProducerId"], row["ProducerEpoch"]) == tuple(
        described(tools, id)[key] for key in ("ProducerId", "ProducerEpoch")
    )
    assert (row["LastSequence"], row["CurrentTransactionStartOffset"]) == ("1", "0")
    assert row["LatestCoordinatorEpoch"] == "-1"
    assert producers(tools, name, 0, "--broker-id", 1) == [row]
    producer.commit_transaction(_DEADLINE_S)
    eventually(lambda: producers(tools, name)[0]["CurrentTransactionStartOffset"] == "None", "it is still open")
    assert producers(tools, name)[0]["LatestCoordinatorEpoch"] == "0"


@pytest.mark.full
def test_force_terminate(broker, tools, topic, fresh, open_transaction):
    """forceTerminateTransaction aborts an id's transaction and fences its producer."""
    name, id = topic(), fresh("id")
    producer = open_transaction(id, name, 0)
    assert last_stable_offset(broker, name) == 0
    tools("kafka-transactions", "forceTerminateTransaction", "--transactionalId", id)
    eventually(lambda: last_stable_offset(broker, name) == 2, "readers are still held back")
    assert described(tools, id)["TransactionState"] in ("CompleteAbort", "Empty")
    with pytest.raises(KafkaException) as refused:
        producer.commit_transaction(_DEADLINE_S)
    assert refused.value.args[0].fatal()


async def leave_hanging(broker, id, topic, timestamp_ms=None):
    """Writes into a transaction that the coordinator knows nothing of."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=id) as producer:
        await producer.begin_transaction()
        # As if the coordinator had been told, and had ended it already when the record came: KAFKA-14402.
        producer._txn_manager._txn_partitions.add(Partition(topic, 0))
        await producer.send_and_wait(topic, b"hanging", partition=0, timestamp_ms=timestamp_ms)
        producer._txn_manager._txn_partitions.clear()


@pytest.mark.full
def test_hanging_transaction(start_broker):
    """find-hanging finds what a broker without verification let in, and abort ends it; an open transaction is not hanging."""
    broker = start_broker(transaction_partition_verification_enable="false")
    tools, hanging, healthy = Tools(broker), "hanging", "healthy"
    for name in (hanging, healthy):
        topics.create(broker.bootstrap, name)
    asyncio.run(leave_hanging(broker, "hanging", hanging))
    settings = {"bootstrap.servers": broker.bootstrap, "transactional.id": "healthy", "log_level": 0}
    producer = Producer(settings)
    producer.init_transactions(_DEADLINE_S)
    producer.begin_transaction()
    producer.produce(healthy, "open", partition=0)
    assert producer.flush(_DEADLINE_S) == 0

    def found(*scope):
        done = tools("kafka-transactions", "find-hanging", "--max-transaction-timeout", 0, *scope)
        return [(row["Topic"], row["Partition"], row["StartOffset"]) for row in table(done.out)]

    assert found("--topic", hanging) == [(hanging, "0", "0")]
    assert found("--topic", hanging, "--partition", 0) == [(hanging, "0", "0")]
    assert found("--broker-id", 1) == [(hanging, "0", "0")]
    assert found("--topic", healthy) == []
    late = tools("kafka-transactions", "find-hanging", "--topic", hanging)
    assert table(late.out) == []
    assert last_stable_offset(broker, hanging) == 0
    wrong = tools("kafka-transactions", "abort", "--topic", hanging, "--partition", 0, "--start-offset", 5, code=1)
    assert "Could not find any open transactions" in wrong.text
    tools("kafka-transactions", "abort", "--topic", hanging, "--partition", 0, "--start-offset", 0)
    assert last_stable_offset(broker, hanging) == 2
    assert found("--broker-id", 1) == []
    producer.commit_transaction(_DEADLINE_S)


@pytest.mark.full
@pytest.mark.limit(300)
def test_who_holds_readers_back_is_named(tmp_path):
    """Ottla's log names a hanging transaction once, and its metrics have it until it is ended; it looks each minute."""
    broker = brokers.make("ottla", tmp_path / "ottla", transaction_partition_verification_enable="false")
    (broker.http_port,) = ports.free_ports(1)
    broker.start()
    try:
        topics.create(broker.bootstrap, "t")
        asyncio.run(leave_hanging(broker, "id", "t", timestamp_ms=int((time.time() - 3600) * 1000)))
        count = lambda: broker.metrics()["ottla_hanging_transactions"]  # noqa: E731
        assert count() == 0
        eventually(lambda: count() == 1, "nobody counts it", 90)
        named = "t-0: a transaction of producer 0 epoch 0 that began at offset 0 was not ended, and nothing was written in it for 36"
        assert broker.log_text().count(named) == 1, broker.log_tail()
        ids = {line for line, count in broker.metrics().items() if line.startswith("ottla_transactional_ids") and count}
        assert ids == {'ottla_transactional_ids{state="Empty"}'}
        Tools(broker)("kafka-transactions", "abort", "--topic", "t", "--partition", 0, "--start-offset", 0)
        eventually(lambda: count() == 0, "it is counted yet", 90)
        assert broker.log_text().count(named) == 1
    finally:
        broker.stop()


@pytest.mark.full
def test_abort_by_producer(broker, tools, topic, fresh, open_transaction):
    """abort by producer id and epochs, and with an epoch that is not the producer's."""
    name, id = topic(), fresh("id")
    open_transaction(id, name, 0)
    (row,) = producers(tools, name)
    where = ["--topic", name, "--partition", 0, "--producer-id", row["ProducerId"], "--coordinator-epoch", 0]
    older = tools("kafka-transactions", "abort", *where, "--producer-epoch", -1, code=1)
    assert "Failed to abort transaction" in older.text
    assert last_stable_offset(broker, name) == 0
    tools("kafka-transactions", "abort", *where, "--producer-epoch", row["ProducerEpoch"])
    assert last_stable_offset(broker, name) == 2
