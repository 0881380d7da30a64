"""Fixed voters (controller.quorum.voters) become such as come and go, by an upgrade of kraft.version, as in Apache Kafka."""

import re

import pytest

from harness import hosts, topics
from harness.tools import run_tool, table
from harness.waiting import eventually

pytestmark = pytest.mark.limit(200)


@pytest.fixture(params=["ottla", "kafka"])
def three(request, tmp_path):
    """Three fixed voters that are brokers too, and what goes for both kinds."""
    if request.param == "kafka" and not request.config.getoption("--full"):
        pytest.skip("Apache Kafka shows with --full that the test is right")
    nodes = [hosts.Spec(number, request.param, hosts.COMBINED) for number in (1, 2, 3)]
    cluster = hosts.Hosts(tmp_path, nodes, **hosts.QUICK)
    try:
        yield cluster.start()
        assert not cluster.problems()
    finally:
        cluster.close()


def quorum(cluster, *words, **options):
    return run_tool("kafka-metadata-quorum", "--bootstrap-server", cluster.bootstrap, *words, **options)


def voters(cluster):
    """{id: directory} of the voters."""
    line = re.search(r"^CurrentVoters:\s+(.*)$", quorum(cluster, "describe", "--status").out, re.M)[1]
    return {int(n): found for n, found in re.findall(r'"id": (\d+)(?:, "directoryId": "([^"]*)")?', line)}


def directory(node):
    return re.search(r"^directory.id=(.*)$", (node.data / "meta.properties").read_text(), re.M)[1]


def features(cluster, *words, **options):
    return run_tool("kafka-features", "--bootstrap-server", cluster.bootstrap, *words, **options)


def level(cluster):
    rows = features(cluster, "describe").out.splitlines()
    row = next(row for row in rows if "kraft.version" in row)
    return int(re.search(r"FinalizedVersionLevel: (\d+)", row)[1])


def remove(cluster, number, code=0):
    which = ["--controller-id", number, "--controller-directory-id", directory(cluster.nodes[number])]
    return quorum(cluster, "remove-controller", *which, code=code)


def until_all_follow(cluster):
    """Waits until all have what the leader's metadata log has now."""
    ends = lambda: [int(row["LogEndOffset"]) for row in table(quorum(cluster, "describe", "--replication").out)]  # noqa: E731
    now = max(ends())
    eventually(lambda: len(found := ends()) == len(cluster.nodes) and min(found) >= now, "not all follow")


def quorum_records(node):
    """What the node's metadata log says of the quorum, by offsets; leaders are not."""
    (segment,) = sorted((node.data / "__cluster_metadata-0").glob("*.log"))
    text = run_tool("kafka-dump-log", "--cluster-metadata-decoder", "--files", segment).out
    return re.findall(r"^\| offset: (\d+) .*(KRaftVoters|KRaftVersion)(.*)$", text, re.M)


def test_fixed_voters_become_such_as_come_and_go(three):
    refused = remove(three, 3, code=1)
    assert "UnsupportedVersionException" in refused.text, refused
    assert level(three) == 0
    # Each voter tells the leader what it is before that can write it down.
    upgrade = ["upgrade", "--feature", "kraft.version=1"]
    dry = lambda: "can be upgraded to 1" in features(three, *upgrade, "--dry-run", code=None).text  # noqa: E731
    eventually(dry, "not all voters are said to support it")
    assert level(three) == 0 and set(voters(three)) == {1, 2, 3}
    assert "kraft.version was upgraded to 1" in features(three, *upgrade).text
    eventually(lambda: level(three) == 1, "a broker does not know of it")
    assert voters(three) == {number: directory(node) for number, node in three.nodes.items()}
    # Once more changes nothing, and there is no way back.
    assert "kraft.version was upgraded to 1" in features(three, *upgrade).text
    back = features(three, "downgrade", "--feature", "kraft.version=0", code=1)
    assert "Can't downgrade the version of this feature." in back.text, back
    # The same after each of them was killed, the config naming fixed voters as before.
    for number in three.nodes:
        three.kill(number)
        eventually(lambda: quorum(three, "describe", "--status", code=None).code == 0, "nobody leads")
        three.recover()
    topics.create(three.bootstrap, "made-after", 3, 3)
    three.in_sync("made-after")
    remove(three, 3)
    assert voters(three) == {number: directory(three.nodes[number]) for number in (1, 2)}
    until_all_follow(three)
    three.stop()
    for node in three.nodes.values():
        kinds = [(kind, re.findall(r'"voterId":(\d+)', value)) for _, kind, value in quorum_records(node)]
        assert kinds[:2] == [("KRaftVersion", []), ("KRaftVoters", ["1", "2", "3"])], kinds
        assert kinds[-1] == ("KRaftVoters", ["1", "2"]), kinds
