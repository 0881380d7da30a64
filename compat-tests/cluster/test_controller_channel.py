"""How brokers get on with a controller that is slow, gone or idle."""

import os
import signal
import threading
import time

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from harness import topics
from harness.tools import Tools, run_tool
from harness.waiting import eventually

# Nobody is to be fenced while the controller is held up.
PATIENT = {"broker_session_timeout_ms": 60_000}


def test_a_change_is_asked_for_once_of_a_slow_controller(start_cluster):
    """A controller that takes longer than controller.quorum.request.timeout.ms is not asked to make the topic again."""
    cluster = start_cluster("ottla", ["ottla"], controller_quorum_request_timeout_ms=500, **PATIENT)
    os.kill(cluster.controller.pid, signal.SIGSTOP)
    wake = threading.Timer(3, os.kill, [cluster.controller.pid, signal.SIGCONT])
    wake.start()
    began = time.monotonic()
    topics.create(cluster.bootstrap, "once", 1)
    assert time.monotonic() - began > 1
    wake.join()


def test_an_answer_is_waited_for_as_long_as_request_timeout_ms_says(start_cluster):
    cluster = start_cluster("ottla", ["ottla"], request_timeout_ms=2000, **PATIENT)
    os.kill(cluster.controller.pid, signal.SIGSTOP)
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    began = time.monotonic()
    with pytest.raises(KafkaException) as refused:
        admin.create_topics([NewTopic("late", 1, 1)], request_timeout=60)["late"].result(60)
    assert 1.9 < time.monotonic() - began < 10, refused
    os.kill(cluster.controller.pid, signal.SIGCONT)


@pytest.mark.parametrize("interval_ms", [None, 200], ids=["default", "set"])
def test_an_idle_controller_writes_if_it_is_told_to(start_cluster, interval_ms):
    given = {} if interval_ms is None else {"metadata_max_idle_interval_ms": interval_ms}
    cluster = start_cluster("ottla", ["ottla"], **given, **PATIENT)

    def end():
        done = Tools(cluster)("kafka-metadata-quorum", "describe", "--status").text
        return int(next(line.split()[1] for line in done.splitlines() if line.startswith("HighWatermark")))

    if interval_ms is None:
        # What a start brings comes first.
        before = eventually(lambda: (before := end()) and time.sleep(0.5) is None and end() == before and before, "it is not idle")
        time.sleep(3)
        assert end() == before
    else:
        began, before = time.monotonic(), end()
        after = eventually(lambda: (after := end()) >= before + 10 and after, "it does not write")
        # What a start brings may be among it.
        assert after - before <= (time.monotonic() - began) * 1000 / interval_ms + 10
    cluster.close()
    log = next(cluster.controller.data.glob("__cluster_metadata-0/*.log"))
    decoded = run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", log).out
    assert ("NO_OP_RECORD" in decoded) == (interval_ms is not None)


def test_a_broker_ends_that_cannot_tell_of_a_failed_log_dir(start_cluster):
    cluster = start_cluster(
        "ottla", ["ottla"], log_dirs="{folder}/data,{folder}/more", log_dir_failure_timeout_ms=2000,
        log_flush_offset_checkpoint_interval_ms=200, **PATIENT,
    )  # fmt: skip
    broker = cluster.nodes[1]
    cluster.controller.kill()
    # A heartbeat may be under way that waits for a controller for request.timeout.ms, which is 30 s.
    time.sleep(1)
    # At once: while files are removed one by one the broker writes others.
    (broker.folder / "more").rename(broker.folder / "gone")
    assert broker.ends(timeout_s=25) == 1
    assert "could not be told in 2000 ms that a log dir failed" in broker.log_text()


@pytest.mark.parametrize("controller", ["ottla", "kafka"])
def test_only_a_broker_itself_takes_more_of_its_log_dirs_out_of_use(start_cluster, controller):
    """A controller cannot tell which directories a broker has (KIP-1066), and knows whom a request comes from."""
    cluster = start_cluster(controller, ["ottla"])
    broker = cluster.nodes[1]
    change = f"cordoned.log.dirs={broker.data}"
    asked = ["--alter", "--entity-type", "brokers", "--entity-name", "1", "--add-config", change]
    directly = ["--bootstrap-controller", f"127.0.0.1:{cluster.controller.controller_port}"]
    refused = run_tool("kafka-configs", *directly, *asked, code=1)
    assert "the new value must be a subset of the current configuration value" in refused.text
    Tools(broker)("kafka-configs", *asked)
    run_tool("kafka-configs", *directly, *asked)
