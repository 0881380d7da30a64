"""Writes what a run found: table.md, the plots, and the section of docs/performance.md."""

import json
import os
import shutil
from pathlib import Path

import report
from harness.installed import CHECKOUT
from harness.run import run

DOCS = CHECKOUT / "docs"
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"
INTRODUCTION = """\
```sh
scripts/bench --rounds {rounds} --seconds {seconds:g} --docs
```

On {machine}; {minutes:.0f} minutes in all. `--only EXPRESSION` runs some of it,
`--compare FOLDER FOLDER` says which ratios of two runs do not agree.

A figure is the median of the rounds ± half of their range, or that of the only round. With its defaults Ottla syncs before it acknowledges and Apache Kafka
does not, so each is also measured with the other's durability: `ottla.journal.enable=false`, `log.flush.interval.messages=1`. The columns
"both synced", "neither synced" and "defaults" are Ottla's figure divided by Apache Kafka's, ✓ where the target is met, ✗ where not and ? where
some rounds meet it. A ratio is a number only where there are three rounds, and all, of five all but the best and the worst, are within
20 % of it; else it is the range of those, or "about" that of the only one. The limit is a bare loop that does what the work cannot do without.

All brokers run side by side, Apache Kafka with the JVM flags of its start script, and are warmed up once; Apache Kafka has each work
once more before it counts. Then each has each work in turn (A B A B), on a topic of its own, after the disk was synced; so much is
produced at most that the page cache takes it. With a sync of each batch codecs weigh nothing in Apache Kafka, so that is left out. CPU is the
broker process's own, user and kernel, without the kernel's threads that write back. Latency counts from when a request was due; a broker
that comes to be 2 s behind a rate cannot keep up. Codecs are counted in compressed bytes.

"""


def write(folder, docs):
    """The table."""
    results = json.loads((folder / "results.json").read_text())
    text = report.text(results)
    (folder / "table.md").write_text(text)
    plots = Path(__file__).with_name("plots.py")
    run([Path(os.environ["BENCH_PLOTS"]) / "bin" / "python", "-B", plots, folder], timeout_s=120)
    if docs:
        put_into_docs(folder, results, text)
    return text


def put_into_docs(folder, results, text):
    pictures = sorted(folder.glob("*.svg"))
    (DOCS / "performance").mkdir(exist_ok=True)
    for picture in pictures:
        shutil.copy(picture, DOCS / "performance")
    machine = results["machine"]
    told = f"{machine['cores']} cores of {machine['CPU']}, {machine['memory GiB']} GiB, Linux {machine['kernel']}, {machine['file system']}"
    section = INTRODUCTION.format(machine=told, **{name: results[name] for name in ("rounds", "seconds", "minutes")})
    section += "".join(f"![{picture.stem}](performance/{picture.name})\n\n" for picture in pictures) + text
    path = DOCS / "performance.md"
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + section + END + after)
