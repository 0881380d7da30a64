"""Apache Kafka's own test classes against the broker under test, as an external process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
from jvm import LIMIT_S, Runner  # noqa: E402

_SHORT = (Path(__file__).resolve().parent / "short.txt").read_text().split()


def pytest_generate_tests(metafunc):
    full = metafunc.config.getoption("--full")
    metafunc.parametrize("name", cases.to_run() if full else _SHORT)


@pytest.fixture(scope="module")
def runner(kind, tmp_path_factory):
    made = Runner(kind, tmp_path_factory.mktemp("kafka-suite"))
    yield made
    made.close()


@pytest.mark.limit(LIMIT_S + 60)
def test_class(runner, name):
    """Every case of the class passes but those that are left out by name."""
    done, problem = runner.run(name, LIMIT_S)
    failed = [f"{case.name}: {case.reason}" for case in done if case.status == "failed"]
    assert not problem, problem
    assert not failed, "\n".join(failed)
    assert any(case.status == "passed" for case in done), "nothing ran"
