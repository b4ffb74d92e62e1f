"""From live to minimal: what a live server showed, found again in the world, made small, and kept.

The failing history is cut down to the connections in the evidence, and to who came, left or did not read near it.  That
is a program to begin with: the world plays it under many schedules until the same kind of violation shows, and the
minimiser does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from pathlib import Path
from typing import Literal

from ...models.isolation.outside import Proven
from ...strategies.script import SPEAKING
from ..campaigns.explore import Memory, explore
from ..core.history import History, Row, RowKind
from ..core.program import LEAVING, Operation, Program
from ..engine.execution import Worker
from ..findings.causes import Cause, cause_of
from ..findings.counterexample import of_finding, save
from ..findings.finding import Finding, judged, soundness_doubt
from ..findings.minimise import attempts, minimise
from ..search import DEFAULT
from ..targets.resolve import reached
from .round import Played

__all__ = ("CUTS", "Attempt", "Reproduced", "cut", "cuts", "reproduce", "target_for")

CLOSE = 0.05
"""Seconds within which servers are mostly still busy with what was said."""

Beside = Literal["nobody", "own", "anybody"]
"""Who else is kept that came, left or did not read: nobody, the other clients of the users concerned, or anybody."""

CUTS: tuple[tuple[float, Beside], ...] = (
    (CLOSE, "nobody"),
    (CLOSE, "own"),
    (0.3, "own"),
    (CLOSE, "anybody"),
    (0.3, "anybody"),
    (1.0, "own"),
)
"""Seconds around the evidence, and who else is kept of what happened then: tried in turns."""

TURNS = 50
"""How often each cut is explored anew."""

SCHEDULES = 24
"""Schedules of each then, at most: a cut that lacks somebody shows nothing under however many."""

SAID = 6
"""Operations by which something was said that are kept whoever said it: the nearest."""

LONGEST = 0.5
"""Seconds after an event's beginning in which what followed from it is part of the same scene."""

TRIES = 8
"""Schedules under which a cut with fewer connections is tried."""

MOST = 150
"""Operations of a cut that is explored; what is longer costs more than it says."""

SECONDS = 60.0
"""Real seconds for all of it, if nobody says more."""

