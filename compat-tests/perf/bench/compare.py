"""Whether two runs agree: each ratio of Ottla to Apache Kafka in both."""

import json

import report
import sides

AGREE = 0.20


def ratios(folder):
    results = json.loads((folder / "results.json").read_text())
    for found in report.figures(results).values():
        for figure in found:
            for pair in sides.PAIRS:
                ratio = figure.ratio(pair)
                if ratio:
                    yield (figure.work, figure.name, pair.label), ratio


def main(one, other):
    a, b = dict(ratios(one)), dict(ratios(other))
    apart = 0
    for key in (key for key in a if key in b):
        far = max(a[key], b[key]) / min(a[key], b[key]) - 1
        apart += far > AGREE
        print(f"{a[key]:8.3g} {b[key]:8.3g}  {'APART' if far > AGREE else '     '} {far:5.0%}  {', '.join(key)}")
    both = len(a.keys() & b.keys())
    print(f"{both - apart} of {both} ratios agree within {AGREE:.0%}")
