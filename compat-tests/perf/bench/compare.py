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
                if figure.ratio(pair):
                    yield (figure.work, figure.name, pair.label), (figure, pair)


def agree(one, other):
    """Numbers must be near each other; where one of the runs gives a range, the ranges must meet."""
    if all(figure.is_certain(pair) for figure, pair in (one, other)):
        a, b = (figure.ratio(pair) for figure, pair in (one, other))
        return max(a, b) / min(a, b) - 1 <= AGREE
    (low, high), (other_low, other_high) = (figure.ratios(pair) for figure, pair in (one, other))
    return low <= other_high * (1 + AGREE) and other_low <= high * (1 + AGREE)


def main(one, other):
    a, b = dict(ratios(one)), dict(ratios(other))
    counts = {True: [0, 0], False: [0, 0]}
    for key in (key for key in a if key in b):
        certain = all(figure.is_certain(pair) for figure, pair in (a[key], b[key]))
        agrees = agree(a[key], b[key])
        counts[certain][0] += agrees
        counts[certain][1] += 1
        cells = (figure.ratio_cell(pair).rstrip(" ✓✗?") for figure, pair in (a[key], b[key]))
        print(f"{'     ' if agrees else 'APART'} {' | '.join(f'{cell:>12}' for cell in cells)}  {', '.join(key)}")
    print(f"{counts[True][0]} of {counts[True][1]} ratios that both runs are sure of agree within {AGREE:.0%}")
    print(f"{counts[False][0]} of {counts[False][1]} ratios that one of them gives as a range meet")
