"""The lists beside this file: all classes, the baseline, and what is left out."""

import csv
from collections import namedtuple
from pathlib import Path

HERE = Path(__file__).resolve().parent

Class = namedtuple("Class", "jar name framework what")
# `waits` are the cases that want a cluster of several nodes.
Count = namedtuple("Count", "run passed failed skipped waits")
LeftOut = namedtuple("LeftOut", "name case reason")


def read(file, row):
    if not (HERE / file).exists():
        return []
    with open(HERE / file, newline="") as lines:
        return [row(*fields) for fields in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if fields]


def classes():
    """Every test class of Kafka's that starts a cluster; what it waits for, or `run`."""
    return read("classes.tsv", Class)


def to_run():
    return [each.name for each in classes() if each.what == "run"]


def left_out(kind):
    """Cases that are known not to pass, with the reason."""
    return read(f"left-out-{kind}.tsv", LeftOut)


def counts(results):
    """Class to Count, of (class, status) pairs."""
    table = {}
    for name, status in results:
        row = table.setdefault(name, dict.fromkeys(("passed", "failed", "skipped", "waits"), 0))
        row[status] += 1
    return {
        name: Count(row["passed"] + row["failed"], row["passed"], row["failed"], row["skipped"], row["waits"])
        for name, row in table.items()
    }
