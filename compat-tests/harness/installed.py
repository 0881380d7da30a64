"""Where `setup` put Apache Kafka and the clients."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COMPAT_TESTS = CHECKOUT / "compat-tests"


def _from_setup(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: start the tests with compat-tests/run")
    return Path(value)


def kafka():
    return _from_setup("COMPAT_KAFKA")


def java_clients():
    return _from_setup("COMPAT_JAVA_CLIENTS")


def kafka_suite_jars():
    """Kafka's test jars: `classpath`, and `broker.jsa` with the classes that a broker loads."""
    return _from_setup("COMPAT_KAFKA_SUITE_JARS")


def kafka_suite():
    """Our classes that stand in for Kafka's brokers."""
    return _from_setup("COMPAT_KAFKA_SUITE")


def streams():
    return _from_setup("COMPAT_STREAMS")


def franz_go():
    return _from_setup("COMPAT_FRANZ_GO")


def sarama():
    return _from_setup("COMPAT_SARAMA")


def kafkajs():
    return _from_setup("COMPAT_KAFKAJS")


def ottla():
    """The binary under test: OTTLA_BIN, or the release build of this checkout."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
    binary = Path(os.environ.get("OTTLA_BIN", target / "release" / "ottla")).resolve()
    if not binary.is_file():
        raise RuntimeError(f"no Ottla at {binary}: build it with cargo build --release, or set OTTLA_BIN")
    return binary
