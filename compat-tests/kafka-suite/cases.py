"""The lists beside this file: all classes, what they came to, and what is left out."""

import csv
from collections import Counter, namedtuple
from pathlib import Path

HERE = Path(__file__).resolve().parent

Class = namedtuple("Class", "jar name framework what")
# `unfinished` is 1 for a class that did not end in time.
Count = namedtuple("Count", "run passed failed skipped unfinished")


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


def results_file(kind):
    return HERE / f"results-{kind}.tsv"


def results(kind):
    """Class to Count, as the report has them."""
    return {name: Count(*map(int, numbers)) for name, *numbers in read(results_file(kind).name, lambda *row: row)}


def counts(results):
    """Class to Count, of (class, status) pairs."""
    table = {}
    for name, status in results:
        table.setdefault(name, Counter())[status] += 1
    return {
        name: Count(
            row["passed"] + row["failed"], *(row[what] for what in ("passed", "failed", "skipped", "unfinished"))
        )
        for name, row in table.items()
    }
