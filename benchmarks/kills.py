"""Kill campaigns, or their workers, at random instants: is anything lost that was saved?

    python -m benchmarks.kills [--kills 200] [--seed 0]
    python -m benchmarks.kills --workers [--kills 200] [--seed 0]

Each time a real ``crosswire run`` is sent SIGKILL, on one and the same results folder.  Just before, what can be read
there is noted; afterwards everything noted must still be there, and every counterexample file be whole.

With ``--workers`` the campaign stays, and one of its processes that run the target is killed, again and again.  The
campaign must go on to its end, find and count what it does when nobody disturbs it, and not blame the target.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import IO, Any

from crosswire.fuzzer.findings.counterexample import load
from crosswire.fuzzer.store import Store, StoreError
from crosswire.fuzzer.store.recovery import damage

__all__ = ("Losses", "kill_campaigns", "kill_workers", "start_run")


def start_run(
    *arguments: str, stdout: int | IO[bytes] = DEVNULL, stderr: int | IO[bytes] = DEVNULL, cwd: Path | None = None
) -> Popen[bytes]:
    """Start ``crosswire run`` with these arguments, its processes hashing alike each time."""
    command = [sys.executable, "-m", "crosswire.fuzzer", "run", *arguments]
    return Popen(command, cwd=cwd, stdout=stdout, stderr=stderr, env={**os.environ, "PYTHONHASHSEED": "0"})


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
        process = start_run(target, *options)
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


CAMPAIGNS = (("degraded", 1), ("emergency", 2), ("reference", 1), ("isolated", 2))
"""Targets whose workers are killed, and how many there are."""


MOST = 20
"""Kills of one campaign's workers: more than its target may cost, if they were put down to it."""


def kill_workers(folder: Path, kills: int, seed: int, executions: int = 4000) -> Losses:
    """Run campaigns of so many executions, killing a worker every now and then, until there were so many kills."""
    rng = random.Random(seed)
    losses, expected, begins = Losses(), {}, {}
    number = 0
    while losses.kills < kills:
        target, workers = CAMPAIGNS[number % len(CAMPAIGNS)]
        options = ("--max-executions", str(executions), "--workers", str(workers), "--seed", str(seed), "--no-confirm")
        if target not in expected:
            expected[target], _, code = _campaign(target, options, folder / target, None, 0)
            begins[target] = _beginning(target, folder / f"{target} begins")
        before = losses.kills
        most = min(MOST, kills - losses.kills)
        result, times, code = _campaign(target, options, folder / f"{number}", rng, most, begins[target])
        losses.kills += times
        name = f"campaign {number}, {target} with {workers} workers, {losses.kills - before} kills"
        losses.lost += [f"{name}: {text}" for text in _unlike(expected[target], result, code)]
        with Store.open(folder / f"{number}") as store:
            files = {row.signature: row.file for row in store.failures()}
            for signature in result["found"]:
                if signature not in files or load(store.counterexamples / files[signature]).signature != signature:
                    losses.lost.append(f"{name}: {signature} is not in the store")
            losses.executions += sum(count.executions for count in store.counts())
            losses.counterexamples += len(files)
            if [row.status for row in store.campaigns()] != ["finished"]:
                losses.lost.append(f"{name}: not marked as finished")
        number += 1
    return losses


def _beginning(target: str, folder: Path) -> float:
    """Real seconds that a campaign takes for its first executions: machines differ, and so does what else they do."""
    began = time.monotonic()
    _campaign(target, ("--max-executions", "50", "--no-confirm"), folder, None, 0)
    return time.monotonic() - began


def _campaign(
    target: str, options: tuple[str, ...], folder: Path, rng: random.Random | None, most: int, longest: float = 0.0
) -> tuple[dict[str, Any], int, int]:
    """One campaign, of which ``rng`` says when a worker is killed: its result, the number of kills, the exit code.

    Between two kills there are up to ``longest`` real seconds.
    """
    kills = 0
    with tempfile.TemporaryFile() as out:
        process = start_run(target, "--json", "--results", str(folder), *options, stdout=out)
        while process.poll() is None and rng is not None and kills < most:
            time.sleep(rng.uniform(0.05, longest))
            below = descendants(process.pid)
            if below and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(below), signal.SIGKILL)
                    kills += 1
        process.wait()
        out.seek(0)
        told = json.loads(out.read() or b'{"targets": [{}]}')["targets"][0]
    found = sorted(finding["signature"] for finding in told.get("found", []))
    return {"executions": told.get("executions"), "found": found}, kills, process.returncode


def _unlike(expected: dict[str, Any], result: dict[str, Any], code: int) -> Iterator[str]:
    """In what a campaign differs from the one that nobody disturbed, in words."""
    if code != (1 if expected["found"] else 0):
        yield f"exit code {code}"
    if result["executions"] != expected["executions"]:
        yield f"{result['executions']} executions, not {expected['executions']}"
    for signature in set(expected["found"]) ^ set(result["found"]):
        yield f"{signature} is {'missing' if signature in expected['found'] else 'found besides'}"


def descendants(pid: int) -> list[int]:
    """The processes below one, as Linux tells them."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, _, rest = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")
            children.setdefault(int(rest.split()[1]), []).append(int(stat.parent.name))
    below, whole = [pid], []
    while below:
        found = children.get(below.pop(), [])
        whole += found
        below += found
    return whole


def main() -> None:
    """Print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", action="store_true", help="kill workers, not campaigns")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        losses = (kill_workers if options.workers else kill_campaigns)(Path(name), options.kills, options.seed)
    print(
        f"{losses.kills} kills, {losses.executions:,} executions and {losses.counterexamples} counterexamples saved, "
        f"{len(losses.lost)} losses"
    )
    for line in losses.lost:
        print(f"  {line}")
    sys.exit(1 if losses.lost else 0)


if __name__ == "__main__":
    main()
