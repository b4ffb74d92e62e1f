"""Kill workers of a Dask cluster while a campaign runs: does it give what it gives undisturbed?

    python -m benchmarks.cluster_kills [--target degraded] [--executions 9000] [--every 10] [--kills 12]

A scheduler and two workers are started as processes, and every ten seconds one of the workers is sent SIGKILL and
another is started.  The same seed and number of executions, by processes without a cluster, must print the same JSON
and leave the same counts, sightings and counterexample files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crosswire.fuzzer.store import Store

from .kills import start_run

__all__ = ("Outcome", "Processes", "differences", "kill_workers", "outcome", "undisturbed")

COMING = 120.0
"""Seconds for a scheduler to come up."""


class Processes:
    """A Dask scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        until = time.monotonic() + COMING
        while not file.exists() or not file.read_text().rstrip().endswith("}"):
            if time.monotonic() >= until or self.scheduler.poll() is not None:
                self.scheduler.kill()
                raise SystemExit(f"the scheduler did not come up; see {folder / 'scheduler.log'}")
            time.sleep(0.05)
        self.address: str = json.loads(file.read_text())["address"]

    def _start(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1", **environment}
        with open(self._folder / f"{arguments[0]}.log", "ab") as log:
            command = [sys.executable, "-m", "dask", *arguments]
            return subprocess.Popen(command, cwd=cwd or self._folder, env=environment, stdout=log, stderr=log)

    def add_worker(self, *options: str, cwd: Path | None = None, **environment: str) -> None:
        """Start a worker that runs one round at a time; its nanny starts it again, unless there is ``--no-nanny``."""
        scratch = ("--local-directory", str(self._folder), "--no-dashboard", "--nthreads", "1")
        self.workers.append(self._start("worker", self.address, *scratch, *options, cwd=cwd, **environment))

    def replace_oldest(self) -> None:
        """End the worker that has been there longest, as a machine that is switched off would; another comes."""
        worker = self.workers.pop(0)
        worker.kill()
        worker.wait()
        self.add_worker("--no-nanny")

    def close(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Outcome:
    """Everything that a run gives but its times."""

    printed: str
    """The JSON of the command."""
    counts: list[tuple[object, ...]]
    """By cell: executions, and broken promises."""
    sightings: list[tuple[object, ...]]
    """How often each finding was seen, and when first."""
    files: dict[str, str]
    """Counterexamples by their files' names."""

    @property
    def executions(self) -> int:
        """As the command tells them."""
        return sum(target["executions"] for target in json.loads(self.printed)["targets"])


@dataclass
class Disturbed:
    """What became of a run whose workers were killed."""

    outcome: Outcome
    kills: int
    seconds: float
    notes: list[str] = field(default_factory=list)
    """Rounds that ended worker after worker and were run where they are counted."""


def outcome(folder: Path, printed: str) -> Outcome:
    """Read what a run in this folder has left."""
    with Store.open(folder / "results", readonly=True) as store:
        counts = sorted(
            (c.target, c.strategy, c.users, c.length, c.executions, sorted(c.broken.items())) for c in store.counts()
        )
        seen = sorted((s.signature, s.times, s.at_execution) for c in store.campaigns() for s in store.sightings(c.id))
    files = {path.name: path.read_text() for path in (folder / "results" / "counterexamples").glob("*.json")}
    return Outcome(printed, list(counts), list(seen), files)


def differences(one: Outcome, other: Outcome) -> list[str]:
    """Name what is not the same in two outcomes."""
    parts = ("printed", "counts", "sightings", "files")
    return [f"not the same: {part}" for part in parts if getattr(one, part) != getattr(other, part)]


@contextmanager
def _running(folder: Path, plan: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
        process = start_run(*plan, stdout=out, stderr=err, cwd=folder)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _ended(folder: Path, process: subprocess.Popen[bytes]) -> Outcome:
    if process.wait() not in (0, 1):
        raise SystemExit(f"the run ended with {process.returncode}: {(folder / 'err').read_text()[-500:]}")
    return outcome(folder, (folder / "out").read_text())


def undisturbed(folder: Path, plan: list[str]) -> tuple[Outcome, float]:
    """Run a plan with two processes of this machine; gives the seconds it took, too."""
    began = time.monotonic()
    with _running(folder, [*plan, "--workers", "2"]) as process:
        ended = _ended(folder, process)
    return ended, time.monotonic() - began


def kill_workers(folder: Path, plan: list[str], every: float, kills: int) -> Disturbed:
    """Run a plan on a cluster of two workers of which one is killed ``every`` so many seconds, at most ``kills``."""
    (folder / "cluster").mkdir(parents=True)
    cluster = Processes(folder / "cluster")
    killed = 0
    try:
        for _ in range(2):
            cluster.add_worker("--no-nanny")
        began = time.monotonic()
        with _running(folder / "run", [*plan, "--cluster", cluster.address]) as process:
            while process.poll() is None:
                if killed < kills and time.monotonic() - began >= every * (killed + 1):
                    cluster.replace_oldest()
                    killed += 1
                time.sleep(0.1)
            ended = _ended(folder / "run", process)
    finally:
        cluster.close()
    notes = [line for line in (folder / "run" / "err").read_text().splitlines() if "it is run here" in line]
    return Disturbed(ended, killed, time.monotonic() - began, notes)


def main() -> None:
    """Print what the two runs gave, and what is not the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="degraded")
    parser.add_argument("--executions", type=int, default=9000)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--kills", type=int, default=12, help="at most")
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    plan = [options.target, "--max-executions", str(options.executions), "--schedules", "1"]
    plan += ["--seed", str(options.seed), "--no-confirm", "--no-cause", "--json"]
    with tempfile.TemporaryDirectory() as name:
        disturbed = kill_workers(Path(name) / "killed", plan, options.every, options.kills)
        there = disturbed.outcome
        print(
            f"{disturbed.kills} workers killed in {disturbed.seconds:.0f} s: {there.executions:,} executions, "
            f"{len(there.files)} counterexamples, rounds that ended two workers and were run without the cluster: "
            f"{len(disturbed.notes)}",
            flush=True,
        )
        alone, seconds = undisturbed(Path(name) / "alone", plan)
    print(f"no cluster: {alone.executions:,} executions, {len(alone.files)} counterexamples, in {seconds:.0f} s")
    wrong = differences(there, alone)
    if disturbed.kills < options.kills:
        wrong.append(f"the run ended after {disturbed.kills} of {options.kills} kills: ask for more executions")
    print("everything is the same but the time" if not wrong else "\n".join(wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
