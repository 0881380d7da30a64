"""All that a broker serves: each partition's ends and records, as consumers of either isolation see them."""

import time
from collections import defaultdict

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from files.filling import COMPACTED, GROUPS, admin, until
from harness.topics import DEADLINE_S, wait

_ISOLATION = {
    "read_uncommitted": IsolationLevel.READ_UNCOMMITTED,
    "read_committed": IsolationLevel.READ_COMMITTED,
}
_LOADING = [KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE]


def partitions(broker):
    """The partitions of all topics but the internal ones."""
    client = admin(broker)
    found = client.list_topics(timeout=DEADLINE_S).topics
    names = sorted(name for name in found if not name.startswith("__"))
    return [TopicPartition(name, n) for name in names for n in sorted(found[name].partitions)]


def _ends(broker, wanted):
    client = admin(broker)
    ends = {}
    for spec in ["earliest", "latest", "max_timestamp"]:
        for isolation, level in _ISOLATION.items():
            fixed = [each for each in wanted if each.topic != COMPACTED or spec != "max_timestamp"]
            asked = {TopicPartition(each.topic, each.partition): getattr(OffsetSpec, spec)() for each in fixed}
            for partition, found in wait(client.list_offsets(asked, isolation_level=level)).items():
                key = (partition.topic, partition.partition, spec, isolation)
                ends[key] = (found.offset, found.timestamp)
    return ends


def _record(message):
    return (
        message.offset(),
        message.leader_epoch(),
        message.timestamp(),
        message.key(),
        message.value(),
        message.headers(),
    )


def records(broker, wanted, isolation):
    """All records of each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "log_level": 0,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "check.crcs": True,
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.assign([TopicPartition(each.topic, each.partition, OFFSET_BEGINNING) for each in wanted])
    left = {(each.topic, each.partition) for each in wanted}
    found = defaultdict(list)
    end = time.monotonic() + DEADLINE_S
    try:
        while left:
            assert time.monotonic() < end, f"no end of {left} in {DEADLINE_S} s"
            message = consumer.poll(0.2)
            if message is None:
                continue
            key = (message.topic(), message.partition())
            if message.error() is None:
                found[key].append(_record(message))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(key)
            else:
                raise AssertionError(f"{key}: {message.error()}")
    finally:
        consumer.close()
    return dict(found)


def _offsets(client, group):
    """The group's offsets, None while its coordinator reads them."""
    try:
        (answer,) = wait(client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()
    except KafkaException as error:
        if error.args[0].code() not in _LOADING:
            raise
        return None
    return answer


def _committed(broker):
    client = admin(broker)
    found = {}
    for group in GROUPS:
        answer = until(lambda: _offsets(client, group), f"the coordinator of {group}")
        offsets = [(each.topic, each.partition, each.offset, each.metadata) for each in answer.topic_partitions]
        found[group] = sorted(offsets)
    return found


def served(broker):
    """Everything, in a form that two brokers can be compared by."""
    wanted = partitions(broker)
    return {
        "ends": _ends(broker, wanted),
        "committed offsets": _committed(broker),
        **{isolation: _lasting(records(broker, wanted, isolation)) for isolation in _ISOLATION},
    }


def _lasting(found):
    """Of what is compacted, which may be done at any moment, the last record of each key."""
    compacted = {key: {record[3]: record for record in all_of_it} for key, all_of_it in found.items() if key[0] == COMPACTED}
    return found | compacted


def differences(left, right, path=""):
    """Where two such answers differ, a line each: pytest's own comparison of so much takes minutes."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = sorted(left.keys() | right.keys(), key=str)
        return [line for key in keys for line in differences(left.get(key), right.get(key), f"{path}/{key}")]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = enumerate(zip(left, right))
        return [line for n, (one, other) in pairs for line in differences(one, other, f"{path}[{n}]")]
    if isinstance(left, list) and isinstance(right, list):
        only = lambda one, other: [each for each in one if each not in other][:3]  # noqa: E731
        return [f"{path}: {len(left)} and {len(right)}; only left {only(left, right)}, only right {only(right, left)}"]
    return [] if left == right else [f"{path}: {left} and {right}"]
