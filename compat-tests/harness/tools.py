"""Apache Kafka's command line tools, by the names of their scripts."""

import json

from harness import java, topics
from harness.run import run

_TOOLS = "org.apache.kafka.tools"
MAIN_CLASSES = {
    "kafka-broker-api-versions": f"{_TOOLS}.BrokerApiVersionsCommand",
    "kafka-cluster": f"{_TOOLS}.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": f"{_TOOLS}.consumer.ConsoleConsumer",
    "kafka-console-producer": f"{_TOOLS}.ConsoleProducer",
    "kafka-consumer-groups": f"{_TOOLS}.consumer.group.ConsumerGroupCommand",
    "kafka-consumer-perf-test": f"{_TOOLS}.ConsumerPerformance",
    "kafka-delete-records": f"{_TOOLS}.DeleteRecordsCommand",
    "kafka-dump-log": f"{_TOOLS}.DumpLogSegments",
    "kafka-e2e-latency": f"{_TOOLS}.EndToEndLatency",
    "kafka-features": f"{_TOOLS}.FeatureCommand",
    "kafka-get-offsets": f"{_TOOLS}.GetOffsetShell",
    "kafka-groups": f"{_TOOLS}.GroupsCommand",
    "kafka-leader-election": f"{_TOOLS}.LeaderElectionCommand",
    "kafka-log-dirs": f"{_TOOLS}.LogDirsCommand",
    "kafka-metadata-shell": "org.apache.kafka.shell.MetadataShell",
    "kafka-metadata-quorum": f"{_TOOLS}.MetadataQuorumCommand",
    "kafka-reassign-partitions": f"{_TOOLS}.reassign.ReassignPartitionsCommand",
    "kafka-producer-perf-test": f"{_TOOLS}.ProducerPerformance",
    "kafka-replica-verification": f"{_TOOLS}.ReplicaVerificationTool",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-streams-application-reset": f"{_TOOLS}.StreamsResetter",
    "kafka-topics": f"{_TOOLS}.TopicCommand",
    "kafka-transactions": f"{_TOOLS}.TransactionsCommand",
    "kafka-verifiable-consumer": f"{_TOOLS}.VerifiableConsumer",
    "kafka-verifiable-producer": f"{_TOOLS}.VerifiableProducer",
    # These have no script.
    "ClientCompatibilityTest": f"{_TOOLS}.ClientCompatibilityTest",
    "LogCompactionTester": f"{_TOOLS}.LogCompactionTester",
    "TransactionalMessageCopier": f"{_TOOLS}.TransactionalMessageCopier",
}


def command(tool, *arguments):
    return java.tool(MAIN_CLASSES[tool], *arguments)


def run_tool(tool, *arguments, **options):
    name = " ".join([tool, *map(str, arguments)])
    return run(command(tool, *arguments), name=name, **options)


class Tools:
    """The tools pointed at one broker."""

    def __init__(self, broker):
        self.broker = broker
        self._bootstrap = broker.bootstrap

    def __call__(self, tool, *arguments, **options):
        return run_tool(tool, "--bootstrap-server", self._bootstrap, *arguments, **options)

    def topics(self, *arguments, **options):
        return self("kafka-topics", *arguments, **options)

    def create(self, topic, partitions=1, **configs):
        """Makes a topic for a case that is about something else, without the second a JVM takes."""
        return topics.create(self._bootstrap, topic, partitions, **configs)

    def produce(self, topic, lines, *arguments):
        text = "".join(f"{line}\n" for line in lines)
        return self("kafka-console-producer", "--topic", topic, *arguments, stdin=text)

    def consume(self, topic, count, *arguments, timeout_ms=30_000):
        """Reads `count` records from the beginning; fewer is a failure after `timeout_ms`."""
        done = self(
            "kafka-console-consumer", "--topic", topic, "--from-beginning", "--max-messages", count,
            "--timeout-ms", timeout_ms, *arguments,
        )  # fmt: skip
        assert f"Processed a total of {count} messages" in done.text, done
        return done.lines

    def offsets(self, topic, *arguments):
        """What kafka-get-offsets prints, as {partition: offset}."""
        done = self("kafka-get-offsets", "--topic", topic, *arguments)
        rows = [line.rsplit(":", 2) for line in done.lines]
        assert all(row[0] == topic for row in rows), done
        return {int(partition): int(offset) for _, partition, offset in rows}


def describe_topic(done):
    """Parses `kafka-topics --describe`: (the topic's fields, one dict of fields a partition)."""

    def fields(line):
        pairs = (part.split(":", 1) for part in line.strip().split("\t") if ":" in part)
        return {key.strip(): value.strip() for key, value in pairs}

    head, *partitions = [line for line in done.lines if line.strip()]
    return fields(head), [fields(line) for line in partitions]


def table(text):
    """Parses a tool's aligned table, whose first non-empty line is the head, into dicts."""
    lines = [line for line in text.splitlines() if line.strip()]
    head = lines[0].split()
    return [dict(zip(head, line.split())) for line in lines[1:]]


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
