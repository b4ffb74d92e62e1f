"""What the store holds, listed, compared, pruned and exported."""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from rich.console import Console
from rich.table import Table

from ..core.choices import PROMISES
from ..statistics import differences, shares_by_promise
from ..store import (
    CampaignRow,
    CountRow,
    FailureRow,
    FirstRow,
    SampleRow,
    Store,
    StoreError,
    StressFailureRow,
    StressIntervalRow,
    StressRow,
    StressRuns,
    StressViolationRow,
)
from .terminal import plain_console

Begun = TypeVar("Begun", CampaignRow, StressRow)

__all__ = ("compare_campaigns", "export_tables", "list_campaigns", "prune_campaigns")


def list_campaigns(results: Path) -> None:
    """Campaigns, every bug ever found, and runs against live servers."""
    with Store.open(results, readonly=True) as store:
        totals: Counter[int] = Counter()
        for count in store.counts():
            totals[count.campaign] += count.executions
        table = _table("Campaigns", ("id", "profile", "started", "status", "seed", "executions", "bugs seen"))
        failures = store.failures()
        bug_of = {failure.signature: failure.bug for failure in failures}
        for row in store.campaigns():
            seen = len({bug_of[sighting.signature] for sighting in store.sightings(row.id)})
            cells = (row.id, row.profile or "", _when(row.started), row.status, row.seed, f"{totals[row.id]:,}", seen)
            table.add_row(*map(str, cells))
        headings = ("signature", "target", "promise", "times", "first seen", "last seen", "state")
        bugs = _table("Bugs and their symptoms", headings)
        for bug in sorted(failures, key=lambda row: (row.target, row.bug, row.signature != row.bug)):
            state = "shows" if bug.gone_since is None else f"gone since {_when(bug.gone_since)}"
            name = bug.signature if bug.signature == bug.bug else f"  {bug.signature}"
            cells2 = (name, bug.target, bug.promise, f"{bug.times:,}", _when(bug.first_seen))
            bugs.add_row(*cells2, _when(bug.last_seen), state)
        console = _console()
        console.print(table)
        console.print(bugs)
        runs = StressRuns(store)
        if rows := runs.runs():
            console.print(_live(rows, runs.violations()))


def _live(rows: Sequence[StressRow], violations: Sequence[StressViolationRow]) -> Table:
    """Runs against live servers: what was heard, how long it took, what was broken."""
    headings = ("id", "server", "started", "status", "seed", "said", "heard", "p99 ms", "promises broken")
    table = _table("Stress runs", headings)
    for row in rows:
        broken: Counter[str] = Counter()
        for one in violations:
            if one.run == row.id:
                broken[one.violation] += one.times
        p99 = "" if row.event_p99 is None else f"{row.event_p99:,.1f}"
        said = ", ".join(f"{kind} {times:,}" for kind, times in broken.items())
        cells = (row.id, row.url, _when(row.started), row.status, row.seed, f"{row.said:,}", f"{row.heard:,}", p99)
        table.add_row(*map(str, cells), said)
    return table


def compare_campaigns(results: Path, before: int, after: int) -> None:
    """Two campaigns side by side: bugs only one saw, and how often each promise was broken."""
    with Store.open(results, readonly=True) as store:
        known = {row.id for row in store.campaigns()}
        for number in (before, after):
            if number not in known:
                raise StoreError(f"{results}: there is no campaign {number}; crosswire results list names them")
        left, right = ({s.signature: s.times for s in store.sightings(number)} for number in (before, after))
        headings = ("target", "promise", str(before), str(after), "chance alone")
        table = _table("Share of executions that broke a promise", headings)
        shares = [shares_by_promise(store.counts([number])) for number in (before, after)]
        chance = {difference.cell: difference.p for difference in differences(*shares)}
        for target in dict.fromkeys(target for share in shares for target, _ in share):
            for promise in PROMISES:
                cells = [share.get((target, promise)) for share in shares]
                if any(cell is not None and cell[0] for cell in cells):
                    p = chance.get((target, promise))
                    table.add_row(target, promise, *map(_share, cells), "" if p is None else _chance(p))
        console = _console()
        console.print(table)
        bugs = _table("Bugs", ("signature", str(before), str(after), ""))
        for signature in sorted({*left, *right}):
            word = "both" if signature in left and signature in right else "new" if signature in right else "not seen"
            bugs.add_row(signature, f"{left.get(signature, 0):,}", f"{right.get(signature, 0):,}", word)
        console.print(bugs)


