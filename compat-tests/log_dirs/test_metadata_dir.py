"""`metadata.log.dir`: the metadata log may have a disk of its own, where no partition is."""

import re
import shutil

import pytest

from harness import topics
from harness.tools import Tools
from harness.waiting import eventually

_LOG = "__cluster_metadata-0"


@pytest.fixture
def apart(start_broker, tmp_path):
    """A node whose metadata is in none of its log dirs."""
    metadata = tmp_path / "metadata"
    broker = start_broker(metadata_log_dir=metadata)
    broker.metadata = metadata
    return broker


def directory(folder):
    return re.search(r"^directory.id=(.*)$", (folder / "meta.properties").read_text(), re.M)[1]


def refuses_to_start(broker):
    """What it says when it does not."""
    before = len(broker.log_text())
    broker.launch()
    assert broker.ends() == 1
    return broker.log_text()[before:]


def test_the_metadata_has_a_disk_of_its_own(apart):
    """It is no log dir: it gets no partitions and is not told of; the quorum knows its id."""
    topics.create(apart.bootstrap, "kept", 3)
    assert (apart.metadata / _LOG).is_dir() and not (apart.data / _LOG).exists()
    tools = Tools(apart)
    assert str(apart.metadata) not in tools("kafka-log-dirs", "--describe").out
    status = tools("kafka-metadata-quorum", "describe", "--status").out
    assert directory(apart.metadata) in re.search(r"^CurrentVoters:.*$", status, re.M)[0], status
    apart.kill()
    apart.start()
    eventually(lambda: len(topics.leaders(apart.bootstrap, "kept")) == 3, "the topic is gone")
    assert not [path for path in apart.metadata.iterdir() if path.name.startswith("kept")]


def test_a_metadata_log_is_not_begun_anew_beside_another(apart):
    """Neither where it was moved by the config alone, nor where its disk was replaced: partitions would be nobody's."""
    apart.stop()
    text = apart.config_file.read_text()
    apart.config_file.write_text(text.replace(f"log.dirs={apart.data}", f"log.dirs={apart.metadata},{apart.data}"))
    apart.start()
    topics.create(apart.bootstrap, "kept", 1)
    apart.stop()
    apart.config_file.write_text(
        apart.config_file.read_text().replace(f"metadata.log.dir={apart.metadata}", f"metadata.log.dir={apart.data}")
    )
    assert str(apart.metadata / _LOG) in refuses_to_start(apart)
    apart.config_file.write_text(text)
    apart.metadata.rename(apart.folder / "lost")
    assert str(apart.metadata) in refuses_to_start(apart)
    shutil.rmtree(apart.metadata, ignore_errors=True)
    apart.metadata.mkdir()
    assert str(apart.metadata) in refuses_to_start(apart)
    shutil.rmtree(apart.metadata)
    (apart.folder / "lost").rename(apart.metadata)
