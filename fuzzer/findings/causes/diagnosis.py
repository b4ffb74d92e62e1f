"""How the cause of a finding is found.

For a minimal counterexample, the first of these that applies:

1. what the model or the world knows: the task that holds a lock while it waits, the line that raised or blocked;
2. an exception that failing executions raise and passing ones do not;
3. two events that must not meet, or a pause that parts two operations: the line that a task was suspended at meanwhile,
   the line that ran, and what both have to do with;
4. another way to say one operation that promises the same, and the lines that it spares;
5. the lines that failing executions run more often than passing ones, and who last changed what these go by.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ....models.isolation.violations import Violation
from ...core.history import RowKind
from ...core.program import EMITS
from ...core.source import Line
from ...engine.execution import Worker
from ...engine.schedule import Recorded
from ..finding import Finding, judged
from .bugs import TOGETHER
from .cause import Cause, Reason
from .decisions import way_of_finding
from .experiments import Change, Flip, Strength, changes, flips, prevents, shows_one_by_one
from .known import deadlock, held_up, told, told_beside
from .spectrum import EXECUTIONS, FEWEST, Budget, shape, spectrum
from .suspicion import Suspicion
from .trace import Trace, traced
from .windows import Window

__all__ = ("cause_of", "known_at_once")

HALF = 0.5
"""The part of a finding's time that its spectrum has; the rest is for trying what else would have come of it."""

SPARED = 5
"""Lines that a change spares, at most, for them to be the place."""

FIRST = 3
"""Places whose lines are the suspects."""


def cause_of(
    worker: Worker, finding: Finding, over: Callable[[], bool] | None = None, seconds: float | None = None
) -> Cause | None:
    """The cause of a minimal finding, within a session; None where nothing of the target's is seen to run, or it
    ends or blocks its process.

    Takes some seventy executions, fewer where these would take longer than so many ``seconds``, and up to sixty more
    where a pause helps; none is begun once ``over`` says so.
    """
    budget = Budget(over)
    began = time.perf_counter()
    seen = _seen(worker, finding, budget, objects=True)
    if seen is None:
        return None
    enough = EXECUTIONS if seconds is None else int(seconds * HALF / max(time.perf_counter() - began, 1e-6))
    finding, trace, there, glue, known = seen
    counts = spectrum(worker, finding, budget, min(max(enough, FEWEST), EXECUTIONS))
    look = Suspicion(finding, frozenset(there), trace, counts, glue)
    cause = known or look.explains(told_beside(finding, trace)) or look.raised()
    cause = cause or _experimented(worker, look, budget) or look.line()
    if cause is None:
        return None
    places = tuple(dict.fromkeys((*cause.places, *look.blocks)))
    shown, origins, decided = places, frozenset[Line](), list[Line]()
    if cause.weak and cause.window is None:
        shown, origins = look.with_origins(places)
        decided, changed = look.decided(way_of_finding(worker, finding, trace), shown[:1])
        shown = tuple(dict.fromkeys((*shown[:1], *((line,) for line in (*decided, *changed)), *shown[1:])))
        origins = origins.union(changed)
    return replace(
        cause,
        places=shown,
        origins=origins,
        decisions=frozenset(decided),
        suspects=frozenset(line for place in places[:FIRST] for line in place),
        kin=finding.violation.kin,
        besides=_besides(finding, there),
        implies=counts.always_beside,
        shape=shape(finding.execution.program),
        failing=counts.failing,
        passing=counts.passing,
        executions=budget.executions,
        cut=budget.cut,
    )


def known_at_once(worker: Worker, finding: Finding) -> Cause | None:
    """What one execution tells of a cause, where the model or the world knows it; what is suspected is left out."""
    seen = _seen(worker, finding, Budget(), objects=False)
    if seen is None:
        return None
    finding = seen.finding
    known = seen.known or told_beside(finding, seen.trace)
    if known is None:
        return None
    return replace(
        known,
        kin=finding.violation.kin,
        besides=_besides(finding, seen.there),
        shape=shape(finding.execution.program),
        executions=1,
        cut=True,
    )


class _Seen(NamedTuple):
    """A finding's own execution: what it shows, and what is known of its cause without any other."""

    finding: Finding
    trace: Trace
    there: Mapping[str, Violation]
    glue: str | None
    known: Cause | None


def _seen(worker: Worker, finding: Finding, budget: Budget, *, objects: bool) -> _Seen | None:
    """The finding's own execution, watched; None where it does not show, or nothing of the target's is seen to run."""
    if finding.fatal or finding.execution.blocked is not None:  # each execution would cost as much as an end does
        return None
    as_found, held = Recorded(finding.execution.schedule), finding.violation.kind == "HeadOfLineBlocking"
    execution, trace = traced(worker, finding.execution.program, as_found, pauses=held, objects=objects)
    budget.executions += 1
    signature = finding.violation.signature(worker.target.name)
    there = {v.signature(worker.target.name): v for v in reversed(judged(worker, execution).violations)}
    if signature not in there or not trace.at:
        return None
    finding = replace(finding, violation=there[signature], execution=execution)
    glue = _glue(worker, trace)
    stuck = next((v for v in there.values() if v.kind == "Deadlock"), None)
    known = deadlock(finding, stuck, trace, glue) or held_up(finding, trace, glue) or told(finding, trace)
    return _Seen(finding, trace, there, glue, known)


