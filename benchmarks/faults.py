"""Targets with faults of every kind, each beside a correct one: does any end, hang or fool a campaign?

    python -m benchmarks.faults [--executions 12] [--only NAME ...] [--table docs/faults.md]

Each fault is a small target, written to a folder of its own, that does something bad now and then, and is fuzzed by a
real ``crosswire run`` together with a correct target, by one worker and by two.  Just before it does it, a byte goes to
a file: that is how often the fault was injected.  Afterwards the exit code must be what the documentation says,
the correct target must have had all its executions and nothing said of it, everything that was found must be a file
and a row that can be read again, and what was printed must be text, and no traceback of Crosswire's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.store import Store

from .fault_kinds import FAULTS, Fault, source

__all__ = ("Outcome", "inject", "table")

CORRECT = "reference"

PATIENCE = 900
"""Real seconds for a run: what takes longer is said to hang."""

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

COMMAND = re.compile(r"^\s*::|##\w*\[", re.MULTILINE)

BEGINNING, ENDING = "<!-- faults -->", "<!-- /faults -->"


@dataclass(frozen=True)
class Outcome:
    """What came of a fault: how often it was injected, the exit code, and what was said; ``wrong`` in words."""

    fault: Fault
    workers: int
    injected: int
    code: int | None
    said: str
    wrong: list[str] = field(default_factory=list)


def inject(fault: Fault, workers: int, executions: int, folder: Path) -> Outcome:
    """Fuzz a target with a fault, beside a correct one."""
    (folder / "bad.py").write_text(source(fault))
    command = [sys.executable, "-m", "crosswire.fuzzer", "run", f"bad:{fault.name}", CORRECT, "--json", "--no-confirm"]
    command += ["--max-executions", str(executions), "--workers", str(workers), "--no-cause"]
    command += ["--patience", "2", "--memory", "600"]
    inherited = {key: value for key, value in os.environ.items() if key not in ("PYTHONHASHSEED", "GITHUB_ACTIONS")}
    environment = {**inherited, "XDG_STATE_HOME": str(folder / "state")}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(fault, workers, _injected(folder), None, "", ["the run hangs"])
    out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    said, wrong = "", []
    if done.returncode not in fault.codes:
        wrong.append(f"exit code {done.returncode}")
    ours = "\n".join(line for line in err.splitlines() if not line.startswith(f"bad:{fault.name} says: "))
    if "Traceback" in ours or "please report" in ours:
        wrong.append("a traceback of Crosswire's")
    if CONTROLS.search(out + err) or COMMAND.search(out + err):
        wrong.append("what was printed is not text alone")
    try:
        bad, correct = json.loads(out)["targets"]
    except (ValueError, KeyError):
        wrong.append("no result")
    else:
        found = dict.fromkeys(finding["violation"] for finding in bad["found"])
        said = ", ".join(found) or (_last(err, "crosswire:") or _last(err, "bad:"))
        if correct["executions"] != executions or correct["found"]:
            wrong.append("the correct target was not fuzzed as it should")
        wrong += _lost(folder, [finding["signature"] for finding in bad["found"]])
    return Outcome(fault, workers, _injected(folder), done.returncode, said, wrong)


def _last(err: str, beginning: str) -> str:
    return next((line for line in reversed(err.splitlines()) if line.startswith(beginning)), "")


def _injected(folder: Path) -> int:
    path = folder / "injected"
    return path.stat().st_size if path.exists() else 0


def _lost(folder: Path, signatures: list[str]) -> Iterator[str]:
    """What was found and is not there any more, in words."""
    with Store.open(folder / "results", readonly=True) as store:
        rows = {row.signature: row.file for row in store.failures()}
        for signature in signatures:
            if signature not in rows or load(store.counterexamples / rows[signature]).signature != signature:
                yield f"{signature} is lost"
        if [row.status for row in store.campaigns()] not in (["finished"], ["failed"]):
            yield "the campaign is not marked as ended"


def table(outcomes: list[Outcome]) -> str:
    """The outcomes in Markdown, a row for each fault."""
    lines = ["| fault | injected, 1 worker | 2 workers | exit code | what was said | wrong |"]
    lines += ["| --- | ---: | ---: | ---: | --- | --- |"]
    for name in dict.fromkeys(outcome.fault.name for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.fault.name == name]
        injected = [str(next((o.injected for o in mine if o.workers == workers), "")) for workers in (1, 2)]
        codes = ", ".join(dict.fromkeys(str(outcome.code) for outcome in mine))
        said = "; ".join(dict.fromkeys(outcome.said[:140].replace("|", r"\|") for outcome in mine if outcome.said))
        wrong = "; ".join(dict.fromkeys(text for outcome in mine for text in outcome.wrong)) or "nothing"
        lines.append(f"| {mine[0].fault.words} | {' | '.join(injected)} | {codes} | {said} | {wrong} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executions", type=int, default=12)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--table", type=Path, help="write the table into this page, between its marks")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    outcomes, began = [], time.perf_counter()
    for fault in chosen:
        for workers in options.workers:
            with tempfile.TemporaryDirectory() as folder:
                outcome = inject(fault, workers, options.executions, Path(folder))
            outcomes.append(outcome)
            verdict = "; ".join(outcome.wrong) or "ok"
            told = f"injected {outcome.injected:3}, exit {outcome.code}: {outcome.said}"
            print(f"{verdict:6} {fault.name:22} {workers} {told}", flush=True)
        if options.table is not None:
            page = options.table.read_text(encoding="utf-8")
            head, rest = page.split(BEGINNING)
            _, tail = rest.split(ENDING)
            options.table.write_text(f"{head}{BEGINNING}\n\n{table(outcomes)}\n{ENDING}{tail}", encoding="utf-8")
    wrong = sum(bool(outcome.wrong) for outcome in outcomes)
    print(
        f"{len(chosen)} kinds of fault, {len(outcomes)} runs, {sum(o.injected for o in outcomes):,} injections, "
        f"{wrong} runs wrong, {time.perf_counter() - began:.0f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
