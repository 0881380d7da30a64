"""Kafka Streams: an application that counts words, with a repartition topic and a store with its changelog, at least or exactly once."""

from contextlib import ExitStack

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from application import ALL_TASKS, PARTITIONS, Application
from harness.tools import run_tool
from harness.topics import wait
from harness.waiting import eventually


@pytest.fixture
def application(fresh, tmp_path):
    """application(broker): its topics in this broker, its stores in the case's folder."""
    made = []

    def make(broker, guarantee="at_least_once"):
        made.append(Application(broker.bootstrap, fresh("app"), tmp_path, guarantee))
        return made[-1]

    yield make
    for each in made:
        each.close()


def internal_topics(app):
    """{name: (partitions, cleanup policy)} of those that are there."""
    admin = AdminClient({"bootstrap.servers": app.bootstrap, "log_level": 0})
    found = {name: topic for name, topic in admin.list_topics().topics.items() if name.startswith(f"{app.name}-counts-")}
    asked = [ConfigResource(ResourceType.TOPIC, name) for name in found]
    configs = {each.name: config for each, config in wait(admin.describe_configs(asked)).items()} if asked else {}
    return {name: (len(topic.partitions), configs[name]["cleanup.policy"].value) for name, topic in found.items()}


def once(expected):
    """Each word's counts when no word was taken twice: 1, 2, …"""
    return {word: list(range(1, count + 1)) for word, count in expected.items()}


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once_v2"])
def test_word_count(application, broker, guarantee):
    """Each word's counts come out as 1, 2, …; the internal topics have the partitions and the cleanup they need."""
    app = application(broker, guarantee)
    app.send("a", 1_000)
    with app.instance("one"):
        app.wait_for_counts()
    assert app.all_counts() == once(app.expected)
    assert internal_topics(app) == {
        f"{app.name}-counts-repartition": (PARTITIONS, "delete"), f"{app.name}-counts-changelog": (PARTITIONS, "compact"),
    }  # fmt: skip


@pytest.mark.parametrize("guarantee", ["at_least_once", pytest.param("exactly_once_v2", marks=pytest.mark.full)])
def test_tasks_move(application, broker, guarantee):
    """A second instance takes half of the tasks over, and all when the first is stopped; no word is lost or taken twice."""
    app = application(broker, guarantee)
    with ExitStack() as stays:
        with app.instance("one") as first:
            eventually(lambda: first.tasks() == ALL_TASKS, "not begun")
            app.send("a", 300)
            app.wait_for_counts()
            app.send("b", 300)
            second = stays.enter_context(app.instance("two"))

            def shared_out():
                one, other = first.tasks(), second.tasks()
                return sorted(one + other) == ALL_TASKS and len(one) == len(other)

            eventually(shared_out, "not shared out, half to each")
            app.wait_for_counts()
            app.send("c", 300)
        eventually(lambda: second.tasks() == ALL_TASKS, "not taken over")
        app.send("d", 300)
        app.wait_for_counts()
    assert app.all_counts() == once(app.expected)


def test_killed_broker(application, start_broker):
    """Words sent around a broker's kill -9 are counted at least once, those before and after it exactly once."""
    broker = start_broker()
    app = application(broker)
    with app.instance("one"):
        app.send("before", 300)
        app.wait_for_counts()
        app.wait_for_commits()
        app.send("during", 5_000)
        eventually(lambda: any(word.startswith("during") for word in app.read()), "no word during the kill")
        broker.kill()
        broker.start()
        app.wait_for_counts()
        app.wait_for_commits()
        app.send("after", 300)
        app.wait_for_counts()
        app.wait_for_commits()
    exact = {word: count for word, count in app.expected.items() if not word.startswith("during")}
    assert {word: counts for word, counts in app.all_counts().items() if word in exact} == once(exact)


@pytest.mark.full
def test_exactly_once_through_kills(application, start_broker):
    """With exactly_once_v2 every word is counted once, also those around a kill -9 of the broker and of an instance."""
    broker = start_broker()
    app = application(broker, "exactly_once_v2")
    with ExitStack() as stays:
        first = stays.enter_context(app.instance("one"))
        stays.enter_context(app.instance("two"))
        app.send("before", 300)
        app.wait_for_counts()
        for turn in range(3):
            app.send(f"during{turn}", 3_000)
            eventually(lambda: any(word.startswith(f"during{turn}") for word in app.read()), "no word during the kill")  # noqa: B023
            broker.kill()
            broker.start()
            if turn == 1:
                first.kill()
                stays.enter_context(app.instance("three"))
        app.wait_for_counts()
        app.send("after", 300)
        app.wait_for_counts()
    assert app.all_counts() == once(app.expected)


def test_application_reset(application, broker):
    """kafka-streams-application-reset puts the input back to its start and deletes the internal topics: all is counted again."""
    app = application(broker)
    app.send("a", 300)
    with app.instance("one"):
        app.wait_for_counts()
        app.wait_for_commits()
    assert len(internal_topics(app)) == 2
    done = run_tool(
        "kafka-streams-application-reset", "--bootstrap-server", broker.bootstrap, "--application-id", app.name,
        "--input-topics", app.input,
    )  # fmt: skip
    for partition in range(PARTITIONS):
        assert f"Topic: {app.input} Partition: {partition} Offset: 0" in done.lines, done
    eventually(lambda: not internal_topics(app), "internal topics are still there")
    assert app.all_counts() == once(app.expected)
    app.counts.clear()
    with app.instance("afresh"):
        app.wait_for_counts()
    assert app.all_counts() == once(app.expected)
