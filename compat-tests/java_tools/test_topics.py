"""kafka-topics: create, list, describe, alter, delete, and the errors people read."""

from harness.tools import describe_topic


def test_create_then_describe(tools, fresh):
    """A created topic is described with its partitions, leader, replicas, ISR and set configs."""
    topic = fresh()
    made = tools.topics("--create", "--topic", topic, "--partitions", 3, "--config", "retention.ms=60000")
    assert made.out.strip() == f"Created topic {topic}."
    head, partitions = describe_topic(tools.topics("--describe", "--topic", topic))
    assert head["Topic"] == topic
    assert head["PartitionCount"] == "3"
    assert head["ReplicationFactor"] == "1"
    assert "retention.ms=60000" in head["Configs"].split(",")
    assert len(head["TopicId"]) == 22
    rows = [(p["Partition"], p["Leader"], p["Replicas"], p["Isr"], p["Elr"], p["LastKnownElr"]) for p in partitions]
    assert rows == [(str(index), "1", "1", "1", "", "") for index in range(3)]


def test_list(tools, fresh):
    """--list shows every topic in alphabetical order, and --exclude-internal still shows ours."""
    names = sorted(tools.create(fresh(suffix)) for suffix in ("b", "a"))
    assert [line for line in tools.topics("--list").lines if line in names] == names
    listed = tools.topics("--list", "--exclude-internal").lines
    assert [line for line in listed if line in names] == names
    assert not [line for line in listed if line.startswith("__")]


def test_replica_assignment(tools, fresh):
    """A manual assignment decides the partition count and the replicas."""
    topic = fresh()
    tools.topics("--create", "--topic", topic, "--replica-assignment", "1,1")
    head, partitions = describe_topic(tools.topics("--describe", "--topic", topic))
    assert head["PartitionCount"] == "2"
    assert [p["Replicas"] for p in partitions] == ["1", "1"]


def test_default_partitions_and_replication(tools, fresh):
    """Without counts the broker's num.partitions and default.replication.factor decide."""
    topic = fresh()
    tools.topics("--create", "--topic", topic)
    head, _ = describe_topic(tools.topics("--describe", "--topic", topic))
    assert (head["PartitionCount"], head["ReplicationFactor"]) == ("1", "1")


def test_add_partitions(tools, fresh):
    """--alter raises the partition count; records already there stay where they are."""
    topic = tools.create(fresh())
    tools.produce(topic, ["before"])
    tools.topics("--alter", "--topic", topic, "--partitions", 4)
    head, partitions = describe_topic(tools.topics("--describe", "--topic", topic))
    assert head["PartitionCount"] == "4"
    assert [p["Partition"] for p in partitions] == ["0", "1", "2", "3"]
    assert tools.offsets(topic) == {0: 1, 1: 0, 2: 0, 3: 0}


def test_fewer_partitions_are_refused(tools, fresh):
    """Lowering or keeping the count is refused with Kafka's words, and changes nothing."""
    topic = tools.create(fresh(), partitions=2)
    lower = tools.topics("--alter", "--topic", topic, "--partitions", 1, code=1)
    assert "The topic " + topic + " currently has 2 partition(s); 1 would not be an increase." in lower.text
    same = tools.topics("--alter", "--topic", topic, "--partitions", 2, code=1)
    assert "Topic already has 2 partition(s)." in same.text
    head, _ = describe_topic(tools.topics("--describe", "--topic", topic))
    assert head["PartitionCount"] == "2"


def test_delete(tools, fresh):
    """A deleted topic is gone from list and describe, and its name can be used again, empty."""
    topic = tools.create(fresh())
    tools.produce(topic, ["old"])
    tools.topics("--delete", "--topic", topic)
    assert topic not in tools.topics("--list").lines
    gone = tools.topics("--describe", "--topic", topic, code=1)
    assert f"Topic '{topic}' does not exist as expected" in gone.text
    tools.topics("--create", "--topic", topic)
    assert tools.offsets(topic) == {0: 0}


def test_existing_topic(tools, fresh):
    """Creating a topic twice fails with TopicExistsException; --if-not-exists makes it quiet."""
    topic = tools.create(fresh())
    again = tools.topics("--create", "--topic", topic, code=1)
    assert "TopicExistsException" in again.text
    assert f"Topic '{topic}' already exists." in again.text
    tools.topics("--create", "--topic", topic, "--if-not-exists")


def test_bad_names(tools):
    """An illegal name is refused by the broker with Kafka's explanation."""
    illegal = tools.topics("--create", "--topic", "no/slash", code=1)
    assert "InvalidTopicException" in illegal.text
    assert "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'" in illegal.text
    long = tools.topics("--create", "--topic", "x" * 250, code=1)
    assert "the length of" in long.text and "is longer than the max allowed length 249" in long.text


def test_colliding_names(tools, fresh):
    """Two names that differ only in '.' and '_' collide, as their metrics would."""
    base = fresh()
    tools.create(f"{base}.x")
    done = tools.topics("--create", "--topic", f"{base}_x", code=1)
    assert "InvalidTopicException" in done.text
    assert f"Topic '{base}_x' collides with existing topic: {base}.x" in done.text


def test_too_many_replicas(tools, fresh):
    """More replicas than brokers are refused with Kafka's words."""
    replicas = tools.topics("--create", "--topic", fresh(), "--partitions", 1, "--replication-factor", 3, code=1)
    assert "InvalidReplicationFactorException" in replicas.text
    assert "target replication factor of 3 cannot be reached" in replicas.text


def test_bad_config(tools, fresh):
    """An unknown topic config is refused by the broker, a value of the wrong type as well."""
    topic = fresh()
    wrong = tools.topics("--create", "--topic", topic, "--config", "retention.ms=soon", code=1)
    assert "Invalid value soon for configuration retention.ms" in wrong.text
    assert topic not in tools.topics("--list").lines


def test_missing_topic(tools, fresh):
    """Describe, alter and delete of a topic that is not there fail; --if-exists makes delete quiet."""
    topic = fresh()
    for action in (["--describe"], ["--delete"], ["--alter", "--partitions", 2]):
        done = tools.topics(*action, "--topic", topic, code=1)
        assert f"Topic '{topic}' does not exist as expected" in done.text
    tools.topics("--delete", "--topic", topic, "--if-exists")


def test_describe_filters(tools, fresh):
    """The filters for unhealthy partitions show none, and overridden configs are listed without partitions."""
    plain, special = tools.create(fresh("plain")), tools.create(fresh("special"), cleanup_policy="compact")
    for problem in ("--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions"):
        assert tools.topics("--describe", problem).out.strip() == ""
    shown = tools.topics("--describe", "--topics-with-overrides").lines
    assert [line for line in shown if special in line and "cleanup.policy=compact" in line]
    assert not [line for line in shown if "Partition: " in line]
    at_min = tools.topics("--describe", "--at-min-isr-partitions", "--topic", plain).out
    assert f"Topic: {plain}\tPartition: 0" in at_min
