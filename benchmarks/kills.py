"""Kill campaigns at random instants: is anything lost that was saved?

    python -m benchmarks.kills [--kills 200] [--seed 0]

Each time a real ``crosswire run`` is sent SIGKILL, on one and the same results folder.  Just before, what can be read
there is noted; afterwards everything noted must still be there, and every counterexample file be whole.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.store import Store, StoreError
from crosswire.fuzzer.store.recovery import damage

__all__ = ("Losses", "kill_campaigns")


@dataclass
class Losses:
    """What went wrong, in words, and how much there was to lose."""

    kills: int = 0
    executions: int = 0
    counterexamples: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Noted:
    executions: Counter[tuple[int, str, str, int, int]]
    failures: dict[str, int]
    files: frozenset[str]


def _note(folder: Path) -> _Noted | None:
    try:
        with Store.open(folder, readonly=True) as store:
            counts = Counter(
                {(c.campaign, c.target, c.strategy, c.users, c.length): c.executions for c in store.counts()}
            )
            failures = {row.signature: row.times for row in store.failures()}
    except StoreError:
        return None  # not made yet
    return _Noted(counts, failures, frozenset(path.name for path in (folder / "counterexamples").glob("*.json")))


def kill_campaigns(folder: Path, kills: int, seed: int, longest: float = 2.5) -> Losses:
    """Start a campaign and kill it, again and again; ``longest`` is how long one may live, in seconds.

    That is counted from when a first one, which is killed once it has counted and found something, had something to
    lose: machines differ.
    """
    rng = random.Random(seed)
    losses = Losses()
    started: float | None = None
    for number in range(kills):
        target = rng.choice(["degraded", "emergency", "factory", "isolated"])
        options = ("--budget", "60s", "--seed", str(seed * 1000 + number), "--results", str(folder))
        process = subprocess.Popen(
            [sys.executable, "-m", "crosswire.fuzzer", "run", target, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        began = time.monotonic()
        if started is None:
            while process.poll() is None and not ((noted := _note(folder)) and noted.executions and noted.files):
                time.sleep(0.05)
            started = time.monotonic() - began
        else:
            time.sleep(rng.uniform(0.3, started + longest))
        before = _note(folder)
        process.kill()
        process.wait()
        losses.kills += 1
        if before is not None:
            _compare(folder, before, losses, number)
    with Store.open(folder) as store:
        known = {row.signature for row in store.failures()}
        files = sorted(store.counterexamples.glob("*.json"))
        losses.lost += [f"{path.name} is not in the store" for path in files if load(path).signature not in known]
        losses.executions = sum(count.executions for count in store.counts())
        losses.counterexamples = len(files)
        running = [row.id for row in store.campaigns() if row.status == "running"]
        losses.lost += [f"campaign {number} still counts as running" for number in running]
    return losses


def _compare(folder: Path, before: _Noted, losses: Losses, number: int) -> None:
    trouble = damage(folder / "crosswire.db", 5.0)
    if trouble is not None:
        losses.lost.append(f"kill {number}: the store is damaged: {trouble}")
        return
    after = _note(folder)
    if after is None:
        losses.lost.append(f"kill {number}: the store cannot be read")
        return
    for cell, executions in before.executions.items():
        if after.executions[cell] < executions:
            losses.lost.append(f"kill {number}: {cell} went back from {executions} to {after.executions[cell]}")
    for signature, times in before.failures.items():
        if after.failures.get(signature, -1) < times:
            losses.lost.append(f"kill {number}: {signature} went back from {times}")
    losses.lost += [f"kill {number}: {name} is gone" for name in before.files - after.files]
    for name in after.files:
        load(folder / "counterexamples" / name)


def main() -> None:
    """Print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        losses = kill_campaigns(Path(name), options.kills, options.seed)
    print(
        f"{losses.kills} kills, {losses.executions:,} executions and {losses.counterexamples} counterexamples saved, "
        f"{len(losses.lost)} losses"
    )
    for line in losses.lost:
        print(f"  {line}")
    sys.exit(1 if losses.lost else 0)


if __name__ == "__main__":
    main()
