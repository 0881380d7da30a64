"""kafka-configs: describe, alter and delete of topic and broker configs, with their sources."""

import re

from harness.tools import Tools

_ENTRY = re.compile(r"^  (\S+?)=(.*) sensitive=(\w+) synonyms=\{(.*)\}$")


def entries(done):
    """{name: (value, [(source, synonym=value)…])} of what --describe printed."""
    found = {}
    for line in done.lines:
        if match := _ENTRY.match(line):
            name, value, _, synonyms = match.groups()
            found[name] = (value, [tuple(each.split(":", 1)) for each in re.split(r", (?=[A-Z_]+:)", synonyms) if each])
    return found


def configs(tools, action, entity, *arguments, **options):
    return tools("kafka-configs", action, "--entity-type", entity, *arguments, **options)


def test_topic_configs(tools, fresh):
    """Set two configs (one a list), see them with their synonyms, delete one, see it gone."""
    topic = tools.create(fresh())
    name = ("--entity-name", topic)
    changed = configs(
        tools, "--alter", "topics", *name, "--add-config", "retention.ms=1000000,cleanup.policy=[compact,delete]"
    )
    assert changed.lines == [f"Completed updating config for topic {topic}."]
    shown = configs(tools, "--describe", "topics", *name)
    assert shown.lines[0] == f"Dynamic configs for topic {topic} are:"
    assert entries(shown) == {
        "cleanup.policy": (
            "compact,delete",
            [("DYNAMIC_TOPIC_CONFIG", "cleanup.policy=compact,delete"), ("DEFAULT_CONFIG", "log.cleanup.policy=delete")],
        ),
        "retention.ms": ("1000000", [("DYNAMIC_TOPIC_CONFIG", "retention.ms=1000000")]),
    }
    configs(tools, "--alter", "topics", *name, "--delete-config", "retention.ms")
    assert list(entries(configs(tools, "--describe", "topics", *name))) == ["cleanup.policy"]


def test_all_topic_configs(tools, fresh):
    """--all lists every topic config with Kafka's defaults, and those set on the topic."""
    topic = tools.create(fresh(), segment_bytes=2097152)
    shown = entries(configs(tools, "--describe", "topics", "--entity-name", topic, "--all"))
    values = {name: value for name, (value, _) in shown.items()}
    assert {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "delete.retention.ms": "86400000",
        "file.delete.delay.ms": "60000",
        "flush.messages": "9223372036854775807",
        "index.interval.bytes": "4096",
        "max.message.bytes": "1048588",
        "message.timestamp.type": "CreateTime",
        "min.cleanable.dirty.ratio": "0.5",
        "min.insync.replicas": "1",
        "retention.bytes": "-1",
        "retention.ms": "604800000",
        "segment.bytes": "2097152",
        "segment.index.bytes": "10485760",
        "unclean.leader.election.enable": "false",
    }.items() <= values.items()
    assert shown["segment.bytes"][1] == [
        ("DYNAMIC_TOPIC_CONFIG", "segment.bytes=2097152"),
        ("DEFAULT_CONFIG", "log.segment.bytes=1073741824"),
    ]
    assert len(shown) == 33


def test_append_and_subtract_through_lists(tools, fresh):
    """A second --add-config keeps what the first one set: alterations are incremental."""
    topic = tools.create(fresh())
    name = ("--entity-name", topic)
    configs(tools, "--alter", "topics", *name, "--add-config", "max.message.bytes=2000")
    configs(tools, "--alter", "topics", *name, "--add-config", "retention.bytes=3000")
    values = {key: value for key, (value, _) in entries(configs(tools, "--describe", "topics", *name)).items()}
    assert values == {"max.message.bytes": "2000", "retention.bytes": "3000"}


def test_a_config_that_acts(tools, fresh):
    """max.message.bytes is obeyed once altered: a larger record is refused, a smaller one stored."""
    topic = tools.create(fresh())
    configs(tools, "--alter", "topics", "--entity-name", topic, "--add-config", "max.message.bytes=1000")
    refused = tools.produce(topic, ["x" * 2000])
    assert "RecordTooLargeException" in refused.text
    tools.produce(topic, ["small"])
    assert tools.consume(topic, 1) == ["small"]


