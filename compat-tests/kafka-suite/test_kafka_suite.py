"""Apache Kafka's own test classes against the broker under test, as an external process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases  # noqa: E402
from jvm import run_classes  # noqa: E402

_SHORT = (Path(__file__).resolve().parent / "short.txt").read_text().split()
_CLASS_LIMIT_S = 900


def pytest_generate_tests(metafunc):
    full = metafunc.config.getoption("--full")
    metafunc.parametrize("name", cases.to_run() if full else _SHORT)


@pytest.mark.limit(_CLASS_LIMIT_S + 60)
def test_class(kind, name, tmp_path):
    """Every case of the class passes but those that are left out by name."""
    ((_, done, problem),) = run_classes(kind, [name], tmp_path, _CLASS_LIMIT_S)
    failed = [f"{case.name}: {case.reason}" for case in done if case.status == "failed"]
    assert not problem, problem
    assert not failed, "\n".join(failed)
    assert any(case.status == "passed" for case in done), "nothing ran"
