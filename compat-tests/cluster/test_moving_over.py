"""What docs/cluster.md says of clusters on one machine, and of moving over from Apache Kafka."""

import os
import signal
import subprocess

from faults.load import Load
from harness import broker as brokers
from harness import installed, ports, topics
from harness.tools import Tools
from harness.waiting import eventually

SCRIPT = installed.CHECKOUT / "scripts" / "cluster"


class _Bootstrap:
    def __init__(self, port):
        self.bootstrap = f"127.0.0.1:{port}"


def _six_ports():
    """The first of six that follow one another."""
    while True:
        first = ports.free_ports(1)[0]
        if all(ports.is_free(first + n) for n in range(6)):
            return first


def test_three_nodes_start_with_one_command_and_end_with_it(tmp_path):
    port = _six_ports()
    environment = {**os.environ, "OTTLA_BIN": str(installed.ottla())}
    command = ["setpriv", "--pdeathsig", "TERM", str(SCRIPT), str(tmp_path / "three"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert "three nodes serve" in process.stdout.readline()
            tools = Tools(_Bootstrap(port))
            tools.topics("--create", "--topic", "three", "--partitions", "3")
            eventually(lambda: topics.out_of_sync(f"127.0.0.1:{port}", "three") == {}, "three is not in sync")
            tools.produce("three", ["a", "b", "c"])
            assert sorted(tools.consume("three", 3)) == ["a", "b", "c"]
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    eventually(lambda: all(ports.is_free(port + n) for n in range(6)), "a node is left")


def test_a_broker_of_ottla_takes_the_place_of_one_of_kafka_with_its_folder(start_cluster):
    cluster = start_cluster("kafka", ["kafka", "ottla", "ottla"])
    load = Load(cluster.bootstrap, "taken", idempotent=True)
    load.create_topic(replicas=3)
    with load.running():
        eventually(lambda: len(load.acknowledged) > 500, "nothing is acknowledged")
        kafka = cluster.nodes[1]
        kafka.stop()
        ottla = object.__new__(brokers.Ottla)
        ottla.__dict__.update(kafka.__dict__)
        cluster.nodes[1] = ottla.start()
        cluster.in_sync("taken")
        before = len(load.acknowledged)
        eventually(lambda: len(load.acknowledged) > before + 500, "nothing more is acknowledged")
    load.check()
    assert not load.errors
