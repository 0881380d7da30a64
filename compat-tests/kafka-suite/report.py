"""Makes baseline.tsv and report.md of result files: report.py kafka=FILE ottla=FILE; either may be missing."""

import re
import sys
from collections import Counter

import cases


def _results(file):
    """(class, case) to (status, reason): the last line of a case counts."""
    found = {}
    with open(file) as lines:
        for line in lines:
            name, status, case, _millis, reason = line.rstrip("\n").split("\t")
            if re.search(r"needs \d+ brokers", reason):
                status = "waits"
            found[name, case] = status, reason
    return found


def _counts(found):
    return cases.counts((name, status) for (name, _), (status, _) in found.items())


def _cell(count):
    if not count:
        return ""
    return f"{count.passed} of {count.run}" + (f", {count.waits} wait for nodes" if count.waits else "")


def write(kafka, ottla):
    classes = cases.classes()
    waiting = Counter(each.what for each in classes if each.what != "run")
    ran = [each for each in classes if each.name in ottla]
    total = sum(ottla[each.name].passed for each in ran), sum(ottla[each.name].run for each in ran)
    whole = sum(ottla[each.name].failed == 0 and ottla[each.name].passed > 0 for each in ran)
    lines = [
        "# Apache Kafka's own tests",
        "",
        "Made by `kafka-suite/report.py`. Cases that a left-out list names are not counted.",
        "",
        f"- {len(classes)} test classes of Apache Kafka 4.3.1 start a cluster.",
        f"- {len(ran)} ran against Ottla: {total[0]} of {total[1]} cases passed, {whole} classes whole.",
        *(f"- {count} classes: {what}." for what, count in waiting.most_common()),
        "",
        "| class | Apache Kafka | Ottla |",
        "|---|---:|---:|",
    ]
    for each in classes:
        if each.what == "run":
            lines.append(f"| {each.name} | {_cell(kafka.get(each.name))} | {_cell(ottla.get(each.name))} |")
    (cases.HERE / "report.md").write_text("\n".join(lines) + "\n")


def main():
    files = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if "kafka" in files:
        counted = _counts(_results(files["kafka"]))
        rows = ["\t".join(map(str, (name, *count))) for name, count in sorted(counted.items())]
        (cases.HERE / "baseline.tsv").write_text("\n".join(rows) + "\n")
    baseline = {fields[0]: cases.Count(*map(int, fields[1:])) for fields in cases.read("baseline.tsv", lambda *f: f)}
    write(baseline, _counts(_results(files["ottla"])) if "ottla" in files else {})


if __name__ == "__main__":
    main()
