"""kafka-leader-election and kafka-reassign-partitions, as far as one broker goes."""

import json

from harness.tools import describe_topic


def elect(tools, kind, *arguments, **options):
    return tools("kafka-leader-election", "--election-type", kind, *arguments, **options)


def test_an_election_that_is_not_needed(tools, fresh):
    """What is led by its only replica needs no election of either kind, and the tool says so."""
    topic = tools.create(fresh(), partitions=2)
    for kind in ("preferred", "unclean"):
        said = elect(tools, kind, "--topic", topic, "--partition", 1).out
        assert f"Valid replica already elected for partitions {topic}-1" in said
    assert "Valid replica already elected" not in elect(tools, "preferred", "--all-topic-partitions").out


def test_an_election_of_what_is_not_there(tools, fresh):
    topic = fresh()
    refused = elect(tools, "preferred", "--topic", topic, "--partition", 0, code=1)
    assert f"No such topic as {topic}" in refused.text


def plan(tmp_path, topic, *replicas):
    partitions = [{"topic": topic, "partition": number, "replicas": ids} for number, ids in enumerate(replicas)]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return path


def test_a_plan_is_made_executed_and_verified(tools, fresh, tmp_path):
    topic = tools.create(fresh(), partitions=2)
    topics = tmp_path / "topics.json"
    topics.write_text(json.dumps({"version": 1, "topics": [{"topic": topic}]}))
    generated = tools(
        "kafka-reassign-partitions", "--topics-to-move-json-file", topics, "--broker-list", 1, "--generate"
    )
    proposed = json.loads(generated.lines[-1])
    assert [each["replicas"] for each in proposed["partitions"]] == [[1], [1]]
    file = plan(tmp_path, topic, [1], [1])
    done = tools("kafka-reassign-partitions", "--reassignment-json-file", file, "--execute")
    assert f"Successfully started partition reassignments for {topic}-0,{topic}-1" in done.out
    verified = tools("kafka-reassign-partitions", "--reassignment-json-file", file, "--verify").out
    for number in range(2):
        assert f"Reassignment of partition {topic}-{number} is completed." in verified
    assert "No partition reassignments found." in tools("kafka-reassign-partitions", "--list").out
    _, partitions = describe_topic(tools.topics("--describe", "--topic", topic))
    assert [each["Replicas"] for each in partitions] == ["1", "1"]


def test_a_plan_with_an_unknown_broker(tools, fresh, tmp_path):
    topic = tools.create(fresh())
    file = plan(tmp_path, topic, [1, 7])
    refused = tools("kafka-reassign-partitions", "--reassignment-json-file", file, "--execute", code=1)
    assert "Unknown broker id 7" in refused.text
