"""The fixtures every client family shares: a broker, the tools, fresh names."""

import itertools
import re
import signal
import uuid

import pytest

from harness import broker as brokers
from harness import topics
from harness.tools import Tools

_CASE_TIMEOUT_S = 180


def pytest_addoption(parser):
    parser.addoption(
        "--broker", choices=sorted(brokers.KINDS), default="ottla", help="whom the clients talk to (default: ottla)"
    )
    parser.addoption("--full", action="store_true", help="all classes of Kafka's own tests, and more of what chance decides")


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): how long the case may take, where it is not the usual")


def pytest_report_header(config):
    return f"broker: {config.getoption('--broker')}"


def pytest_collection_modifyitems(items):
    # Cases with a broker of their own come first, so that two never run at once.
    items.sort(key=lambda item: "broker" in item.fixturenames)


_running = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    marked = item.get_closest_marker("limit")
    limit_s = marked.args[0] if marked else _CASE_TIMEOUT_S

    def expired(_signal, _frame):
        raise TimeoutError(f"the case took over {limit_s} s")

    previous = signal.signal(signal.SIGALRM, expired)
    signal.alarm(limit_s)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for broker in _running.values():
            report.sections.append((f"{broker.kind} log, {broker.log_file}", broker.log_tail()))
    return report


def _close(broker):
    """Stops a broker and says what it did wrong in its life, if anything."""
    _running.pop(id(broker), None)
    if broker.running:
        broker.stop()
    problem = broker.log_problem()
    assert not problem, f"{broker.kind}'s log: {problem}"


@pytest.fixture(scope="session")
def kind(request):
    """"ottla" or "kafka"."""
    return request.config.getoption("--broker")


@pytest.fixture(scope="session")
def broker(kind, tmp_path_factory):
    """The broker all cases share; each uses names of its own in it."""
    shared = brokers.make(kind, tmp_path_factory.mktemp("shared"))
    _running[id(shared)] = shared
    shared.start()
    yield shared
    _close(shared)


@pytest.fixture
def start_broker(kind, tmp_path):
    """Starts brokers that belong to one case: start_broker(log_segment_bytes=16384)."""
    mine = []
    numbers = itertools.count()

    def start(**overrides):
        broker = brokers.make(kind, tmp_path / f"broker-{next(numbers)}", **overrides)
        mine.append(broker)
        _running[id(broker)] = broker
        return broker.start()

    yield start
    for each in mine:
        _close(each)


@pytest.fixture
def tools(broker):
    """Apache Kafka's command line tools, pointed at the shared broker."""
    return Tools(broker)


@pytest.fixture
def fresh(request):
    """Makes names no other case has: fresh() or fresh("input")."""
    base = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")

    def name(suffix="t"):
        return f"{base[:60]}-{suffix}-{uuid.uuid4().hex[:8]}"

    return name


@pytest.fixture
def topic(broker, fresh):
    """Makes topics in the shared broker that are ready for use: topic(partitions=3, retention_ms=1000)."""

    def create(partitions=1, **configs):
        return topics.create(broker.bootstrap, fresh(), partitions, **configs)

    return create
