"""Who is measured: Ottla and Apache Kafka, each with its defaults and each with the other's durability."""

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Side:
    name: str
    label: str
    kind: str
    settings: dict = field(default_factory=dict)

    @property
    def is_jvm(self):
        return self.kind == "kafka"


OTTLA = Side("ottla", "Ottla", "ottla")
KAFKA = Side("kafka", "Apache Kafka", "kafka")
OTTLA_UNSYNCED = Side("ottla-unsynced", "Ottla without sync", "ottla", {"ottla_journal_enable": "false"})
KAFKA_SYNCED = Side("kafka-synced", "Apache Kafka with sync", "kafka", {"log_flush_interval_messages": 1})
ALL = (OTTLA, KAFKA, OTTLA_UNSYNCED, KAFKA_SYNCED)
DEFAULTS = (OTTLA, KAFKA)


@dataclass(frozen=True, eq=False)
class Pair:
    label: str
    ours: Side
    theirs: Side


PAIRS = (
    Pair("both synced", OTTLA, KAFKA_SYNCED),
    Pair("neither synced", OTTLA_UNSYNCED, KAFKA),
    Pair("defaults", OTTLA, KAFKA),
)
