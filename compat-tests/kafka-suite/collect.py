"""Runs classes of Kafka's tests and writes what each case came to, a line as it ends."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from jvm import LIMIT_S, Runner  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=["kafka", "ottla"], default="ottla")
    parser.add_argument("--limit", type=int, default=LIMIT_S, help="seconds for a class")
    parser.add_argument("--only", default="", help="the one method to run, though it be left out")
    parser.add_argument("--keep", action="store_true", help="the nodes' folders")
    parser.add_argument("--out", type=Path, required=True, help="the file of results, appended to")
    parser.add_argument("classes", nargs="+")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kafka-suite-"))
    runner = Runner(arguments.broker, folder, arguments.only)
    try:
        with open(arguments.out, "a") as out:
            for name in arguments.classes:
                print(name, "started", "*", 0, "", sep="\t", file=out)
                cases, problem = runner.run(name, arguments.limit)
                for case in cases:
                    print(name, *case, sep="\t", file=out)
                if problem:
                    print(name, "failed", "*", 0, problem, sep="\t", file=out)
                out.flush()
                passed = sum(case.status == "passed" for case in cases)
                print(f"{name}: {passed} of {len(cases)} passed{', ' + problem if problem else ''}", flush=True)
    finally:
        runner.close()
        if arguments.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