def test_bad_topic_configs(tools, fresh):
    """Unknown names, values of the wrong type and values out of range are refused and change nothing."""
    topic = tools.create(fresh())
    name = ("--entity-name", topic)
    for setting, message in (
        ("nonsense=1", "InvalidConfigurationException: Unknown topic config name: nonsense"),
        ("retention.ms=abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"),
        ("segment.bytes=1", "Invalid value 1 for configuration segment.bytes: Value must be at least"),
        ("cleanup.policy=burn", "Invalid value burn for configuration cleanup.policy: String must be one of"),
    ):
        assert message in configs(tools, "--alter", "topics", *name, "--add-config", setting, code=1).text
    assert entries(configs(tools, "--describe", "topics", *name)) == {}


def test_unknown_topic(tools, fresh):
    """Altering the configs of a topic that is not there fails."""
    topic = fresh()
    done = configs(tools, "--alter", "topics", "--entity-name", topic, "--add-config", "retention.ms=1", code=1)
    assert "UnknownTopicOrPartitionException" in done.text


def test_one_broker(tools):
    """A broker's own dynamic config is shown with its default as synonym, and can be deleted again."""
    name = ("--entity-name", "1")
    changed = configs(tools, "--alter", "brokers", *name, "--add-config", "log.cleaner.threads=2")
    assert changed.lines == ["Completed updating config for broker 1."]
    shown = entries(configs(tools, "--describe", "brokers", *name))
    assert shown["log.cleaner.threads"] == (
        "2",
        [("DYNAMIC_BROKER_CONFIG", "log.cleaner.threads=2"), ("DEFAULT_CONFIG", "log.cleaner.threads=1")],
    )
    configs(tools, "--alter", "brokers", *name, "--delete-config", "log.cleaner.threads")
    assert "log.cleaner.threads" not in entries(configs(tools, "--describe", "brokers", *name))


def test_all_brokers(tools):
    """A cluster-wide default is listed, is a synonym at each broker, and can be deleted again."""
    changed = configs(tools, "--alter", "brokers", "--entity-default", "--add-config", "log.retention.ms=777777777")
    assert changed.lines == ["Completed updating default config for brokers in the cluster."]
    shown = entries(configs(tools, "--describe", "brokers", "--entity-default"))
    expected = ("DYNAMIC_DEFAULT_BROKER_CONFIG", "log.retention.ms=777777777")
    assert shown["log.retention.ms"] == ("777777777", [expected])
    at_broker = entries(configs(tools, "--describe", "brokers", "--entity-name", "1", "--all"))
    assert at_broker["log.retention.ms"][1][0] == expected
    configs(tools, "--alter", "brokers", "--entity-default", "--delete-config", "log.retention.ms")
    assert "log.retention.ms" not in entries(configs(tools, "--describe", "brokers", "--entity-default"))


def test_static_broker_configs(tools, broker):
    """--all shows what server.properties set, as static, and read-only ones cannot be altered."""
    shown = entries(configs(tools, "--describe", "brokers", "--entity-name", "1", "--all"))
    assert shown["log.dirs"] == (
        str(broker.data),
        [("STATIC_BROKER_CONFIG", f"log.dirs={broker.data}")],
    )
    assert shown["num.partitions"] == ("1", [("DEFAULT_CONFIG", "num.partitions=1")])
    done = configs(tools, "--alter", "brokers", "--entity-name", "1", "--add-config", "node.id=3", code=1)
    assert "Cannot update these configs dynamically: [node.id]" in done.text


def test_dynamic_configs_outlive_a_restart(start_broker, fresh):
    """Configs of a topic, of one broker and of all brokers are the same, and act, after a clean restart."""
    tools = Tools(start_broker())
    broker_name = ("--entity-name", "1")
    configs(tools, "--alter", "brokers", "--entity-default", "--add-config", "message.max.bytes=1000")
    configs(tools, "--alter", "brokers", *broker_name, "--add-config", "log.cleaner.threads=2")
    topic = tools.create(fresh(), retention_ms=5000)

    def shown():
        everywhere = configs(tools, "--describe", "brokers", "--entity-default")
        here = configs(tools, "--describe", "brokers", *broker_name)
        return entries(everywhere), entries(here), entries(configs(tools, "--describe", "topics", "--entity-name", topic))

    before = shown()
    assert before[0]["message.max.bytes"][0] == "1000"
    assert before[1]["log.cleaner.threads"][0] == "2"
    assert before[2]["retention.ms"][0] == "5000"
    tools.broker.restart()
    assert shown() == before
    assert "RecordTooLargeException" in tools.produce(topic, ["x" * 2000]).text
