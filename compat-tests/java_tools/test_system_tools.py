"""The programs that Apache Kafka's own system tests run on their machines."""

import re

from harness.tools import Tools


def test_client_compatibility(tools, fresh):
    """ClientCompatibilityTest finds every feature of a broker of this release."""
    supported = [
        "--offsets-for-times-supported", "--cluster-id-supported", "--create-topics-supported", "--describe-acls-supported",
        "--describe-configs-supported", "--idempotent-producer-supported",
    ]  # fmt: skip
    done = tools(
        "ClientCompatibilityTest", "--topic", tools.create(fresh()), "--num-cluster-nodes", 1,
        "--expect-record-too-large-exception", "false", *(argument for name in supported for argument in (name, "true")),
    )  # fmt: skip
    assert "SUCCESS" in done.text


def test_log_compaction_tester(start_broker):
    """LogCompactionTester finds the last value of each key, and no key deleted, after most was cleaned away."""
    tools = Tools(start_broker(log_cleaner_backoff_ms=100, log_cleaner_min_cleanable_ratio=0.01, log_roll_ms=100))
    done = tools("LogCompactionTester", "--messages", 30_000, "--percent-deletes", 10, "--sleep", 5, timeout_s=150)
    produced, consumed = re.search(r"(\d+) rows of data produced, (\d+) rows of data consumed", done.text).groups()
    assert int(consumed) < int(produced)
    assert re.search(r"Validated [1-9]\d* values, 0 mismatches", done.text)
