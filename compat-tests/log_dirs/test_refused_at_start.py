"""Log dirs that do not belong together: a disk that is not mounted, or is another's, ends the start and is left as it is."""

import pytest

from log_dirs.several import Several


@pytest.fixture
def stopped(start_broker, tmp_path):
    """A broker with two log dirs, and records in the second, that has stopped. At the end it has them again."""
    paths = [tmp_path / "dirs" / name for name in "ab"]
    several = Several(start_broker(log_dirs=",".join(map(str, paths))), paths)
    several.create("kept", 2)
    for partition in range(2):
        several.produce("kept", range(100), partition)
    several.broker.stop()
    yield several
    several.broker.start()
    for partition in range(2):
        assert several.values("kept", 100, partition) == list(range(100))


def refused(several):
    """What it says when it does not start."""
    before = len(several.broker.log_text())
    several.broker.launch()
    assert several.broker.ends() == 1
    return several.broker.log_text()[before:]


def test_a_disk_that_is_not_mounted(stopped):
    """Empty logs in its place would be taken for the replicas."""
    unmounted = stopped.paths[1]
    away = unmounted.rename(unmounted.with_name("away"))
    unmounted.mkdir()
    said = refused(stopped)
    assert f"No `meta.properties` found in {unmounted} " in said, said
    assert not [path for path in unmounted.iterdir() if path.name != ".lock"]
    for left in unmounted.iterdir():
        left.unlink()
    unmounted.rmdir()
    away.rename(unmounted)


def test_a_disk_of_another(stopped):
    """Of another cluster, of another node, or a copy of the first."""
    first, second = (path / "meta.properties" for path in stopped.paths)
    mine, beside = second.read_text(), first.read_text()
    foreign = "4L6g3nShT-eMCtK--X86sw"
    cases = [
        (mine.replace(stopped.broker.cluster_id, foreign), f"Invalid cluster.id in: {second}. Expected"),
        (mine.replace("node.id=1", "node.id=7"), "Stored node id 7 doesn't match previous node id 1 in "),
        (beside, "Duplicate directory ID "),
    ]
    for text, expected in cases:
        second.write_text(text)
        said = refused(stopped)
        assert expected in said, said
        assert second.read_text() == text
    second.write_text(mine)
