"""Tables of medians, and each of Ottla's figures as a part of Apache Kafka's."""

import statistics

import sides
from targets import LIMITS, TARGETS

# Fewer rounds give a range, not a number, and so do rounds whose ratios are further from the median's.
CERTAIN_ROUNDS = 3
CERTAIN = 0.20
# Of so many the best and the worst do not count.
ROUNDS_TO_TRIM = 5


def number(value):
    """Three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def short(value):
    """Two digits."""
    return f"{value:.2g}" if value < 10 else number(value)


class Figure:
    """One figure of one work, of all sides and rounds."""

    def __init__(self, results, work, name):
        self.work, self.name = work, name
        self.by_side = {side: [each.get(name) for each in rounds] for side, rounds in results["works"][work]["figures"].items()}
        self.target = TARGETS.get((work, name))
        self.limit = results["limits"].get(LIMITS.get(work), {}).get(name)

    def median(self, side):
        """None if there is none, or if it could mostly not be told."""
        values = self.by_side.get(side.name, [])
        told = [value for value in values if value is not None]
        return statistics.median(told) if len(told) * 2 > len(values) else None

    def spread(self, side):
        """Half of the range as a part of the median."""
        told = [value for value in self.by_side[side.name] if value is not None]
        middle = statistics.median(told)
        return (max(told) - min(told)) / 2 / middle if middle else 0

    def ratio(self, pair):
        ours, theirs = self.median(pair.ours), self.median(pair.theirs)
        return None if ours is None or not theirs else ours / theirs

    def rounds(self, pair):
        """The ratio of each round, whose sides followed one another, in order; of five or more without the first and the last."""
        rounds = zip(self.by_side[pair.ours.name], self.by_side[pair.theirs.name])
        ratios = sorted(ours / theirs for ours, theirs in rounds if ours is not None and theirs)
        return ratios[1:-1] if len(ratios) >= ROUNDS_TO_TRIM else ratios

    def ratios(self, pair):
        """The least and the most of the rounds."""
        rounds = self.rounds(pair)
        return rounds[0], rounds[-1]

    def is_certain(self, pair):
        ratio, rounds = self.ratio(pair), self.rounds(pair)
        return len(rounds) >= CERTAIN_ROUNDS and all(abs(each - ratio) <= CERTAIN * ratio for each in rounds)

    def meets(self, pair):
        """None if there is nothing to hold against a target, or if some rounds meet it and some do not."""
        if self.target is None or self.ratio(pair) is None:
            return None
        if self.target.absolute:
            return self.median(pair.ours) <= self.target.most
        if self.is_certain(pair):
            return self.ratio(pair) <= self.target.most
        least, most = self.ratios(pair)
        return most <= self.target.most or (None if least <= self.target.most else False)

    def cell(self, side):
        if side.name not in self.by_side:
            return ""
        median = self.median(side)
        if median is None:
            return "cannot keep up"
        spread = f" ±{self.spread(side):.0%}" if len(self.by_side[side.name]) > 1 else ""
        return number(median) + spread

    def ratio_cell(self, pair):
        ratio = self.ratio(pair)
        if ratio is None:
            return ""
        mark = {True: " ✓", False: " ✗", None: " ?" if self.target else ""}[self.meets(pair)]
        if self.is_certain(pair):
            return short(ratio) + mark
        least, most = self.ratios(pair)
        return (f"about {short(least)}" if short(least) == short(most) else f"{short(least)}–{short(most)}") + mark


def figures(results, everything=False):
    """All that the table shows, by section."""
    sections = {}
    for work, it in results["works"].items():
        names = next(iter(it["figures"].values()))[0] if everything else it["shows"]
        sections.setdefault(it["section"], []).extend(Figure(results, work, name) for name in names)
    return sections


def row(*cells):
    return f"| {' | '.join(map(str, cells))} |"


def table(found):
    present = [side for side in sides.ALL if any(side.name in figure.by_side for figure in found)]
    pairs = [pair for pair in sides.PAIRS if pair.ours in present and pair.theirs in present]
    limits = any(figure.limit for figure in found)
    head = ["work", "figure", *(side.label for side in present), *(pair.label for pair in pairs)]
    lines = [row(*head, "target", *["limit"] * limits), row("---", "---", *["---:"] * (len(head) - 1 + limits))]
    last = None
    for figure in found:
        limit = [number(figure.limit) if figure.limit else ""] * limits
        lines.append(row(
            "" if figure.work == last else figure.work, figure.name, *(figure.cell(side) for side in present),
            *(figure.ratio_cell(pair) for pair in pairs), figure.target or "", *limit,
        ))  # fmt: skip
        last = figure.work
    return "\n".join(lines)


def limits_table(limits):
    lines = [row("bare loop", "MB/s", "CPU s a GiB"), row("---", "---:", "---:")]
    return "\n".join(lines + [row(name, number(each["MB/s"]), number(each["CPU s a GiB"])) for name, each in limits.items()])


def text(results):
    sections = (f"### {section}\n\n{table(found)}" for section, found in figures(results).items())
    return "\n\n".join([*sections, f"### Without a broker\n\n{limits_table(results['limits'])}"]) + "\n"
