"""``crosswire run``: campaigns over targets, live progress, and the tables at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...models.violations import PROMISES
from ..campaign import Campaign, Found, Plan
from ..counterexample import of_finding, save
from ..targets.adapter import Target

__all__ = ("run_campaigns",)


def run_campaigns(
    targets: Sequence[Target],
    *,
    seed: int,
    seconds: float | None,
    executions: int | None,
    users: int,
    promises: frozenset[str],
    folder: Path,
    as_json: bool,
) -> int:
    """Fuzz each target with an equal share of the budget; gives the exit code.

    The result goes to standard output and depends on the executions only; progress and speed go to standard error.
    """
    err = Console(stderr=True)
    plan = Plan(
        seed=seed,
        seconds=seconds / len(targets) if seconds is not None else None,
        executions=executions,
        users=users,
        promises=promises,
    )
    campaigns: list[Campaign] = []
    paths: dict[str, Path] = {}
    began = time.perf_counter()
    interrupted = False
    with _Progress(err, len(targets)) as progress:
        try:
            for target in targets:

                def found(campaign: Campaign, new: Found) -> None:
                    paths[new.signature] = save(of_finding(campaign.target.name, new.signature, new.finding), folder)

                campaign = Campaign(target, plan, on_progress=progress.show, on_found=found)
                campaigns.append(campaign)
                campaign.run()
                progress.finished(campaign)
        except KeyboardInterrupt:
            interrupted = True
    total = sum(campaign.executions for campaign in campaigns)
    elapsed = time.perf_counter() - began
    err.print(
        f"{total:,} executions in {elapsed:.1f} s ({total / elapsed if elapsed else 0:,.0f}/s)",
        highlight=False,
        soft_wrap=True,
    )
    if as_json:
        print(json.dumps(_as_json(campaigns, paths, plan), indent=2))
    else:
        _print(campaigns, paths, promises)
    if interrupted:
        err.print("interrupted; everything found so far is saved", style="yellow")
        return 130
    return 1 if any(campaign.found for campaign in campaigns) else 0


class _Progress:
    """One line that is alive on a terminal; elsewhere a line for each target that is done."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._shown = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> _Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _line(self, campaign: Campaign) -> str:
        rate = campaign.executions / campaign.seconds if campaign.seconds else 0.0
        return (
            f"{campaign.target.name}: {campaign.executions:,} executions, {rate:,.0f}/s, "
            f"{len(campaign.found)} distinct violations, {campaign.seconds:.0f} s"
        )

    def show(self, campaign: Campaign) -> None:
        now = time.perf_counter()
        if self._live is not None and now - self._shown > 0.2:
            self._shown = now
            self._live.update(Text(f"[{self._done + 1}/{self._total}] {self._line(campaign)}"), refresh=True)

    def finished(self, campaign: Campaign) -> None:
        self._done += 1
        console = self._console if self._live is None else self._live.console
        line = f"[{self._done}/{self._total}] {self._line(campaign)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print(campaigns: Sequence[Campaign], paths: dict[str, Path], promises: frozenset[str]) -> None:
    width = None if sys.stdout.isatty() else 180
    console = Console(width=width, highlight=False)
    broken = [name for name in PROMISES if name in promises and any(c.broken[name] for c in campaigns)]
    table = Table(title="Executions that broke a promise, and their share")
    table.add_column("target", no_wrap=True)
    table.add_column("executions", justify="right", no_wrap=True)
    for name in broken:
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for c in campaigns:
        cells = [_cell(c.broken[name], c.executions) for name in broken]
        table.add_row(c.target.name, f"{c.executions:,}", *(cells if broken else []))
    console.print(table)
    for c in campaigns:
        for new in c.found.values():
            _print_found(console, c, new, paths.get(new.signature))
    survivors = [c.target.name for c in campaigns if not c.found]
    if survivors:
        console.print(f"No promise broken by: {', '.join(survivors)}")
    total = sum(len(c.found) for c in campaigns)
    if total:
        console.print(f"{total} distinct violations; see one with: crosswire explain FILE")


def _print_found(console: Console, campaign: Campaign, new: Found, path: Path | None) -> None:
    violation, execution = new.finding.violation, new.finding.execution
    console.print()
    heading = Text(f"{campaign.target.name}: {violation.kind} ({violation.promise})", style="bold red")
    console.print(heading)
    console.print(Text(f"  {violation.message}"))
    size = f"{_count(len(execution.program), 'operation')}, {_count(len(execution.schedule), 'deviation')} from order"
    console.print(Text(f"  {size}; seen {new.times:,} times, first at execution {new.at_execution:,}"))
    for number, operation in enumerate(execution.program.operations):
        console.print(Text(f"    {number}. {operation}"))
    if path is not None:
        console.print(Text(f"  crosswire replay {path}"), soft_wrap=True)


def _cell(broken: int, executions: int) -> str:
    return f"{broken:,}\n{broken / executions:.2%}" if broken else "."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _as_json(campaigns: Sequence[Campaign], paths: dict[str, Path], plan: Plan) -> dict[str, object]:
    return {
        "seed": plan.seed,
        "users": plan.users,
        "targets": [
            {
                "target": c.target.name,
                "executions": c.executions,
                "programs": c.programs,
                "broken": {name: c.broken[name] for name in PROMISES if c.broken[name]},
                "found": [
                    {
                        "signature": new.signature,
                        "promise": new.finding.violation.promise,
                        "violation": new.finding.violation.kind,
                        "message": new.finding.violation.message,
                        "operations": [str(op) for op in new.finding.execution.program.operations],
                        "deviations": len(new.finding.execution.schedule),
                        "times": new.times,
                        "first_at": new.at_execution,
                        "file": str(paths[new.signature]) if new.signature in paths else None,
                    }
                    for new in c.found.values()
                ],
            }
            for c in campaigns
        ],
    }
