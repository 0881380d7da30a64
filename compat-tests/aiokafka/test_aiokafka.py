"""aiokafka, whose protocol code is its own."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError

_DEADLINE_S = 30


async def receive(consumer, count):
    """The next `count` records."""
    return [await asyncio.wait_for(consumer.getone(), _DEADLINE_S) for _ in range(count)]


async def until(condition):
    end = time.monotonic() + _DEADLINE_S
    while not await condition():
        assert time.monotonic() < end, f"not within {_DEADLINE_S} s"


async def send(broker, topic, values, **settings):
    """Produces the values to partition 0 and returns their offsets."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **settings) as producer:
        waiting = [await producer.send(topic, value, partition=0) for value in values]
        return [(await future).offset for future in waiting]


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_codec(broker, topic, codec):
    """Keys, values, headers and timestamps through one codec come back as sent, at the offsets announced."""
    name, now = topic(), int(time.time() * 1_000)
    headers = [("a", b"1"), ("a", bytes(range(256)))]

    async def case():
        async with AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap, compression_type=codec, linger_ms=20
        ) as producer:
            waiting = [
                await producer.send(name, f"value-{n}".encode() * n or None, f"key-{n}".encode(), 0, now + n, headers)
                for n in range(200)
            ]
            assert [(await future).offset for future in waiting] == list(range(200))
        async with AIOKafkaConsumer(
            name, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", check_crcs=True
        ) as consumer:
            for n, record in enumerate(await receive(consumer, 200)):
                assert record.key == f"key-{n}".encode()
                assert record.value == (f"value-{n}".encode() * n or None)
                assert record.headers == tuple(headers)
                assert (record.timestamp, record.offset) == (now + n, n)

    asyncio.run(case())


def test_idempotent_producer(broker, topic):
    """2,000 records in small batches of an idempotent producer: in order, none lost or repeated."""
    name, values = topic(), [f"{number}".encode() for number in range(2_000)]

    async def case():
        settings = {"enable_idempotence": True, "max_batch_size": 500}
        assert await send(broker, name, values, **settings) == list(range(2_000))
        consumer = AIOKafkaConsumer(name, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
        async with consumer:
            assert [record.value for record in await receive(consumer, 2_000)] == values

    asyncio.run(case())


def test_group_goes_on_from_its_commit(broker, topic, fresh):
    """A group's second member starts at the first's commit; metadata of the commit is kept."""
    name, group = topic(), fresh("group")
    settings = {
        "bootstrap_servers": broker.bootstrap,
        "group_id": group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
    }

    async def case():
        await send(broker, name, [f"{number}".encode() for number in range(20)])
        partition = TopicPartition(name, 0)
        async with AIOKafkaConsumer(name, **settings) as first:
            await receive(first, 10)
            await first.commit({partition: (7, "seven")})
            assert await first.committed(partition) == 7
        async with AIOKafkaConsumer(name, **settings) as second:
            assert [record.value for record in await receive(second, 13)] == [f"{n}".encode() for n in range(7, 20)]

    asyncio.run(case())


def test_rebalance(broker, topic, fresh):
    """Two members share four partitions; when one leaves the other has them all."""
    name, group = topic(partitions=4), fresh("group")
    settings = {"bootstrap_servers": broker.bootstrap, "group_id": group, "heartbeat_interval_ms": 200}

    def owned(consumer):
        return sorted(partition.partition for partition in consumer.assignment())

    async def case():
        async with AIOKafkaConsumer(name, **settings) as first:
            assert owned(first) == [0, 1, 2, 3]

            async def shared():
                await asyncio.gather(first.getmany(timeout_ms=100), second.getmany(timeout_ms=100))
                return sorted(owned(first) + owned(second)) == [0, 1, 2, 3] and len(owned(first)) == 2

            async with AIOKafkaConsumer(name, **settings) as second:
                await until(shared)

            async def alone():
                await first.getmany(timeout_ms=100)
                return owned(first) == [0, 1, 2, 3]

            await until(alone)

    asyncio.run(case())


def test_offsets(broker, topic):
    """beginning_offsets, end_offsets, offsets_for_times, seek and position."""
    name, now = topic(), int(time.time() * 1_000) - 10_000

    async def case():
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for number in range(10):
                await producer.send_and_wait(name, f"{number}".encode(), timestamp_ms=now + number * 100)
        partition = TopicPartition(name, 0)
        async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
            consumer.assign([partition])
            assert await consumer.beginning_offsets([partition]) == {partition: 0}
            assert await consumer.end_offsets([partition]) == {partition: 10}
            found = await consumer.offsets_for_times({partition: now + 250})
            assert (found[partition].offset, found[partition].timestamp) == (3, now + 300)
            assert await consumer.offsets_for_times({partition: now + 901}) == {partition: None}
            consumer.seek(partition, 8)
            assert [record.value for record in await receive(consumer, 2)] == [b"8", b"9"]
            assert await consumer.position(partition) == 10

    asyncio.run(case())


def test_admin(broker, fresh):
    """Create, describe, grow, configure, list and delete a topic; list a group and its offsets."""
    name, group = fresh(), fresh("group")

    async def case():
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        try:
            created = await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "5000"})])
            assert [(row[0], row[1]) for row in created.topic_errors] == [(name, 0)]
            again = await admin.create_topics([NewTopic(name, 2, 1)])
            assert [row[1] for row in again.topic_errors] == [TopicAlreadyExistsError.errno]

            async def described(partitions):
                (found,) = await admin.describe_topics([name])
                return [part["leader"] for part in found["partitions"]] == [1] * partitions

            await until(lambda: described(2))
            await admin.create_partitions({name: NewPartitions(3)})
            await until(lambda: described(3))
            assert name in await admin.list_topics()
            resource = ConfigResource(ConfigResourceType.TOPIC, name)
            (answer,) = await admin.describe_configs([resource])
            configs = {row[0]: row[1] for row in answer.resources[0][4]}
            assert configs["retention.ms"] == "5000"
            assert (await admin.describe_cluster())["cluster_id"] == broker.cluster_id

            settings = {"bootstrap_servers": broker.bootstrap, "group_id": group, "enable_auto_commit": False}
            async with AIOKafkaConsumer(name, **settings) as consumer:
                await consumer.commit({TopicPartition(name, 1): 0})
            assert (group, "consumer") in [(row[0], row[1]) for row in await admin.list_consumer_groups()]
            offsets = await admin.list_consumer_group_offsets(group)
            assert {partition: meta.offset for partition, meta in offsets.items()} == {TopicPartition(name, 1): 0}
            await admin.delete_topics([name])

            async def gone():
                return name not in await admin.list_topics()

            await until(gone)
        finally:
            await admin.close()

    asyncio.run(case())
