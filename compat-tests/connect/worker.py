"""Workers of Kafka Connect, and its connectors from and to a file."""

import json
import urllib.error
import urllib.request

from harness import java, ports
from harness.process import Client
from harness.waiting import DEADLINE_S, eventually

_CLI = "org.apache.kafka.connect.cli"


def source(file, topic):
    return {"name": f"{topic}-source", "connector.class": "FileStreamSource", "file": str(file), "topic": topic}


def sink(file, topic):
    # Its name is its group's: one of its own has offsets in this topic alone.
    return {"name": f"{topic}-sink", "connector.class": "FileStreamSink", "file": str(file), "topics": topic}


def _write(path, settings):
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


class Worker(Client):
    """A process; it has begun when it says that it is healthy."""

    def __init__(self, main, bootstrap, folder, connectors=(), **settings):
        (port,) = ports.free_ports(1)
        self.address = f"127.0.0.1:{port}"
        folder.mkdir(exist_ok=True)
        config = {
            "bootstrap.servers": bootstrap,
            "listeners": f"http://{self.address}",
            # Looks for connectors where their jars say they are, not in every class.
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms": 200,
            # One that is stopped commits what it has done, if it has the time: by default 5 s.
            "offset.flush.timeout.ms": 20_000,
            "task.shutdown.graceful.timeout.ms": 20_000,
        }
        config.update({key.replace("_", "."): value for key, value in settings.items()})
        files = [_write(folder / f"{each['name']}.properties", each) for each in connectors]
        super().__init__(java.on_suite_jars(f"{_CLI}.{main}", _write(folder / "worker.properties", config), *files))

    def _ask(self, path, body=None):
        """The answer, or nothing while the worker is not ready for the question."""
        data = body and json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                # It starts, has not read of the connector yet, or its group rebalances.
                assert error.code in (404, 409, 503), error.read()
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionRefusedError), error

    def _get(self, path):
        return eventually(lambda: self._ask(path), f"no answer to {path}")

    def wait_until_healthy(self):
        assert self._get("/health")["status"] == "healthy"

    def create(self, config):
        eventually(lambda: self._ask("/connectors", {"name": config["name"], "config": config}), "no connector")

    def places(self):
        """Where everything that runs does: {(connector, part): worker}, with its tasks as parts."""
        found = {}
        for name, each in self._get("/connectors?expand=status").items():
            status = each["status"]
            for part, what in [("connector", status["connector"]), *((task["id"], task) for task in status["tasks"])]:
                if what["state"] == "RUNNING":
                    found[name, part] = what["worker_id"]
        return found

    def offset(self, connector):
        """The one offset that a connector has committed: bytes of the file, or records of the topic."""
        for each in self._get(f"/connectors/{connector}/offsets")["offsets"]:
            return each["offset"].get("position", each["offset"].get("kafka_offset"))


def standalone(bootstrap, folder, connectors):
    return Worker(
        "ConnectStandalone", bootstrap, folder, connectors, offset_storage_file_filename=folder / "offsets"
    )


def distributed(bootstrap, folder, group):
    return Worker(
        "ConnectDistributed", bootstrap, folder, group_id=group,
        config_storage_topic=f"{group}-configs", config_storage_replication_factor=1,
        offset_storage_topic=f"{group}-offsets", offset_storage_replication_factor=1, offset_storage_partitions=3,
        status_storage_topic=f"{group}-status", status_storage_replication_factor=1, status_storage_partitions=3,
        # A worker that is gone is missed after 6 s, and what it had is given to others at once.
        session_timeout_ms=6_000, heartbeat_interval_ms=500, scheduled_rebalance_max_delay_ms=0,
    )  # fmt: skip
