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


def is_near(one, other):
    """Of the medians, be they certain or not."""
    a, b = (figure.ratio(pair) for figure, pair in (one, other))
    return max(a, b) / min(a, b) - 1 <= AGREE


def agree(one, other):
    """Numbers must be near each other; where one of the runs gives a range, the ranges must meet."""
    if all(figure.is_certain(pair) for figure, pair in (one, other)):
        return is_near(one, other)
    (low, high), (other_low, other_high) = (figure.ratios(pair) for figure, pair in (one, other))
    return low <= other_high * (1 + AGREE) and other_low <= high * (1 + AGREE)


def of_what(name):
    """Figures that are told together."""
    kinds = {"CPU": "CPU", "MiB": "memory", "KiB": "memory", "/s": "throughput", "p50": "p50", "p99.9": "p99.9", "p99": "p99"}
    return next((kind for part, kind in kinds.items() if part in name), "other times")


def main(one, other):
    a, b = dict(ratios(one)), dict(ratios(other))
    certain, ranges, kinds = [], [], {}
    for key in (key for key in a if key in b):
        both = (a[key], b[key])
        agrees = agree(*both)
        (certain if all(figure.is_certain(pair) for figure, pair in both) else ranges).append(agrees)
        kinds.setdefault(of_what(key[1]), []).append(is_near(*both))
        cells = (figure.ratio_cell(pair).rstrip(" ✓✗?") for figure, pair in both)
        print(f"{'     ' if agrees else 'APART'} {' | '.join(f'{cell:>12}' for cell in cells)}  {', '.join(key)}")
    print(f"{told(certain)} ratios that both runs are sure of agree within {AGREE:.0%}")
    print(f"{told(ranges)} ratios that one of them gives as a range meet")
    print(f"of all medians: {', '.join(f'{kind} {told(near)}' for kind, near in kinds.items())}")


def told(found):
    return f"{sum(found)} of {len(found)}"
