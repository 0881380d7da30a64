"""Unmodified clients: librdkafka and Apache Kafka's own programs."""

import re
import statistics
import time

from confluent_kafka import Consumer, Producer, TopicPartition

import running

GIB = 1 << 30
RECORDS, RECORD_BYTES, PARTITIONS = 500_000, 1000, 4


def figures_of(name, spent):
    size = RECORDS * RECORD_BYTES
    return {f"{name} MB/s": size / spent.seconds / 1e6, f"{name} CPU s a GiB": spent.cpu_s / (size / GIB)}


def librdkafka(it, _seconds):
    """Its defaults: acks=all, batches as they come; but for one in `rdkafka_consume`."""
    topic = it.fresh(PARTITIONS)
    running.settle()
    with it.spending() as produced:
        rdkafka_produce(it.broker.bootstrap, topic)
    with it.spending() as consumed:
        rdkafka_consume(it.broker.bootstrap, topic)
    return figures_of("produce", produced) | figures_of("consume", consumed)


def rdkafka_produce(bootstrap, topic):
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 200_000})
    value = b"x" * RECORD_BYTES
    for n in range(RECORDS):
        while True:
            try:
                producer.produce(topic, value, partition=n % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.01)
    assert producer.flush(120) == 0, "records without an answer"


def rdkafka_consume(bootstrap, topic):
    # A client that is slower than the broker fills its queue, and by default fetches nothing for a second then.
    config = {"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False}
    consumer = Consumer(config | {"fetch.queue.backoff.ms": 10})
    consumer.assign([TopicPartition(topic, n, 0) for n in range(PARTITIONS)])
    seen = 0
    while seen < RECORDS:
        messages = consumer.consume(10_000, timeout=30)
        assert messages, f"no more than {seen} records"
        assert not any(message.error() for message in messages)
        seen += len(messages)
    consumer.close()


def transactions(interval_ms):
    """librdkafka commits a transaction of a few records over four partitions each so many milliseconds, or as soon as it can."""

    def work(it, seconds):
        topic = it.fresh(PARTITIONS)
        producer = Producer({"bootstrap.servers": it.broker.bootstrap, "transactional.id": topic, "linger.ms": 0})
        producer.init_transactions(30)
        commit_some(producer, topic, interval_ms, 1)
        running.settle()
        with it.spending() as spent:
            times = commit_some(producer, topic, interval_ms, seconds)
        return {
            "transactions/s": len(times) / spent.seconds,
            "CPU us a transaction": spent.cpu_s / len(times) * 1e6,
            "commit p50 ms": statistics.median(times) * 1000,
        }

    return work


def commit_some(producer, topic, interval_ms, seconds):
    """How long each commit took."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        due = time.monotonic() + interval_ms / 1000
        producer.begin_transaction()
        for n in range(PARTITIONS):
            producer.produce(topic, b"x" * 100, partition=n)
        producer.poll(max(0.0, due - time.monotonic()))
        while time.monotonic() < due:
            producer.poll(max(0.0, due - time.monotonic()))
        began = time.monotonic()
        producer.commit_transaction(30)
        times.append(time.monotonic() - began)
    return times


def tools(it, _seconds):
    """kafka-producer-perf-test and kafka-consumer-perf-test; the time that they need to start counts too."""
    topic = it.fresh(PARTITIONS)
    running.settle()
    common = ("--topic", topic, "--num-records", RECORDS)
    with it.spending() as produced:
        it.tools("kafka-producer-perf-test", *common, "--record-size", RECORD_BYTES, "--throughput", -1, timeout_s=300)
    with it.spending() as consumed:
        it.tools("kafka-consumer-perf-test", *common, timeout_s=300)
    return figures_of("produce", produced) | figures_of("consume", consumed)


def end_to_end(it, _seconds):
    """kafka-e2e-latency: a record produced at acks=all and consumed, one after the other."""
    arguments = ("--topic", it.fresh(1), "--num-records", 2000, "--producer-acks", "all", "--record-size", 100)
    running.settle()
    done = it.tools("kafka-e2e-latency", *arguments, timeout_s=120)
    percentiles = re.search(r"50th = ([\d.]+), 99th = ([\d.]+), 99.9th = ([\d.]+)", done.text)
    return dict(zip(["p50 ms", "p99 ms", "p99.9 ms"], map(float, percentiles.groups())))
