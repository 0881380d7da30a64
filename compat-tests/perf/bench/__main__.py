"""Ottla beside Apache Kafka in one run: the same work for each, in turn (A B A B), medians and ratios.

    scripts/bench [--rounds N] [--seconds S] [--only TEXT] [--out FOLDER]

The folder gets results.json, table.md and a plot for each kind of figure.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import report
import sides
import works
from harness import usage


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--rounds", type=int, default=3, help="times that each side has each work")
    parser.add_argument("--seconds", type=float, default=8, help="how long a load is measured")
    parser.add_argument("--only", default="", help="work whose name contains this")
    parser.add_argument("--sides", default=",".join(side.name for side in sides.ALL), help="who takes part")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="where the results go")
    return parser.parse_args()


def measure(work, side, seconds):
    with tempfile.TemporaryDirectory() as folder, sides.running(side, folder) as it:
        before = usage.stolen_seconds()
        figures = work.run(it, seconds)
        return figures | {"stolen s": usage.stolen_seconds() - before}


def main():
    options = arguments()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wanted = [work for work in works.ALL if options.only in work.name]
    if not wanted:
        sys.exit(f"no work has {options.only!r} in its name: {', '.join(work.name for work in works.ALL)}")
    options.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for work in wanted:
        for number in range(options.rounds):
            for side in (side for side in work.sides if side.name in options.sides.split(",")):
                figures = measure(work, side, options.seconds)
                results.setdefault(work.name, {}).setdefault(side.name, []).append(figures)
                told = ", ".join(f"{name} {value:.3g}" for name, value in figures.items())
                print(f"{work.name} [{number + 1}] {side.label}: {told}", flush=True)
        (options.out / "results.json").write_text(json.dumps(results, indent=1))
    table = report.table(results)
    (options.out / "table.md").write_text(table)
    print(f"\n{table}")


if __name__ == "__main__":
    main()
