"""librdkafka through confluent-kafka: producers in transactions, and groups whose offsets go with them."""

import threading

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from harness.waiting import eventually

_DEADLINE_S = 30


@pytest.fixture(autouse=True)
def at_each_level(level_of_others):
    """Each case runs at each level of transaction.version."""


@pytest.fixture
def producer(broker):
    """producer("id"): one that has begun."""

    def make(id, **settings):
        base = {"bootstrap.servers": broker.bootstrap, "log_level": 0, "transactional.id": id}
        made = Producer(base | {key.replace("_", "."): value for key, value in settings.items()})
        made.init_transactions(_DEADLINE_S)
        return made

    return make


@pytest.fixture
def consumer(broker):
    """consumer("group"): reads what is committed; `uncommitted` for all."""
    made = []

    def make(group, isolation="read_committed", **settings):
        base = {
            "bootstrap.servers": broker.bootstrap, "log_level": 0, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "isolation.level": isolation, "enable.partition.eof": True,
        }  # fmt: skip
        made.append(Consumer(base | {key.replace("_", "."): value for key, value in settings.items()}))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def read(consumer, fresh):
    """read(topic): the values of each partition up to its end, which for what is committed is the last stable offset."""

    def read(topic, partitions=1, isolation="read_committed"):
        reader = consumer(fresh("reader"), isolation)
        reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
        values, at_end = {partition: [] for partition in range(partitions)}, set()
        while len(at_end) < partitions:
            message = reader.poll(_DEADLINE_S)
            assert message is not None, f"no end of {topic}: {values}"
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
                continue
            assert not message.error(), message.error()
            values[message.partition()].append(message.value().decode())
        return values

    return read


def send(producer, topic, *values, partition=0):
    """Sends and waits until all is in the log."""
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(_DEADLINE_S) == 0


def wait_until_settled(consumer, topic, partitions=1):
    """Until no transaction is open: markers are written after the producer is told of the end."""
    committed, every = consumer("settled"), consumer("settled", "read_uncommitted")
    for partition in [TopicPartition(topic, partition) for partition in range(partitions)]:
        ends = lambda: [each.get_watermark_offsets(partition, _DEADLINE_S)[1] for each in (committed, every)]  # noqa: B023, E731
        eventually(lambda: len(set(ends())) == 1, f"a transaction is open in {partition}")  # noqa: B023


def test_commit_and_abort(producer, consumer, read, topic, fresh):
    """Transactions over 3 partitions: readers of what is committed get that, in order, others all."""
    name, sender = topic(partitions=3), producer(fresh("id"))
    kept, every = {n: [] for n in range(3)}, {n: [] for n in range(3)}
    for turn in range(12):
        sender.begin_transaction()
        for number in range(9):
            send(sender, name, f"{turn}.{number}", partition=number % 3)
            every[number % 3].append(f"{turn}.{number}")
            if turn % 3 != 1:
                kept[number % 3].append(f"{turn}.{number}")
        sender.abort_transaction(_DEADLINE_S) if turn % 3 == 1 else sender.commit_transaction(_DEADLINE_S)
    wait_until_settled(consumer, name, 3)
    assert read(name, 3) == kept
    assert read(name, 3, "read_uncommitted") == every


def test_open_transaction(producer, consumer, read, topic, fresh):
    """Readers of what is committed end before an open transaction, and read on when it is ended."""
    name, inside, outside = topic(), producer(fresh("id")), producer(fresh("id"))
    inside.begin_transaction()
    outside.begin_transaction()
    send(outside, name, "before")
    send(inside, name, "inside")
    send(outside, name, "after")
    outside.commit_transaction(_DEADLINE_S)
    eventually(lambda: read(name) == {0: ["before"]}, "what is before the open one is not read")
    assert read(name, isolation="read_uncommitted") == {0: ["before", "inside", "after"]}
    inside.abort_transaction(_DEADLINE_S)
    wait_until_settled(consumer, name)
    assert read(name) == {0: ["before", "after"]}


def test_fenced(producer, consumer, read, topic, fresh):
    """A second producer of the same id aborts the first's transaction, and the first can do no more."""
    name, id = topic(), fresh("id")
    first = producer(id)
    first.begin_transaction()
    send(first, name, "of the first")
    second = producer(id)
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(_DEADLINE_S)
    assert refused.value.args[0].fatal()
    assert refused.value.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    second.begin_transaction()
    send(second, name, "of the second")
    second.commit_transaction(_DEADLINE_S)
    wait_until_settled(consumer, name)
    assert read(name) == {0: ["of the second"]}
    assert read(name, isolation="read_uncommitted") == {0: ["of the first", "of the second"]}


def test_timeout(producer, consumer, read, topic, fresh):
    """The coordinator aborts what takes longer than transaction.timeout.ms; its producer cannot commit."""
    name = topic()
    slow = producer(fresh("id"), transaction_timeout_ms=3000)
    slow.begin_transaction()
    send(slow, name, "slow")
    wait_until_settled(consumer, name)
    assert read(name) == {0: []}
    assert read(name, isolation="read_uncommitted") == {0: ["slow"]}
    with pytest.raises(KafkaException):
        slow.commit_transaction(_DEADLINE_S)


def test_empty_transactions(producer, read, topic, fresh):
    """Transactions with nothing in them, committed and aborted."""
    name, sender = topic(), producer(fresh("id"))
    for turn in range(4):
        sender.begin_transaction()
        sender.commit_transaction(_DEADLINE_S) if turn % 2 else sender.abort_transaction(_DEADLINE_S)
    assert read(name, isolation="read_uncommitted") == {0: []}
    sender.begin_transaction()
    send(sender, name, "something")
    sender.commit_transaction(_DEADLINE_S)
    eventually(lambda: read(name) == {0: ["something"]}, "what was committed is not read")


