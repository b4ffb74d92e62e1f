"""What a run found, on a terminal: a block for each bug, what is not certain apart, and the summary last."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..campaigns.rounds import Plan
from ..campaigns.summary import BugSummary, FailureSummary, ReachSummary, RunSummary, TargetSummary
from ..core.choices import PROMISES
from ..core.counting import counted
from .terminal import plain_console

__all__ = ("compare_backends", "print_result")

FUNCTIONS = 6
"""Functions that are named of those with lines that never ran."""

PLACES = 3
"""Places that are named for each bug; `crosswire explain` shows more."""

WIDTH = 100
"""Columns where nobody looks at a terminal."""


def print_result(summary: RunSummary, plan: Plan, scheduled: bool, explained: bool = True) -> None:
    """Print a run's result to standard output; ``scheduled`` runs tell new bugs from known ones.

    Unless causes were ``explained``, nothing is said of their absence.
    """
    hurried = explained and plan.seconds is not None
    console = plain_console(width=None if sys.stdout.isatty() else WIDTH)
    summary = summary.shown()
    targets = summary.targets
    told = [(t, bug) for t in targets for bug in t.bugs if not (scheduled and bug.status == "known")]
    certain: list[tuple[TargetSummary, BugSummary]] = []
    uncertain: list[tuple[TargetSummary, BugSummary]] = []
    for t, bug in told:
        (certain if any(failure.certain for failure in t.symptoms(bug)) else uncertain).append((t, bug))
    for t, bug in certain:
        _print_bug(console, t, bug, bug.status if scheduled else "", hurried)
    if uncertain:
        console.print("\nNot confirmed: found in the simulated world, and not seen on the stock event loop")
        for t, bug in uncertain:
            _print_bug(console, t, bug, bug.status if scheduled else "", hurried)
    if scheduled:
        _print_known(console, targets)
    for t in targets:
        for reason, times in t.doubts.items():
            text = f"{t.target}: {counted(times, 'apparent violation')} set aside, as no evidence of a bug: {reason}"
            console.print(Text(text, style="yellow"), soft_wrap=True)
    for t in targets:
        for delays, programs in t.proven.items() if "delay" in plan.strategies else ():
            console.print(
                f"{t.target}: {programs:,} of {counted(t.programs, 'program')} proven up to {counted(delays, 'delay')}"
            )
    console.print()
    _print_summary(console, summary, plan, scheduled)
    _print_backends(console, targets)


def _print_summary(console: Console, summary: RunSummary, plan: Plan, scheduled: bool) -> None:
    table = Table(title="Executions that broke a promise", title_justify="left", pad_edge=False)
    table.add_column("target", overflow="fold", ratio=1)
    table.add_column("promise", no_wrap=True)
    table.add_column("broken in", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for t in summary.targets:
        for promise in PROMISES:
            times = t.broken.get(promise, 0)
            if times and promise in plan.promises:
                table.add_row(Text(t.target), promise, f"{times:,} of {t.executions:,}", f"{times / t.executions:.2%}")
    if table.row_count:
        console.print(table)
    survivors = [t for t in summary.targets if not t.found and t.executions]
    for t in survivors:
        size = f"{counted(t.executions, 'execution')} of {counted(t.programs, 'program')}"
        console.print(Text(f"No promise broken by: {t.target}, in {size}"), soft_wrap=True)
        _print_exercised(console, t)
    bugs, total = sum(len(t.bugs) for t in summary.targets), sum(len(t.found) for t in summary.targets)
    if total:
        told = f", seen as {total:,} distinct violations" if total > bugs else ""
        if scheduled:
            words = (f"{len(summary.bugs(status))} {status}" for status in ("new", "back", "known"))
            told = f" ({', '.join(words)}){told}"
        console.print(f"{counted(bugs, 'bug')}{told}; see one with: crosswire explain FILE")


def _print_backends(console: Console, targets: Sequence[TargetSummary]) -> None:
    """Say of each target that was run on both backends which bugs only one of them shows.

    Bugs are the same where they share a place in the source that they come from, or else look the same.
    """
    on: dict[str, dict[str, TargetSummary]] = {}
    for t in targets:
        name, _, backend = t.target.rpartition("backend=")
        if name:
            on.setdefault(name[:-1], {})[backend] = t
    for name, backends in on.items():
        if len(backends) > 1:
            console.print(Text(f"{name}: {compare_backends(backends)}"), soft_wrap=True)


def compare_backends(backends: Mapping[str, TargetSummary]) -> str:
    """Which bugs of a target only one backend shows, where it was run on each."""
    for backend, target in backends.items():
        if not target.executions:
            return f"on {backend} nothing was run, so there is nothing to compare"
    (one, first), (other, second) = backends.items()
    mine, theirs = list(first.bugs), list(second.bugs)
    both = 0
    for alike in (_of_one_place, _of_one_kind):
        for bug in tuple(mine):
            twin = next((twin for twin in theirs if alike(bug, twin)), None)
            if twin is not None:
                both += 1
                mine.remove(bug)
                theirs.remove(twin)
    told = [f"{counted(both, 'bug')} on both"]
    for backend, bugs in ((one, mine), (other, theirs)):
        alone = f" ({', '.join(bug.violation for bug in bugs)})" if bugs else ""
        told.append(f"on {backend} alone {len(bugs) or 'none'}{alone}")
    return "; ".join(told)


def _of_one_place(bug: BugSummary, twin: BugSummary) -> bool:
    """Whether two come from one place, as far as is known; with it, what else is suspicious may differ."""
    return bool(bug.cause and twin.cause and not set(bug.cause.places).isdisjoint(twin.cause.places))


def _of_one_kind(bug: BugSummary, twin: BugSummary) -> bool:
    """Whether two break promises in the same way, and where one of them comes from is not known."""
    return not (bug.cause and twin.cause) and not set(bug.violation.split(", ")).isdisjoint(twin.violation.split(", "))


def _print_exercised(console: Console, target: TargetSummary) -> None:
    """Print for each promise in how many programs it could have been broken, and of those in none, why."""
    if target.exercised:
        told = ", ".join(f"{promise} {times:,}" for promise, times in target.exercised.items())
        console.print(Padding(Text(f"could have been broken in so many programs: {told}"), (0, 0, 0, 2)))
    if target.cut_short:
        programs = counted(target.programs, "program")
        told = f"after {programs} the budget was used up, before all was tried that every run begins with: give it more"
        console.print(Padding(Text(told, style="yellow"), (0, 0, 0, 2)))
    if target.reach is not None and ":" in target.target:  # of the managers that come with Crosswire nobody asks
        console.print(Padding(Text(_reached(target.reach)), (0, 0, 0, 2)))
    reasons: dict[str, list[str]] = {}
    for promise, reason in target.unexercised.items():
        reasons.setdefault(reason, []).append(promise)
    for reason, promises in reasons.items():
        console.print(
            Padding(Text(f"not checked: {', '.join(promises)} ({reason})", style="yellow"), (0, 0, 0, 2)),
        )


def _reached(reach: ReachSummary) -> str:
    """How many lines of the target's own functions ran, and where those are that did not."""
    seen, where = "", "in no execution"
    if reach.looked_at > 1:
        seen, where = f", as seen in one execution of {reach.looked_at}", "in none of these"
    told = f"{reach.ran:,} of {counted(reach.lines, 'line')} of its functions ran{seen}"
    if not reach.unreached:
        return told
    more = len(reach.unreached) - FUNCTIONS
    named = "; ".join(map(str, reach.unreached[:FUNCTIONS]))
    return f"{told}; {where}: {named}" + (f"; and in {counted(more, 'function')} more" if more > 0 else "")