PRESENT = frozenset({"connect", "authenticate", "join", "leave", "log_out", "stall", "unstall"}) | LEAVING
"""Operations that decide who is there, and reads."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """A finding in the world: whether it is of the kind that was seen live, made small, with its cause and its file."""

    finding: Finding
    same: bool
    path: Path
    cause: Cause | None


@dataclass(slots=True)
class Attempt:
    """What came of one violation."""

    operations: int = 0
    """Of the live history."""
    cuts: list[int] = field(default_factory=list)
    """How many operations each cut had."""
    executions: int = 0
    found: list[Reproduced] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """The same kind of violation was found."""
        return any(one.same for one in self.found)


def cut(program: Program, history: History, evidence: Sequence[int], near: float, beside: Beside) -> Program:
    """Return what the connections in the evidence did, and those beside it within so many seconds.

    Users and connections are numbered as they appear.
    """
    operations = program.operations
    rows = [history[row] for row in evidence]
    begun = {row.operation: row.time for row in history if row.kind is RowKind.INVOKED and row.operation is not None}
    shown = [row.operation for row in rows if row.operation is not None and operations[row.operation].kind != "connect"]
    centre = min((begun[number] for number in shown if number in begun), default=rows[-1].time)
    since = centre - near
    until = max([centre, *(row.time for row in rows if row.time < centre + LONGEST)]) + near
    involved = {row.connection for row in rows} | {operations[number].connection for number in shown}
    said = set(shown) | _said_beside(operations, begun, centre, near)
    kept = involved | {operations[number].connection for number in said}
    if beside != "nobody":
        others = _beside(operations, history, since, until) | _not_reading(history, since, until)
        owners = {op.connection: op.user for op in operations if op.kind == "connect"}
        users = {owners.get(name) for name in involved} | {operations[number].to for number in shown}
        kept |= {name for name in others if beside == "anybody" or owners.get(name) in users}
    gone = {row.connection for row in history if row.time < since and row.kind in (RowKind.GONE, RowKind.CLOSED)}
    before: list[Operation] = []
    stalls: list[Operation] = []
    during: list[Operation] = []
    for number, op in enumerate(operations):
        at = begun.get(number)
        if at is None or op.connection not in kept or op.connection in gone or at > until:
            continue
        if at < since:
            if op.kind in ("stall", "unstall"):
                stalls.append(op)
            elif op.kind in PRESENT:
                before.append(op)
        elif op.kind in PRESENT or number in said or op.connection in involved:
            during.append(op)
    return _renamed((*before, Operation("settle"), *stalls, *during) if before else (*stalls, *during))


def _said_beside(operations: Sequence[Operation], begun: Mapping[int, float], centre: float, near: float) -> set[int]:
    """What was said nearest to a moment, by whoever it was."""
    said = (
        (abs(at - centre), number)
        for number, at in begun.items()
        if abs(at - centre) <= near and operations[number].kind in (*SPEAKING, "act")
    )
    return {number for _, number in sorted(said)[:SAID]}


def _beside(operations: Sequence[Operation], history: History, since: float, until: float) -> set[str | None]:
    """Who came or left between two moments, or did not read from then on."""
    return {
        row.connection
        for row in history
        if since <= row.time <= until
        and (
            row.kind in (RowKind.GONE, RowKind.STALLED)
            or (
                row.kind is RowKind.INVOKED
                and row.operation is not None
                and operations[row.operation].kind == "connect"
            )
        )
    }


def _not_reading(history: History, since: float, until: float) -> set[str | None]:
    """Who did not read at some moment between two."""
    stalled: dict[str | None, Row] = {}
    found = set()
    for row in history:
        if row.time > until:
            break
        if row.kind is RowKind.STALLED:
            stalled[row.connection] = row
        elif row.kind in (RowKind.RESUMED, RowKind.GONE, RowKind.CLOSED):
            if row.time >= since and row.connection in stalled:
                found.add(row.connection)
            stalled.pop(row.connection, None)
    return found | set(stalled)


def _renamed(operations: Sequence[Operation]) -> Program:
    """The same with users and connections numbered as they appear."""
    names: dict[str, str] = {}
    counts = {"u": 0, "c": 0}

    def name(old: str | None, letter: str) -> str | None:
        if old is None or (letter == "u" and not old.startswith("u")):
            return old
        if old not in names:
            names[old] = f"{letter}{counts[letter]}"
            counts[letter] += 1
        return names[old]

    def token(op: Operation) -> str | None:
        return op.token if op.token in (None, "valid", "invalid", "expired") else name(op.token, "u")

    return Program(
        tuple(
            replace(
                op, connection=name(op.connection, "c"), user=name(op.user, "u"), to=name(op.to, "u"), token=token(op)
            )
            for op in operations
        )
    )


def target_for(name: str, wire: str) -> str:
    """The name of the importable application, spoken to as the live server was."""
    return name if "wire=" in name else reached([name], wire, None)[0]


def reproduce(
    worker: Worker, played: Played, proven: Proven, folder: Path, seed: int, seconds: float = SECONDS
) -> Attempt:
    """Look for a live violation in the world, make it small, and save it in the folder of counterexamples."""
    attempt, ends = Attempt(len(played.program)), time.perf_counter() + seconds
    wanted = proven.violation.kind
    seen: dict[str, Finding] = {}
    with worker.session():
        programs = list(cuts(played, proven))
        for number, program in product(range(TURNS), programs):
            if number == 0:
                attempt.cuts.append(len(program))
            _explore(worker, program, wanted, seen, attempt, (seed << 8) + number, ends)
            if wanted in seen or time.perf_counter() > ends:
                break
        if wanted in seen:
            seen = {wanted: seen[wanted]}
        for kind, finding in seen.items():
            fewer = _fewer_connections(worker, finding, ends)
            small, _ = minimise(worker, fewer, lambda: time.perf_counter() > ends)
            signature = small.violation.signature(worker.target.name)
            path = save(of_finding(worker.target.name, signature, small, worker.target.backend), folder)
            cause = cause_of(worker, small, lambda: time.perf_counter() > ends)
            attempt.found.append(Reproduced(small, kind == wanted, path, cause))
    return attempt


def cuts(played: Played, proven: Proven) -> Iterator[Program]:
    """The cuts that differ, the smallest first."""
    before: Program | None = None
    for near, beside in CUTS:
        program = cut(played.program, played.history, proven.violation.evidence, near, beside)
        if program != before and 0 < len(program) <= MOST:
            before = program
            yield program


def _explore(
    worker: Worker, program: Program, wanted: str, seen: dict[str, Finding], attempt: Attempt, name: int, ends: float
) -> None:
    """Play a program under some schedules, until it shows what is wanted."""
    order = range(len(program.expanded))
    for result in explore(worker, program, order, SCHEDULES, DEFAULT, name, Memory(name)):
        attempt.executions += 1
        for violation in result.violations:
            finding = Finding(violation, result.execution)
            if violation.kind not in seen and soundness_doubt(worker, finding) is None:
                seen[violation.kind] = finding
        if wanted in seen or time.perf_counter() > ends:
            return


def _fewer_connections(worker: Worker, best: Finding, ends: float) -> Finding:
    """Drop whole connections, many at once and then fewer: a cut has dozens, and the minimiser takes one at a time.

    The kind of the violation stays, whatever its circumstance: that is the minimiser's affair.
    """
    kind = best.violation.kind
    names = list(dict.fromkeys(op.connection for op in best.execution.program.operations if op.connection is not None))
    size = len(names) // 2
    while size >= 1:
        at = 0
        while at < len(names) and time.perf_counter() < ends:
            found = _without(worker, best, frozenset(names[at : at + size]), kind)
            if found is not None:
                best = found
                del names[at : at + size]
            else:
                at += size
        size //= 2
    return best


def _without(worker: Worker, best: Finding, names: frozenset[str], kind: str) -> Finding | None:
    """The finding of that kind without some connections, if it still shows."""
    program = best.execution.program
    places = [at for at, op in enumerate(program.operations) if op.connection in names]
    smaller = program.without(*places)
    if not smaller.operations:
        return None
    dropped = [number for at in places for number in program.numbers[at]]
    for chooser in islice(attempts(best, smaller, *dropped), TRIES):
        result = judged(worker, worker.run(smaller, chooser))
        for violation in result.violations:
            if violation.kind == kind:
                return Finding(violation, result.execution)
    return None
