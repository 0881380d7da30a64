"""What Ottla tells Prometheus of groups, beside what kafka-consumer-groups shows."""

import re
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness import broker as brokers
from harness import ports, topics
from harness.tools import Tools, table

PATIENCE_S = 30


@pytest.fixture
def ottla(tmp_path, monkeypatch):
    """An Ottla with an address for metrics, and how to ask for them: {line without its value: value}."""
    (port,) = ports.free_ports(1)
    monkeypatch.setenv("OTTLA_HTTP", f"127.0.0.1:{port}")
    broker = brokers.make("ottla", tmp_path / "ottla")
    broker.start()

    def metrics(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            lines = answer.read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))

    yield broker, metrics
    broker.stop()


def test_lag_is_that_of_kafka_consumer_groups(ottla):
    """Members, committed offsets and lag of a group, and why it rebalanced."""
    broker, metrics = ottla
    topic, group = topics.create(broker.bootstrap, "t", 2), 'a "group"'
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for number in range(30):
        producer.produce(topic, f"{number}", partition=number % 2)
    assert producer.flush(PATIENCE_S) == 0
    consumer = Consumer({
        "bootstrap.servers": broker.bootstrap, "group.id": group, "auto.offset.reset": "earliest",
        "enable.auto.commit": False, "group.protocol": "consumer",
    })  # fmt: skip
    consumer.subscribe([topic])
    assert consumer.poll(PATIENCE_S).error() is None
    consumer.commit(offsets=[TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 6)], asynchronous=False)
    name = 'group="a \\"group\\""'
    each = metrics("/metrics/groups")
    assert each[f'ottla_group_members{{{name},protocol="consumer",state="Stable"}}'] == "1"
    assert metrics("/metrics")['ottla_group_rebalances_total{protocol="consumer",cause="member_joined"}'] == "1"
    shown = Tools(broker)("kafka-consumer-groups", "--describe", "--group", group).out
    # The table has blanks between its columns, and so has the group's name.
    rows = table(re.sub(re.escape(group), "group", shown[shown.index("GROUP") :]))
    assert len(rows) == 2 and sum(int(row["LAG"]) for row in rows) == 19
    for row in rows:
        labels = f'{name},topic="{topic}",partition="{row["PARTITION"]}"'
        assert each[f"ottla_group_lag_records{{{labels}}}"] == row["LAG"]
        assert each[f"ottla_group_committed_offset{{{labels}}}"] == row["CURRENT-OFFSET"]
    consumer.close()
    after = metrics("/metrics")
    assert after['ottla_groups{protocol="consumer",state="Empty"}'] == "1"
    assert after['ottla_group_rebalances_total{protocol="consumer",cause="member_left"}'] == "1"
