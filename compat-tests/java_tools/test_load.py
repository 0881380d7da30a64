"""The tools that produce load: perf tests, verifiable clients, end-to-end latency."""

import re

from harness.process import Client
from harness.tools import command, json_lines


def test_producer_and_consumer_perf(tools, fresh):
    """kafka-producer-perf-test's records all arrive, and kafka-consumer-perf-test reads exactly their bytes."""
    topic = tools.create(fresh(), partitions=3)
    sent = tools(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", 50_000, "--record-size", 200, "--throughput", -1,
        "--command-property", "compression.type=lz4",
    )  # fmt: skip
    assert re.search(r"^50000 records sent, [\d.]+ records/sec .* ms 99\.9th\.$", sent.out, re.MULTILINE)
    assert sum(tools.offsets(topic).values()) == 50_000
    read = tools("kafka-consumer-perf-test", "--topic", topic, "--num-records", 50_000, "--timeout", 30_000)
    head, values = (line.split(", ") for line in read.lines[-2:])
    row = dict(zip(head, values))
    assert row["data.consumed.in.nMsg"] == "50000"
    assert float(row["data.consumed.in.MB"]) == round(50_000 * 200 / 1_048_576, 4)


def test_verifiable_producer_and_consumer(tools, broker, fresh):
    """Each value the verifiable producer was acknowledged is read once, in order, and committed."""
    topic, group = tools.create(fresh()), fresh("group")
    sent = json_lines(tools("kafka-verifiable-producer", "--topic", topic, "--max-messages", 500, "--acks", -1).out)
    acknowledged = [(line["offset"], line["value"]) for line in sent if line["name"] == "producer_send_success"]
    assert acknowledged == [(number, str(number)) for number in range(500)]
    assert (sent[-1]["name"], sent[-1]["sent"], sent[-1]["acked"]) == ("tool_data", 500, 500)
    read = json_lines(
        tools(
            "kafka-verifiable-consumer", "--topic", topic, "--group-id", group, "--max-messages", 500, "--verbose",
            "--reset-policy", "earliest",
        ).out  # fmt: skip
    )
    records = [(line["offset"], line["value"]) for line in read if line["name"] == "record_data"]
    assert records == acknowledged
    committed = [line for line in read if line["name"] == "offsets_committed"][-1]
    assert committed["success"] and committed["offsets"] == [{"topic": topic, "partition": 0, "offset": 500}]


def test_verifiable_consumers_rebalance(tools, broker, fresh):
    """A second verifiable consumer takes its share; when it leaves, the first has all partitions again."""
    topic, group = tools.create(fresh(), partitions=4), fresh("group")
    verifiable = command(
        "kafka-verifiable-consumer", "--bootstrap-server", broker.bootstrap, "--topic", topic, "--group-id", group
    )

    def assigned(member, count):
        def enough(line):
            return '"partitions_assigned"' in line and line.count('"partition":') == count

        return member.wait_for(enough, timeout_s=60)

    with Client(verifiable) as first:
        assigned(first, 4)
        with Client(verifiable) as second:
            one, other = assigned(second, 2), assigned(first, 2)
            partitions = sorted(re.findall(r'"partition":(\d)', one + other))
            assert partitions == ["0", "1", "2", "3"]
        assigned(first, 4)


def test_end_to_end_latency(tools, fresh):
    """kafka-e2e-latency gets each record back before it sends the next, through a topic it creates itself."""
    topic = fresh()
    done = tools(
        "kafka-e2e-latency", "--topic", topic, "--num-records", 200, "--producer-acks", "all", "--record-size", 100
    )
    assert re.search(r"^Avg latency: [\d.]+ ms$", done.out, re.MULTILINE)
    assert re.search(r"^Percentiles: 50th = \d+, 99th = \d+, 99\.9th = \d+$", done.out, re.MULTILINE)
    assert tools.offsets(topic) == {0: 200}
