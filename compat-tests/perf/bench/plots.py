"""Draws what a run found, as SVG: plots.py FOLDER. Has an environment of its own, without clients."""

import json
import math
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

import report
import sides
from targets import LIMITS, TARGETS

COLOURS = {"ottla": "#0b6e99", "kafka": "#c44e2b", "ottla-unsynced": "#7fc4de", "kafka-synced": "#eeb49f"}
PAIR_COLOURS = dict(zip((pair.label for pair in sides.PAIRS), ("#0b6e99", "#7fc4de", "#9a9a9a")))
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
plt.rcParams.update({
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "svg.hashsalt": "ottla", "axes.titlesize": 10, "axes.titleweight": "bold",
})  # fmt: skip


def ratios(results):
    """Ottla's part of Apache Kafka's figure, for each that has a target."""
    found = [report.Figure(results, work, name) for work, name in TARGETS if work in results["works"]]
    found = [figure for figure in found if not figure.target.absolute and any(map(figure.ratio, sides.PAIRS))]
    if not found:
        return None
    bars = [(n, figure, [pair for pair in sides.PAIRS if figure.ratio(pair)]) for n, figure in enumerate(reversed(found))]
    plot, axes = plt.subplots(figsize=(8.5, 1 + 0.55 * len(found)))
    for n, figure, pairs in bars:
        height = 0.8 / max(len(pairs), 1)
        for k, pair in enumerate(pairs):
            y = n + 0.4 - height * (k + 0.5)
            ratio = figure.ratio(pair)
            axes.barh(y, ratio, height * 0.92, color=PAIR_COLOURS[pair.label])
            axes.text(ratio * 1.05, y, f"{ratio:.2g}", va="center", fontsize=7)
        axes.plot([figure.target.most] * 2, [n - 0.45, n + 0.45], color="black", linewidth=2)
    for label, colour in PAIR_COLOURS.items():
        axes.barh(0, 0, color=colour, label=label)
    axes.plot([], [], color="black", linewidth=2, label="target, at most")
    axes.axvline(1, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    seen = [figure.ratio(pair) for _, figure, pairs in bars for pair in pairs]
    axes.set_xlim(10 ** math.floor(math.log10(min(seen))), max(2, 3 * max(seen)))
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks([n for n, *_ in bars], [f"{figure.work}: {figure.name}" for _, figure, _ in bars])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.set_xlabel("Ottla divided by Apache Kafka, less is better")
    plot.legend(loc="outside upper center", ncols=4)
    return plot


def latencies(results):
    """Percentiles at each rate."""
    works = [work for work, it in results["works"].items() if "p99.9 ms" in it["shows"] and it["section"].startswith("Latency")]
    if not works:
        return None
    plot, all_axes = plt.subplots(1, len(works), figsize=(2.4 * len(works) + 0.6, 3.4), sharey=True, squeeze=False)
    names = ("p50 ms", "p99 ms", "p99.9 ms")
    for axes, work in zip(all_axes[0], works):
        missing = []
        for side in sides.ALL:
            medians = [report.Figure(results, work, name).median(side) for name in names]
            if side.name not in results["works"][work]["figures"]:
                continue
            if None in medians:
                missing.append(side.label)
            else:
                axes.plot(range(3), medians, marker="o", markersize=4, color=COLOURS[side.name])
        axes.set_title(work.replace(" of ", "\nof ").replace(", ", "\n"), fontsize=8)
        if missing:
            text = "cannot keep up:\n" + "\n".join(missing)
            axes.text(0.5, 0.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=7, color="#555555")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PLAIN)
        axes.set_xticks(range(3), ["p50", "p99", "p99.9"])
        axes.set_xlim(-0.3, 2.3)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    all_axes[0][0].set_ylim(bottom=all_axes[0][0].get_ylim()[0] / 5)  # room for who is missing
    all_axes[0][0].set_ylabel("ms from when a request was due")
    side_legend(plot)
    return plot


def cpu(results):
    """CPU for each GiB, beside the bare loop that cannot do without it."""
    name = "CPU s a GiB"
    works = [work for work, it in results["works"].items() if name in it["shows"] and not it["section"].startswith("Latency")]
    if not works:
        return None
    plot, axes = plt.subplots(figsize=(max(8, 1.6 + 0.75 * len(works)), 3.8))
    width = 0.8 / len(sides.ALL)
    for n, work in enumerate(works):
        figure = report.Figure(results, work, name)
        present = [side for side in sides.ALL if figure.median(side) is not None]
        for k, side in enumerate(present):
            axes.bar(n + width * (k - (len(present) - 1) / 2), figure.median(side), width * 0.92, color=COLOURS[side.name])
        if work in LIMITS and figure.limit:
            axes.plot([n - 0.42, n + 0.42], [figure.limit] * 2, color="black", linewidth=1.5)
    axes.plot([], [], color="black", linewidth=1.5, label="limit: a bare loop")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PLAIN)
    axes.set_xticks(range(len(works)), [work.replace(", ", ",\n") for work in works], rotation=35, ha="right", fontsize=8)
    axes.set_ylabel("CPU s a GiB")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    side_legend(plot)
    return plot


def side_legend(plot):
    for side in sides.ALL:
        plot.axes[0].bar(0, 0, color=COLOURS[side.name], label=side.label)
    plot.legend(loc="outside upper center", ncols=5)


def main():
    folder = Path(sys.argv[1])
    results = json.loads((folder / "results.json").read_text())
    endings = ["svg", *sys.argv[2:]]
    for draw in (ratios, latencies, cpu):
        plot = draw(results)
        if plot:
            plot.set_layout_engine("constrained")
            for ending in endings:
                plot.savefig(folder / f"{draw.__name__}.{ending}", dpi=110, metadata={"Date": None} if ending == "svg" else None)
            plt.close(plot)


if __name__ == "__main__":
    main()