def _besides(finding: Finding, there: Mapping[str, Violation]) -> frozenset[str]:
    """What else is said of the event that a finding is about."""
    others = TOGETHER.get(finding.violation.kin, frozenset())
    history = finding.execution.history
    speaks = {at for at, step in enumerate(finding.execution.program.expanded) if step.kind in EMITS}

    def emission(violation: Violation) -> int | None:
        begun = (history[row].operation for row in violation.evidence if history[row].kind == RowKind.INVOKED)
        return next((number for number in begun if number in speaks), None)

    about = emission(finding.violation)
    return frozenset(
        signature
        for signature, violation in there.items()
        if about is not None and violation.kin in others and emission(violation) == about
    )


def _glue(worker: Worker, trace: Trace) -> str | None:
    """The adapter's file, where the target is more than it: what stands there is said after the rest."""
    known = worker.target.traits
    members: Iterable[Any] = vars(known).values() if inspect.isclass(known) else ()
    adapter = next((member.__code__.co_filename for member in members if inspect.isfunction(member)), None)
    return adapter if any(line.file != adapter for line in trace.at) else None


def _window_key(decides: Flip | Change, window: Window) -> tuple[str, ...]:
    """What waits and what comes in between; a timer that runs out there is another matter than somebody who comes."""
    timed = isinstance(decides, Flip) and decides.timed
    return ("timer" if timed else "window", window.places[-1].key, window.intruder.key)


def _experimented(worker: Worker, look: Suspicion, budget: Budget) -> Cause | None:
    """What flips and changes say; where all of its class is not gone after any, what is gone after a flip."""
    finding, trace = look.finding, look.trace
    windows: list[tuple[Flip | Change, Window]] = []
    raced = not shows_one_by_one(worker, finding, budget)
    if raced and finding.execution.schedule.deviations:
        windows = look.windowed(flips(worker, finding, look.shown, trace, budget))
    enough = [pair for pair in windows if pair[0].strength > Strength.FINDING]
    if enough and not enough[0][1].resting:
        return _ordered(look, enough)
    for change in changes(worker, finding, look.shown, trace, budget):
        if change.strength > Strength.FINDING:
            if change.instead is None and not prevents(worker, finding, change, budget, look.counts.until_it_shows):
                continue  # it was the order of this one execution that the pause has changed
            met = look.windowed([change]) if raced else []  # else it is the time between them that matters
            if met:
                return _ordered(look, met)
            spared = tuple(at for at in change.spared if at.file != look.glue and look.between(at))
            places = (spared,) if 0 < len(spared) <= SPARED else ()
            key: tuple[str, ...] = ("change", change.key)
            if change.instead is not None and not change.spared:  # nothing tells two bugs of the operation apart
                key = (finding.violation.kind, *key)
            return Cause(Reason.CHANGE, key, places, change=change, cured=change.cured, weak=True)
    if enough:
        return _ordered(look, enough)
    if windows:
        cause = _ordered(look, windows)
        key = (finding.violation.kind, *cause.key)
        return replace(cause, key=key, hints=cause.hints | {cause.key}, weak=True)
    return None


def _in_one_function(one: Line, other: Line) -> bool:
    return (one.file, one.function) == (other.file, other.function)


def _ordered(look: Suspicion, windows: Sequence[tuple[Flip | Change, Window]]) -> Cause:
    """The first window, and as hints the others.

    It begins where the function waits that goes by what is changed meanwhile, if there is one: what it calls and waits
    in comes later.  Else with who calls what merely waits: it may go by that in what it calls before or after.
    """
    decides, window = windows[0]
    outer = tuple(place for place in reversed(window.places[:-1]) if place.file != look.glue)
    waits, goes_by = window.places[-1], window.goes_by
    first, then = waits, outer[:1]
    if outer and goes_by is not None and not _in_one_function(waits, goes_by):
        first = next((place for place in outer if _in_one_function(place, goes_by)), outer[0])
        then = ()
    met = (first, window.intruder, *then, *([] if goes_by is None else [goes_by]), waits, *outer)
    hints = frozenset(_window_key(*pair) for pair in windows)
    key = _window_key(decides, window)
    if window.resting:  # where it always waits, much may come
        key = (look.finding.violation.kind, *key)
    flip, change = (decides, None) if isinstance(decides, Flip) else (None, decides)
    places = tuple((line,) for line in dict.fromkeys(met))
    return Cause(Reason.ORDER, key, places, flip, window, change, decides.cured, hints, weak=window.resting)
