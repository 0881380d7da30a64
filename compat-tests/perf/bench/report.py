"""A table of medians: each of Ottla's figures beside Apache Kafka's at the same durability."""

import statistics

import sides

PAIRS = [
    ("with their defaults: Ottla syncs before it acknowledges, Apache Kafka does not", sides.OTTLA, sides.KAFKA),
    ("both synced before they acknowledge", sides.OTTLA, sides.KAFKA_SYNCED),
    ("neither synced", sides.OTTLA_UNSYNCED, sides.KAFKA),
]
HIDDEN = "stolen s"


def spread(values):
    """Half of the range as a part of the median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0


def rows(results, ours, theirs):
    for work, by_side in results.items():
        if ours.name not in by_side or theirs.name not in by_side:
            continue
        for figure in by_side[ours.name][0]:
            if figure == HIDDEN:
                continue
            a, b = ([figures[figure] for figures in by_side[side.name]] for side in (ours, theirs))
            yield work, figure, a, b


def table(results):
    text = []
    for title, ours, theirs in PAIRS:
        lines = []
        for work, figure, a, b in rows(results, ours, theirs):
            mine, other = statistics.median(a), statistics.median(b)
            ratio = mine / other if other else float("nan")
            lines.append(f"| {work} | {figure} | {mine:.3g} ±{spread(a):.0%} | {other:.3g} ±{spread(b):.0%} | {ratio:.2f} |")
        if lines:
            head = f"| work | figure | {ours.label} | {theirs.label} | ratio |\n|---|---|---:|---:|---:|"
            text.append(f"### {title[0].upper()}{title[1:]}\n\n{head}\n" + "\n".join(lines))
    return "\n\n".join(text) + "\n"