def prune_campaigns(results: Path, keep: int | None, older_than: int | None) -> None:
    """Forget the counts of old campaigns, and old stress runs; bugs and all files stay."""
    if keep is None and older_than is None:
        raise StoreError("say what to prune: --keep N or --older-than DAYS")
    Store.open(results, readonly=True).close()
    with Store.open(results) as store:
        chosen = _old(store.campaigns(), keep, older_than)
        print(f"{store.prune(row.id for row in chosen)} campaigns forgotten")
        stressed = StressRuns(store)
        if runs := stressed.runs():
            old = _old(runs, keep, older_than)
            print(f"{stressed.prune(row.id for row in old)} stress runs forgotten")


def _old(rows: Sequence[Begun], keep: int | None, older_than: int | None) -> Sequence[Begun]:
    """Those of rows, the oldest first, that are to be forgotten."""
    chosen = rows[: max(0, len(rows) - keep)] if keep is not None else rows
    if older_than is not None:
        chosen = [row for row in chosen if row.started < time.time() - older_than * 86400]
    return chosen


def export_tables(results: Path, out: Path, to: Literal["csv", "parquet"]) -> None:
    """Write the store's tables as files: what campaigns counted and found, and runs against live servers."""
    with Store.open(results, readonly=True) as store:
        tables: dict[str, tuple[type[Any], Sequence[Any]]] = {
            "campaigns": (CampaignRow, store.campaigns()),
            "counts": (CountRow, store.counts()),
            "failures": (FailureRow, store.failures()),
            "samples": (SampleRow, store.samples()),
            "firsts": (FirstRow, store.firsts()),
        }
        stressed = StressRuns(store)
        if runs := stressed.runs():
            tables["stress_runs"] = StressRow, runs
            tables["stress_intervals"] = StressIntervalRow, stressed.intervals()
            tables["stress_failures"] = StressFailureRow, stressed.failures()
            tables["stress_violations"] = StressViolationRow, stressed.violations()
    out.mkdir(parents=True, exist_ok=True)
    for name, (kind, rows) in tables.items():
        columns = [field.name for field in fields(kind) if field.name != "broken"]
        promises = list(PROMISES) if kind is CountRow else []
        data = [
            [getattr(row, column) for column in columns] + [row.broken.get(promise, 0) for promise in promises]
            for row in rows
        ]
        headings = columns + promises
        if to == "csv":
            with (out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(headings)
                writer.writerows(data)
        else:
            _parquet(out / f"{name}.parquet", headings, data)
    print(f"{len(tables)} tables written to {out}")


def _parquet(path: Path, headings: Sequence[str], data: Sequence[Sequence[Any]]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise StoreError("Parquet needs pyarrow: pip install 'crosswire[parquet]'") from None
    table = pyarrow.table({name: [row[number] for row in data] for number, name in enumerate(headings)})
    pyarrow.parquet.write_table(table, path)


def _chance(p: float) -> str:
    """Fisher's exact test, adjusted for the number of rows: how likely a difference like this is by chance."""
    return "p < 0.001: they differ" if p < 0.001 else f"p = {p:.3f}"


def _share(cell: tuple[int, int] | None) -> str:
    return "not run" if cell is None else f"{cell[0]:,} of {cell[1]:,} ({cell[0] / cell[1]:.2%})"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _console() -> Console:
    return plain_console(width=None if sys.stdout.isatty() else 180)
