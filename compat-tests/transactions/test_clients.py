"""franz-go, sarama and kafkajs: the cases are functions of the programs in their folders. aiokafka: here."""

import asyncio
import os

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerFenced

from harness import installed
from harness.run import run

_DEADLINE_S = 30
PROGRAMS = {
    "franz-go": lambda: [installed.franz_go()],
    "sarama": lambda: [installed.sarama()],
    "kafkajs": lambda: ["node", installed.COMPAT_TESTS / "kafkajs" / "cases.js"],
}


@pytest.fixture(autouse=True)
def at_each_level(level_of_others):
    """Each case runs at each level of transaction.version."""


@pytest.fixture
def passes(broker):
    """passes("sarama", "name") runs the case and fails with what the program said."""

    def call(client, name):
        environment = {**os.environ, "CLUSTER_ID": broker.cluster_id, "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
        run([*PROGRAMS[client](), broker.bootstrap, name], timeout_s=90, env=environment)

    return call


@pytest.mark.parametrize("client", PROGRAMS)
def test_commit_and_abort(passes, client):
    """Transactions that commit and abort: readers of what is committed get that, in order."""
    passes(client, "transactions")


@pytest.mark.parametrize("client", PROGRAMS)
def test_fenced(passes, client):
    """A second producer of the same id aborts the first's transaction, and the first cannot commit."""
    passes(client, "transactionFenced")


def test_sessions_of_franz_go(passes):
    """Two transact sessions copy a group's 4 partitions, aborting every third transaction: each record once, in order."""
    passes("franz-go", "transactionSessions")


def test_admin_of_franz_go(passes):
    """kadm describes and lists an open transaction and its producer."""
    passes("franz-go", "transactionAdmin")


def test_copy_of_sarama(passes):
    """A consumer group's member copies a partition, aborting every third transaction: each record once, in order."""
    passes("sarama", "transactionCopy")


def test_offsets_of_kafkajs(passes):
    """Offsets of a group count when their transaction is committed."""
    passes("kafkajs", "transactionOffsets")


def transactional(broker, id):
    return AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=id)


async def committed(broker, topic, count):
    """The first values that readers of what is committed get."""
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    ) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), _DEADLINE_S)).value for _ in range(count)]


def test_commit_and_abort_of_aiokafka(broker, topic, fresh):
    """The same by aiokafka."""
    name = topic()

    async def case():
        kept = []
        async with transactional(broker, fresh("id")) as producer:
            for turn in range(9):
                values = [f"{turn}.{number}".encode() for number in range(10)]
                await producer.begin_transaction()
                for value in values:
                    await producer.send_and_wait(name, value, partition=0)
                if turn % 3 == 1:
                    await producer.abort_transaction()
                else:
                    await producer.commit_transaction()
                    kept += values
        assert await committed(broker, name, len(kept)) == kept

    asyncio.run(case())


def test_fenced_aiokafka(broker, topic, fresh):
    """Fencing by aiokafka."""
    name, id = topic(), fresh("id")

    async def case():
        first, second = transactional(broker, id), transactional(broker, id)
        await first.start()
        await first.begin_transaction()
        await first.send_and_wait(name, b"of the first", partition=0)
        async with second:
            with pytest.raises(ProducerFenced):
                await first.commit_transaction()
            async with second.transaction():
                await second.send_and_wait(name, b"of the second", partition=0)
        await first.stop()
        assert await committed(broker, name, 1) == [b"of the second"]

    asyncio.run(case())


def test_offsets_of_aiokafka(broker, topic, fresh):
    """Offsets of a group count when their transaction is committed."""
    name, group = topic(), fresh("group")
    partition = TopicPartition(name, 0)

    async def case():
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False)
        async with transactional(broker, fresh("id")) as producer, consumer:
            consumer.assign([partition])
            for offset, end, expected in [
                (3, producer.abort_transaction, None),
                (5, producer.commit_transaction, 5),
                (7, producer.abort_transaction, 5),
            ]:
                await producer.begin_transaction()
                await producer.send_and_wait(name, b"x", partition=0)
                await producer.send_offsets_to_transaction({partition: offset}, group)
                await end()

                async def stored():
                    while await consumer.committed(partition) != expected:  # noqa: B023
                        await asyncio.sleep(0.02)

                await asyncio.wait_for(stored(), _DEADLINE_S)

    asyncio.run(case())
