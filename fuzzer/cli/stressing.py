"""``crosswire stress``: what was typed, and what is told of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from ...models.isolation.outside import NEVER_JUDGED, Grade
from ...strategies.script import Vocabulary
from ..core.counting import counted
from ..core.errors import UsageError
from ..core.text import cut, plain
from ..engine.execution import Worker
from ..findings.causes import in_lines
from ..store import Store
from ..stress.address import REMOTE_CLIENTS, REMOTE_RATE, descriptors_for, look_up, wire_for
from ..stress.again import Again, run_again
from ..stress.figures import PERCENTILES, Figures
from ..stress.kept import Kept
from ..stress.programs import CAST
from ..stress.reproduce import Attempt, reproduce, target_for
from ..stress.round import Plan
from ..stress.run import Broken, Result, Settings, check, stress
from ..stress.traffic import Load
from ..stress.traits import live_target
from ..targets.places import load_module, module_and_name
from ..targets.policy import Limits, Policy, policy_of
from ..targets.resolve import resolve
from .budget import parse_budget
from .terminal import plain_console, plain_text

__all__ = ("run_stress", "stress_settings")

SHOWN = 20
"""Kinds of violations that are listed."""

REPRODUCED = 3
"""Kinds of violations that are looked for in the world."""


def stress_settings(
    *,
    url: str,
    wire: str,
    users: int,
    rate: float,
    duration: str,
    churn: float,
    burst: int,
    round_length: str,
    within: str,
    unordered: bool,
    policy: str | None,
    seed: int,
    backend: str,
    command: str | None,
    first: bool,
    allow_remote: str | None,
    insecure: bool,
    results: Path,
) -> Settings:
    """Return the settings of a run; raises `UsageError` where they make no sense, or are not allowed."""
    spot = look_up(url, allow_remote, insecure)
    if not spot.local and (users > REMOTE_CLIENTS or rate > REMOTE_RATE):
        raise UsageError(
            f"another machine is asked to bear {REMOTE_CLIENTS} users and {REMOTE_RATE:g} events a second at most"
        )
    if not spot.local and command is not None:
        raise UsageError("--start starts a server on this machine, and the URL names another")
    descriptors_for(users)
    spoken = wire_for(wire, spot, url)
    target = live_target(url, spoken, _policy(policy), gentle=not spot.local)
    if not Vocabulary(target, CAST).speeches:
        raise UsageError(f"the wire {wire} has nothing for clients to say")
    return Settings(
        url=url,
        spot=spot,
        wire=spoken,
        wire_name=wire,
        target=target,
        plan=Plan(
            Load(clients=users, rate=rate, churn=churn, burst=burst),
            seconds=parse_budget(round_length),
            within=parse_budget(within),
            ordered=not unordered,
            local=spot.local,
            seed=seed,
        ),
        seconds=parse_budget(duration),
        backend=backend,
        command=command,
        first=first,
        results=results,
    )


def _policy(name: str | None) -> Policy:
    """What the server declares, as ``module:name``; the strict promise where nothing is said."""
    if name is None:
        return policy_of(Policy())
    module_name, attribute = module_and_name(name)
    found = getattr(load_module(name, module_name), attribute, None)
    if not isinstance(found, Policy | Limits):
        raise UsageError(f"--policy {cut(name, 100)!r} is no Policy of crosswire.fuzzer")
    return policy_of(found)


def run_stress(settings: Settings, as_json: bool, application: str | None = None, again: int = 0) -> int:
    """Stress a server, tell what came of it, and return the exit code.

    ``application`` is where the server's code can be imported: what was found is looked for there.  The lanes of what
    was found are run ``again`` so many times against the live server, alone.
    """
    target = resolve(target_for(application, settings.wire_name)) if application is not None else None
    check(settings)
    attempts: dict[str, Attempt] = {}
    with Store.open(settings.results) as store:
        for note in store.notes:
            print(plain(note), file=sys.stderr)
        kept = Kept(store, settings)

        def told(result: Result) -> None:
            _progress(result)
            kept.round(result)

        result = stress(settings, told)
        kept.end(result, {}, {})  # whatever comes of what follows
        reruns: dict[str, Again] = {}
        for key, one in _first_of_each(result).items():
            if again and not result.interrupted:
                reruns[key] = run_again(settings, result, one, again, partial(_rerun, one.proven.violation.kind))
        if target is not None and not result.interrupted:
            for key, one in _first_of_each(result).items():
                attempts[key] = reproduce(
                    Worker(target), one.played, one.proven, store.counterexamples, settings.plan.seed
                )
        if attempts or reruns:
            kept.end(result, attempts, reruns)
    if as_json:
        print(json.dumps(_as_data(settings, result, attempts, reruns), indent=2))
    else:
        _print(settings, result, attempts, reruns)
    if result.code == 2:
        print(plain(f"crosswire: {_silence(result)}"), file=sys.stderr)
    return result.code


def _first_of_each(result: Result) -> dict[str, Broken]:
    """The first violation of each kind by its key, the kinds that were seen first in front."""
    first: dict[str, str] = {}
    for key, one in result.broken.items():
        first.setdefault(one.proven.violation.kind, key)
    first.pop("KillsProcess", None)  # how a process ended is no history
    return {key: result.broken[key] for key in list(first.values())[:REPRODUCED]}


def _silence(result: Result) -> str:
    """Why nothing was heard."""
    errors = ", ".join(f"{what} ({count} times)" for what, count in result.figures.errors.most_common(3))
    if not result.figures.connects:
        return f"no client was let in: {errors or 'nobody answered'}"
    return "nothing was heard, so nothing was judged: does the wire say how this server is spoken to?" + (
        f" ({errors})" if errors else ""
    )


def _progress(result: Result) -> None:
    """Say how far it has come."""
    last = result.last
    p99 = last.delivery.percentiles().get("p99")
    line = (
        f"round {result.rounds}: {last.said:,} said, {last.heard:,} heard, "
        f"{f'p99 {p99:g} ms' if p99 is not None else 'no latency'}, {sum(last.errors.values()):,} errors"
        f"; {sum(one.times for one in result.broken.values()):,} violations so far"
    )
    print(plain(line), file=sys.stderr, flush=True)


def _rerun(kind: str, again: Again) -> None:
    """Say how far the re-runs are."""
    print(plain(f"{kind}, lanes alone: failed in {again.failed} of {again.times} re-runs"), file=sys.stderr, flush=True)


def _print(settings: Settings, result: Result, attempts: Mapping[str, Attempt], reruns: Mapping[str, Again]) -> None:
    figures, console = result.figures, plain_console()
    heard = f"{figures.heard:,} heard ({figures.heard / max(figures.seconds, 1e-9):,.0f} a second of traffic)"
    lines = [
        f"{settings.url}: {result.seconds:.0f} s, {counted(result.rounds, 'round')}, {result.rested} came to rest",
        f"{figures.said:,} events said, {heard}, {figures.owed:,} surely owed and looked for",
        f"{figures.connects:,} connects, {figures.left:,} departures",
        f"own lag {figures.lag * 1000:.0f} ms at most, server away {figures.away:.1f} s; "
        f"{figures.processor:.1f} s of processor time, {figures.judging:.1f} s of it judging",
    ]
    for line in lines:
        console.print(plain_text(line))
    table = Table("ms", *PERCENTILES, box=None)
    for name, histogram in (("event, from the intended time", figures.delivery), ("connect", figures.connecting)):
        values = histogram.percentiles()
        if values:
            table.add_row(name, *(f"{values[key]:.1f}" for key in PERCENTILES))
    if table.row_count:
        console.print(table)
    for what, count in figures.errors.most_common():
        console.print(plain_text(f"  {what}: {count:,}"))
    for one in list(result.broken.values())[:SHOWN]:
        violation, grade, proof = one.proven
        console.print(plain_text(f"{violation.kind} ({violation.promise}), {grade.value}: {violation.message}"))
        first = f"first after {one.at:.1f} s and {one.said:,} events, in round {one.round}"
        console.print(plain_text(f"  {proof}; {counted(one.times, 'time')} in all, {first}"))
    if not result.broken:
        console.print(plain_text("no promise was broken" if figures.heard else "nothing was judged"))
    for path in result.files:
        console.print(plain_text(f"history: {path}"))
    for key, again in reruns.items():
        one = result.broken[key]
        if not again.times:
            console.print(plain_text(f"{one.proven.violation.kind}: not run again, since no cut is short enough"))
            continue
        what = f"failed in {again.failed} of {again.times} re-runs against the live server"
        cut_to = f"{len(again.program)} of {len(one.played.program):,} operations, {again.connections} clients alone"
        console.print(plain_text(f"{one.proven.violation.kind}: {what}; {cut_to}"))
        if again.file is not None:
            console.print(plain_text(f"  program: {again.file}"))
    for key, attempt in attempts.items():
        kind = result.broken[key].proven.violation.kind
        cuts = f"cut from {attempt.operations:,} operations to {' and '.join(map(str, attempt.cuts)) or 'none'}"
        console.print(plain_text(f"{kind}: {cuts}; {counted(attempt.executions, 'execution')} in the world"))
        for found in attempt.found:
            execution, violation = found.finding.execution, found.finding.violation
            same = "the same" if found.same else f"{violation.kind} instead"
            console.print(plain_text(f"  {same}, in {len(execution.program)} operations: {violation.message}"))
            if found.cause is not None:
                for line in in_lines(found.cause, execution.program):
                    console.print(plain_text(f"  {line}"))
            console.print(plain_text(f"  crosswire replay {found.path}"))
        if not attempt.found:
            console.print(plain_text("  not seen there"))


def _as_data(
    settings: Settings, result: Result, attempts: Mapping[str, Attempt], reruns: Mapping[str, Again]
) -> dict[str, Any]:
    figures = result.figures
    return {
        "url": settings.url,
        "wire": settings.wire_name,
        "seed": settings.plan.seed,
        "exit_code": result.code,
        "seconds": round(result.seconds, 3),
        "rounds": result.rounds,
        "intervals": [
            {
                "at_seconds": at,
                "seconds": result.course.seconds,
                **_measured(one),
                "errors": sum(one.errors.values()),
                "violations": sum(one.violations.values()),
            }
            for at, one in result.course.intervals
        ],
        "rested": result.rested,
        **_measured(figures),
        "frames": figures.frames,
        "owed": figures.owed,
        "errors": dict(figures.errors),
        "processor_seconds": round(figures.processor, 3),
        "judging_seconds": round(figures.judging, 3),
        "violations": [_violation(one) for one in result.broken.values()],
        "histories": [str(path) for path in result.files],
        "reproduced": {
            result.broken[key].proven.violation.kind: _attempt(attempt) for key, attempt in attempts.items()
        },
        "again": {result.broken[key].proven.violation.kind: _again(again) for key, again in reruns.items()},
        "never_judged": list(NEVER_JUDGED),
    }


def _measured(figures: Figures) -> dict[str, Any]:
    """What is told of an interval as of the whole run."""
    return {
        "said": figures.said,
        "heard": figures.heard,
        "connects": figures.connects,
        "departures": figures.left,
        "own_lag_ms": round(figures.lag * 1000, 3),
        "away_seconds": round(figures.away, 3),
        "delivery_ms": figures.delivery.percentiles(),
        "connect_ms": figures.connecting.percentiles(),
    }


def _violation(one: Broken) -> dict[str, Any]:
    violation, grade, proof = one.proven
    return {
        "violation": violation.kind,
        "promise": violation.promise,
        "grade": grade.value,
        "certain": grade is Grade.CERTAIN,
        "proof": proof,
        "message": violation.message,
        "times": one.times,
        "round": one.round,
        "first_evidence_seconds": round(one.at, 3),
        "first_evidence_events": one.said,
    }


def _again(again: Again) -> dict[str, Any]:
    return {
        "cuts": again.cuts,
        "operations": len(again.program),
        "connections": again.connections,
        "times": again.times,
        "failed": again.failed,
        "program": str(again.file) if again.file is not None else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "operations": attempt.operations,
        "cuts": attempt.cuts,
        "executions": attempt.executions,
        "found": [
            {
                "same": found.same,
                "violation": found.finding.violation.kind,
                "operations": len(found.finding.execution.program),
                "counterexample": str(found.path),
            }
            for found in attempt.found
        ],
    }