def _print_known(console: Console, targets: Sequence[TargetSummary]) -> None:
    """What a scheduled run knew already: a line for each, still there or gone."""
    known = [(t, bug) for t in targets for bug in t.bugs if bug.status == "known"]
    if known:
        console.print("\nKnown, and still there:")
        for t, bug in known:
            first, *others = t.symptoms(bug)
            console.print(
                Text(f"  {t.target}: {first.violation} ({first.promise})  {first.file or ''}"), soft_wrap=True
            )
            for failure in others:
                what = "a new symptom" if failure.status == "new" else "also"
                text = f"    {what}: {failure.violation} ({failure.promise})  {failure.file or ''}"
                console.print(Text(text, style="yellow" if failure.status == "new" else ""), soft_wrap=True)
    gone = [(t, signature) for t in targets for signature in t.gone]
    if gone:
        console.print("\nGone (their counterexamples no longer show them):")
        for t, signature in gone:
            console.print(Text(f"  {t.target}: {signature}", style="green"), soft_wrap=True)
    if known or gone:
        console.print()


def _print_bug(console: Console, target: TargetSummary, bug: BugSummary, label: str, hurried: bool) -> None:
    first, *others = target.symptoms(bug)
    _print_symptom(console, target, first, label if first.status == bug.status else label and first.status)
    if bug.cause is not None:
        for line in bug.cause.lines(PLACES):
            console.print(Text(f"  {line}"), soft_wrap=True)
    elif hurried and first.file is not None:
        told = f"no cause is told: crosswire explain {first.file} looks for it as long as it takes"
        console.print(Text(f"  {told}", style="yellow"), soft_wrap=True)
    for failure in others:
        known = f", {failure.status}" if failure.status != bug.status else ""
        console.print(
            Text(f"  also seen as {failure.violation} ({failure.promise}){known}: {failure.message}"), soft_wrap=True
        )
        if failure.file is not None:
            console.print(Text(f"    crosswire replay {failure.file}"), soft_wrap=True)
    for other in bug.perhaps:
        console.print(Text(f"  perhaps the same as {other}", style="yellow"), soft_wrap=True)


def _print_symptom(console: Console, target: TargetSummary, bug: FailureSummary, label: str) -> None:
    console.print()
    heading = f"{target.target}: {bug.violation} ({bug.promise})" + (f" {label.upper()}" if label else "")
    console.print(Text(heading, style="bold red" if bug.certain else "bold yellow"), soft_wrap=True)
    console.print(Text(f"  {bug.message}"), soft_wrap=True)
    size = f"{counted(len(bug.operations), 'operation')}, {counted(bug.deviations, 'deviation')} from order"
    if not bug.minimal:
        size += " (not yet as small as can be: the time was up; run again to go on)"
    if bug.first_at is not None:
        size += f"; seen {counted(bug.times, 'time')}, first at execution {bug.first_at:,}"
    console.print(Text(f"  {size}"), soft_wrap=True)
    for number, operation in enumerate(bug.operations):
        console.print(Text(f"    {number}. {operation}"))
    if bug.confirmation is not None:
        console.print(Text(f"  {bug.confirmation}", style="green" if bug.confirmed else "yellow"), soft_wrap=True)
    if bug.file is not None:
        console.print(Text(f"  crosswire replay {bug.file}"), soft_wrap=True)
