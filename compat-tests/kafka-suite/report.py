"""Makes report.md of the results so far, with those of the files named in place of a class's older ones.

report.py kafka=FILE ottla=FILE: either may be missing.
"""

import re
import sys
from collections import Counter

import cases


def _results(file):
    """Class to its cases' statuses; a class that ran again counts as it ended last."""
    found = {}
    with open(file) as lines:
        for line in lines:
            name, status, case, _millis, reason = line.rstrip("\n").split("\t")
            if status == "started":
                found[name] = {}
                continue
            if re.match(r"not done after|the JVM ended", reason):
                status = "unfinished"
            found.setdefault(name, {})[case] = status
    return found


def _merge(kind, file):
    counts = cases.results(kind)
    if file:
        counts |= cases.counts(
            (name, status) for name, statuses in _results(file).items() for status in statuses.values()
        )
        rows = ["\t".join(map(str, (name, *count))) for name, count in sorted(counts.items())]
        cases.results_file(kind).write_text("\n".join(rows) + "\n")
    return counts


def _cell(count):
    if not count:
        return ""
    notes = [f"{count.passed} of {count.run}"]
    notes += [f"{count.skipped} skipped"] if count.skipped else []
    notes += ["**did not end in time: partial**"] if count.unfinished else []
    return ", ".join(notes)


def _sum(counts):
    return cases.Count(*map(sum, zip(*counts)))


def write(kafka, ottla):
    classes = cases.classes()
    waiting = Counter(each.what for each in classes if each.what != "run")
    to_run = [each.name for each in classes if each.what == "run"]
    ran = [ottla[name] for name in to_run if name in ottla]
    total = _sum(ran)
    whole = sum(count.passed == count.run > 0 == count.skipped + count.unfinished for count in ran)
    baseline = [kafka[name] for name in to_run if name in kafka]
    base = _sum(baseline)
    lines = [
        "# Apache Kafka's own tests",
        "",
        "Made by `kafka-suite/report.py`. Passed of run; what a left-out list names is skipped, a method or one invocation.",
        "",
        f"- {len(classes)} test classes of Apache Kafka 4.3.1 start a cluster; {len(to_run)} are to run.",
        f"- {len(ran)} ran against Ottla: {total.passed} of {total.run} run cases passed,",
        f"  {total.skipped} were skipped. {whole} classes passed with nothing left out, {total.unfinished} did not end in time.",
        f"- {len(baseline)} of them ran against Apache Kafka: {base.passed} of {base.run} run cases passed,",
        f"  {base.skipped} were skipped, {base.unfinished} classes did not end in time.",
        *(f"- {count} classes: {what}." for what, count in waiting.most_common()),
        "",
        "| class | Apache Kafka | Ottla |",
        "|---|---:|---:|",
        *(f"| {name} | {_cell(kafka.get(name))} | {_cell(ottla.get(name))} |" for name in to_run),
    ]
    (cases.HERE / "report.md").write_text("\n".join(lines) + "\n")


def main():
    files = dict(argument.split("=", 1) for argument in sys.argv[1:])
    write(_merge("kafka", files.get("kafka")), _merge("ottla", files.get("ottla")))


if __name__ == "__main__":
    main()
