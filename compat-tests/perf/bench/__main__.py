"""Ottla beside Apache Kafka in one run: the same work for each, in turn (A B A B), medians and ratios.

    scripts/bench [--rounds N] [--seconds S] [--only EXPRESSION] [--sides A,B] [--out FOLDER] [--docs]
    scripts/bench --again FOLDER [--docs]           the table and the plots of a run once more
    scripts/bench --compare FOLDER FOLDER           whether two runs agree

The folder gets results.json, table.md and plots.
"""

import argparse
import json
import os
import re
import resource
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import compare
import loads
import machine
import page
import running
import sides
import works
from harness import usage
from harness.run import run as run_program

JVM_WARM_UP_S, WARM_UP_S = 4, 0.5


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", usage=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--rounds", type=int, default=5, help="times that each side has each work")
    parser.add_argument("--seconds", type=float, default=3, help="how long a load is measured")
    parser.add_argument("--only", default="", help="work whose name matches this expression")
    parser.add_argument("--sides", default=",".join(side.name for side in sides.ALL), help="who takes part")
    parser.add_argument("--out", type=Path, default=Path("bench-results"), help="where results and the brokers' data go")
    parser.add_argument("--docs", action="store_true", help="puts the results into docs/performance.md")
    parser.add_argument("--again", type=Path, metavar="FOLDER")
    parser.add_argument("--compare", type=Path, nargs=2, metavar="FOLDER")
    return parser.parse_args()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.sides = [side for side in sides.ALL if side.name in options.sides.split(",")]
        self.began = time.monotonic()
        self.results = {"machine": machine.describe(folder), "rounds": options.rounds, "seconds": options.seconds, "works": {}}

    def say(self, text):
        print(f"{time.monotonic() - self.began:5.0f} s  {text}", flush=True)

    def run(self, wanted):
        machine.touch_memory()
        self.say("memory was touched")
        self.results["limits"] = self.limits()
        self.say("limits are known")
        for work in wanted:
            if work.alone:
                self.turns(work, self.measure_alone)
        shared = [work for work in wanted if not work.alone]
        if shared:
            with ExitStack() as stack:
                brokers = {side: stack.enter_context(running.running(side, self.folder / side.name)) for side in self.sides}
                for side, it in brokers.items():
                    loads.warm_up(it, JVM_WARM_UP_S if side.is_jvm else WARM_UP_S)
                    self.say(f"{side.label} is warm")
                for work in shared:
                    self.turns(work, lambda work, side: self.measure(work, brokers[side]))

    def limits(self):
        command = [os.environ["OTTLA_LOAD"], "limits", self.folder]
        rounds = [json.loads(run_program(command, timeout_s=120).out) for _ in range(self.options.rounds)]
        names = [(loop, name) for loop, figures in rounds[0].items() for name in figures]
        found = {loop: {} for loop in rounds[0]}
        for loop, name in names:
            found[loop][name] = statistics.median(each[loop][name] for each in rounds)
        return found

    def turns(self, work, measure):
        found = {}
        for side in self.sides:
            if side in work.sides and side.is_jvm and not work.alone:
                # What this work needs is compiled then: the first round is no other than the last.
                measure(work, side)
        for number in range(min(self.options.rounds, work.most_rounds)):
            for side in self.sides:
                if side in work.sides:
                    figures = measure(work, side)
                    found.setdefault(side.name, []).append(figures)
                    told = ", ".join(f"{name} {value:.3g}" for name, value in figures.items() if value is not None)
                    self.say(f"{work.name} [{number + 1}] {side.label}: {told}")
        self.results["works"][work.name] = {"section": work.section, "shows": work.shows, "figures": found}
        self.results["minutes"] = (time.monotonic() - self.began) / 60
        (self.options.out / "results.json").write_text(json.dumps(self.results, indent=1))

    def measure(self, work, it):
        before = usage.stolen_seconds()
        figures = work.run(it, self.options.seconds)
        it.clear()
        return figures | {"stolen s": usage.stolen_seconds() - before}

    def measure_alone(self, work, side):
        # Removed at the end of all: for half a minute after thousands of files were deleted ext4 makes new ones slowly.
        folder = tempfile.mkdtemp(dir=self.folder)
        running.settle()
        with running.running(side, folder) as it:
            return work.run(it, self.options.seconds)


def main():
    options = arguments()
    if options.compare:
        return compare.main(*options.compare)
    if not options.again:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        wanted = [work for work in works.ALL if re.search(options.only, work.name)]
        if not wanted:
            sys.exit(f"no work is named {options.only!r}: {', '.join(work.name for work in works.ALL)}")
        # What was started is stopped and what was written removed, whoever ends the run.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        options.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.out, prefix="data-") as folder:
            Bench(options, folder).run(wanted)
    print(page.write(options.again or options.out, options.docs))


if __name__ == "__main__":
    main()
