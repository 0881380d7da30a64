"""Makes baseline.tsv and report.md of result files: report.py kafka=FILE ottla=FILE; either may be missing."""

import re
import sys
from collections import Counter

import cases


def _results(file):
    """(class, case) to status, the last line of a case counting; and the classes that did not end in time."""
    found, unfinished = {}, set()
    with open(file) as lines:
        for line in lines:
            name, status, case, _millis, reason = line.rstrip("\n").split("\t")
            if case == "*":
                unfinished.add(name)
                continue
            if re.search(r"needs \d+ brokers", reason):
                status = "waits"
            found[name, case] = status
    return found, unfinished


def _counts(found):
    return cases.counts((name, status) for (name, _), status in found.items())


def _cell(count, unfinished=False):
    if not count:
        return ""
    notes = [f"{count.passed} of {count.run}"]
    notes += [f"{count.waits} wait for nodes"] if count.waits else []
    notes += [f"{count.skipped} skipped"] if count.skipped else []
    notes += ["did not end in time"] if unfinished else []
    return ", ".join(notes)


def write(kafka, ottla, unfinished):
    classes = cases.classes()
    waiting = Counter(each.what for each in classes if each.what != "run")
    ran = [each for each in classes if each.name in ottla]
    total = sum(ottla[each.name].passed for each in ran), sum(ottla[each.name].run for each in ran)
    skipped, waits = (sum(getattr(ottla[each.name], what) for each in ran) for what in ("skipped", "waits"))
    whole = sum(ottla[each.name].passed > 0 == sum(ottla[each.name][2:]) and each.name not in unfinished for each in ran)
    lines = [
        "# Apache Kafka's own tests",
        "",
        "Made by `kafka-suite/report.py`. Passed of run; what a left-out list names is skipped, a method or one invocation.",
        "",
        f"- {len(classes)} test classes of Apache Kafka 4.3.1 start a cluster.",
        f"- {len(ran)} ran against Ottla: {total[0]} of {total[1]} run cases passed,",
        f"  {skipped} were skipped and {waits} wait for several nodes. {whole} classes passed with nothing left out.",
        *(f"- {count} classes: {what}." for what, count in waiting.most_common()),
        "",
        "| class | Apache Kafka | Ottla |",
        "|---|---:|---:|",
    ]
    for each in classes:
        if each.what == "run":
            lines.append(f"| {each.name} | {_cell(kafka.get(each.name))} | {_cell(ottla.get(each.name), each.name in unfinished)} |")
    (cases.HERE / "report.md").write_text("\n".join(lines) + "\n")


def main():
    files = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if "kafka" in files:
        counted = _counts(_results(files["kafka"])[0])
        rows = ["\t".join(map(str, (name, *count))) for name, count in sorted(counted.items())]
        (cases.HERE / "baseline.tsv").write_text("\n".join(rows) + "\n")
    baseline = {fields[0]: cases.Count(*map(int, fields[1:])) for fields in cases.read("baseline.tsv", lambda *f: f)}
    found, unfinished = _results(files["ottla"]) if "ottla" in files else ({}, set())
    write(baseline, _counts(found), unfinished)


if __name__ == "__main__":
    main()
