"""Makes results/baseline anew: the published campaign over the bundled targets, its plots, the table in its README.

python -m benchmarks.baseline                       # 18 minutes, two processes
python -m benchmarks.baseline --budget 1m --out DIR # a short one, elsewhere
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from crosswire.fuzzer.core.choices import PROMISES
from crosswire.fuzzer.statistics import shares_by_promise
from crosswire.fuzzer.store import Store

TARGETS = (
    *("isolated", "factory", "emergency", "degraded", "unified", "singleton", "connection-manager"),
    *("golden-path", "reference", "outbox"),
)

PUBLISHED = Path(__file__).parent.parent / "results" / "baseline"

TABLE = re.compile(r"^\| target \|.*?(?=\n\n)", re.MULTILINE | re.DOTALL)
SAID = re.compile(r"^A campaign of .*?:$", re.MULTILINE | re.DOTALL)


def table(store: Store) -> str:
    """The table in Markdown: for each target its executions, its bugs, and the share that broke each promise."""
    shares = shares_by_promise(store.counts())
    bugs = Counter(target for target, _ in {(row.target, row.bug) for row in store.failures()})
    rows = [
        f"| target | executions | bugs | {' | '.join(PROMISES)} |",
        f"| --- | ---: | ---: | {' | '.join(['---:'] * len(PROMISES))} |",
    ]
    for target in sorted({target for target, _ in shares}):
        cells = [shares[target, promise] for promise in PROMISES]
        told = [f"{times / executions:.2%}" if times else "." for times, executions in cells]
        rows.append(f"| {target} | {cells[0][1]:,} | {bugs[target]} | {' | '.join(told)} |")
    return "\n".join(rows)


def page(text: str, store: Store, budget: str) -> str:
    """The README with the table of a store, and what made it."""
    minutes = budget.replace("m", " minutes").replace("h", " hours")
    version = ".".join(platform.python_version_tuple()[:2])
    said = f"A campaign of {minutes} over the bundled targets, with two processes and CPython {version}:"
    return TABLE.sub(lambda _: table(store), SAID.sub(lambda _: said, text, count=1), count=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="18m")
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    options = parser.parse_args()
    out: Path = options.out
    if any(out.glob("crosswire.db*")):
        sys.exit(f"{out}: there is a store already; remove crosswire.db*, counterexamples and plots first")
    crosswire = [sys.executable, "-m", "crosswire.fuzzer"]
    settings = ["--budget", options.budget, "--seed", "1", "--workers", "2", "--results", str(out)]
    if subprocess.run([*crosswire, "run", *TARGETS, *settings], check=False).returncode not in (0, 1):
        sys.exit(2)
    subprocess.run([*crosswire, "plot", "--results", str(out)], check=True)
    readme = out / "README.md"
    source = readme if readme.exists() else PUBLISHED / "README.md"
    with Store.open(out, readonly=True) as store:
        readme.write_text(page(source.read_text(encoding="utf-8"), store, options.budget), encoding="utf-8")


if __name__ == "__main__":
    main()