def offset_of(broker, group, topic, stable=True):
    """A group's offset; None while it is not stable."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])]
    (future,) = admin.list_consumer_group_offsets(asked, require_stable=stable, request_timeout=_DEADLINE_S).values()
    (partition,) = future.result(_DEADLINE_S).topic_partitions
    return None if partition.error else partition.offset


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_offsets(broker, producer, consumer, topic, fresh, protocol):
    """Offsets in a transaction count from its commit on, and are unstable while it is open."""
    name, group, sender = topic(), fresh("group"), producer(fresh("id"))
    sender.begin_transaction()
    send(sender, name, *(str(n) for n in range(20)))
    sender.commit_transaction(_DEADLINE_S)
    member = consumer(group, group_protocol=protocol)
    member.subscribe([name])
    eventually(lambda: (message := member.poll(0.1)) and not message.error(), "nothing is read")
    for offset, end, expected in [
        (5, sender.abort_transaction, -1001),
        (7, sender.commit_transaction, 7),
        (9, sender.abort_transaction, 7),
        (20, sender.commit_transaction, 20),
    ]:
        before = offset_of(broker, group, name)
        sender.begin_transaction()
        sender.send_offsets_to_transaction(
            [TopicPartition(name, 0, offset)], member.consumer_group_metadata(), _DEADLINE_S
        )
        assert offset_of(broker, group, name) is None
        assert offset_of(broker, group, name, stable=False) == before
        end(_DEADLINE_S)
        eventually(lambda: offset_of(broker, group, name) == expected, f"the offset is not {expected}")  # noqa: B023


@pytest.mark.parametrize("protocol", [pytest.param("classic", marks=pytest.mark.full), "consumer"])
def test_stranger(producer, consumer, topic, fresh, protocol):
    """Who was a member commits no offsets any more: the transaction can be aborted only."""
    name, group, sender = topic(), fresh("group"), producer(fresh("id"))
    gone = consumer(group, group_protocol=protocol)
    gone.subscribe([name])
    eventually(lambda: gone.poll(0.1) is not None and gone.assignment(), "nothing is assigned")
    metadata = gone.consumer_group_metadata()
    gone.unsubscribe()
    eventually(lambda: gone.poll(0.1) is None and not gone.assignment(), "it does not leave")
    stays = consumer(group, group_protocol=protocol)
    stays.subscribe([name])
    eventually(lambda: stays.poll(0.1) is not None and stays.assignment(), "nothing is assigned")
    sender.begin_transaction()
    with pytest.raises(KafkaException) as refused:
        sender.send_offsets_to_transaction([TopicPartition(name, 0, 3)], metadata, _DEADLINE_S)
    assert refused.value.args[0].txn_requires_abort(), refused.value
    sender.abort_transaction(_DEADLINE_S)
    sender.begin_transaction()
    sender.send_offsets_to_transaction([TopicPartition(name, 0, 0)], stays.consumer_group_metadata(), _DEADLINE_S)
    sender.commit_transaction(_DEADLINE_S)


class Copier:
    """A member that copies a topic to another, partition by partition, in transactions of which every third is aborted."""

    def __init__(self, sender, member, source, target):
        self._sender, self._member, self._source, self._target = sender, member, source, target
        self._turns = 0
        member.subscribe([source])

    def run_until(self, stop):
        while not stop.is_set():
            messages = [m for m in self._member.consume(50, timeout=0.1) if not m.error()]
            if messages:
                self._copy(messages)

    def _copy(self, messages):
        self._turns += 1
        self._sender.begin_transaction()
        for message in messages:
            self._sender.produce(self._target, message.value(), partition=message.partition())
        try:
            offsets = self._member.position(self._member.assignment())
            group = self._member.consumer_group_metadata()
            self._sender.send_offsets_to_transaction([each for each in offsets if each.offset >= 0], group, _DEADLINE_S)
            if self._turns % 3:
                self._sender.commit_transaction(_DEADLINE_S)
                return
        except KafkaException as problem:
            assert problem.args[0].txn_requires_abort(), problem
        self._sender.abort_transaction(_DEADLINE_S)
        for partition in self._member.committed(self._member.assignment(), _DEADLINE_S):
            self._member.seek(TopicPartition(partition.topic, partition.partition, max(0, partition.offset)))


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_copy(producer, consumer, read, topic, fresh, protocol):
    """Two members copy 4 partitions while every third transaction is aborted: each record is copied once, in order."""
    source, target, group = topic(partitions=4), topic(partitions=4), fresh("group")
    sender = producer(fresh("id"))
    sender.begin_transaction()
    for partition in range(4):
        send(sender, source, *(str(n) for n in range(400)), partition=partition)
    sender.commit_transaction(_DEADLINE_S)
    stop, threads = threading.Event(), []
    for _ in range(2):
        member = consumer(group, group_protocol=protocol)
        copier = Copier(producer(fresh("copier")), member, source, target)
        threads.append(threading.Thread(target=copier.run_until, args=(stop,)))
        threads[-1].start()
    expected = {partition: [str(n) for n in range(400)] for partition in range(4)}
    try:
        eventually(lambda: sum(map(len, read(target, 4).values())) >= 1600, "not all is copied")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert read(target, 4) == expected
