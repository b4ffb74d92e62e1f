"""The cause of a finding: the places in the target's own source that decide, and how that is known.

For a minimal counterexample, the first of these that applies:

1. what the model or the world knows: the task that holds a lock while it waits, the line that raised or blocked;
2. an exception that failing executions raise and passing ones do not;
3. where order matters, two events that must not meet, and the line that one's task was suspended at meanwhile;
4. where it does not, another way to say one operation that promises the same, and the lines that it spares;
5. the lines between the first evidence and the last that failing executions run more often than passing ones.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ...core.history import Failure, RowKind, Sleep
from ...core.source import Line
from ...core.stacks import Place
from ...engine.execution import Worker
from ...engine.schedule import Recorded
from ..finding import Finding, judged
from .experiments import Change, Flip, Strength, Window, changes, flips
from .spectrum import Budget, Spectrum, spectrum
from .trace import Chain, Element, Trace, traced

__all__ = ("Cause", "Reason", "cause_of")

SURE = 0.8
"""The score from which on an exception counts as the cause."""

ENOUGH = 5
"""Passing executions without which an exception's score says nothing."""

SPARED = 5
"""Lines that a change spares, at most, for them to be the place."""

NEXT = 2
"""Lines of one score so close to each other are one place: nothing tells them apart."""


class Reason(StrEnum):
    """How the cause is known."""

    DEADLOCK = "deadlock"
    STUCK = "stuck"
    HELD_UP = "held up"
    TOLD = "told"
    RAISED = "raised"
    ORDER = "order"
    CHANGE = "change"
    LINES = "lines"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a finding happens.

    ``key``: findings of one target that have the same are of one bug.  ``places``: the most suspicious first; each is
    a line, or neighbouring lines that nothing tells apart.  ``flip`` with its ``window``, or ``change``, is the
    counterfactual; ``cured`` the signatures that the finding's own execution shows, and the changed one does not.
    ``hints`` are keys of other windows that decide as well.  ``failing`` and ``passing`` count the spectrum's
    executions, ``executions`` all.
    """

    reason: Reason
    key: tuple[str, ...]
    places: tuple[tuple[Line, ...], ...]
    flip: Flip | None = None
    window: Window | None = None
    change: Change | None = None
    cured: frozenset[str] = frozenset()
    hints: frozenset[tuple[str, ...]] = frozenset()
    failing: int = 0
    passing: int = 0
    executions: int = 0

    @property
    def strength(self) -> Strength | None:
        """How much the counterfactual made go away; None where there is none."""
        changed = self.flip or self.change
        return changed.strength if changed is not None else None


def cause_of(worker: Worker, finding: Finding, over: Callable[[], bool] | None = None) -> Cause | None:
    """The cause of a minimal finding, within a session; None where nothing of the target's is seen to run, or it
    ends or blocks its process.

    Takes some seventy executions; none is begun once ``over`` says so.
    """
    if finding.fatal or finding.execution.blocked is not None:  # each execution would cost as much as an end does
        return None
    budget = Budget(over)
    execution, trace = traced(worker, finding.execution.program, Recorded(finding.execution.schedule))
    budget.executions += 1
    signature = finding.violation.signature(worker.target.name)
    shown = {v.signature(worker.target.name): v for v in reversed(judged(worker, execution).violations)}
    if signature not in shown or not trace.at:
        return None
    finding = replace(finding, violation=shown[signature], execution=execution)
    glue = _glue(worker, trace)
    told = _deadlock(finding, trace, glue) or _held_up(finding, trace, glue) or _told(finding, trace)
    counts = spectrum(worker, finding, budget)
    look = _Look(finding, frozenset(shown), trace, counts, glue)
    cause = told or look.raised() or _experimented(worker, look, budget) or look.line()
    if cause is None:
        return None
    places = tuple(dict.fromkeys((*cause.places, *look.blocks)))
    return replace(cause, places=places, failing=counts.failing, passing=counts.passing, executions=budget.executions)


def _glue(worker: Worker, trace: Trace) -> str | None:
    """The adapter's file, where the target is more than it: what stands there is said after the rest."""
    known = worker.target.traits
    members: Iterable[Any] = vars(known).values() if inspect.isclass(known) else ()
    adapter = next((member.__code__.co_filename for member in members if inspect.isfunction(member)), None)
    return adapter if any(line.file != adapter for line in trace.at) else None


def _keyed(reason: Reason, *lines: Line) -> tuple[str, ...]:
    return ("at" if reason is not Reason.DEADLOCK else reason, *(line.key for line in lines))


# -- what is known ------------------------------


def _deadlock(finding: Finding, trace: Trace, glue: str | None) -> Cause | None:
    """Where tasks wait that hold what others wait for; without locks of asyncio's, the task that is stuck longest."""
    if finding.violation.kind != "Stuck":
        return None
    stuck = finding.execution.history[finding.violation.evidence[-1]].detail
    end = max(trace.waits, default=0)
    final, locks = trace.waits.get(end, {}), trace.locks.get(end, {})
    waiting = [task for task, chain in final.items() if isinstance(stuck, Place) and _is_at(chain[-1], stuck)]
    for task in waiting:
        seen: list[int] = []
        while task in locks and task not in seen:
            seen.append(task)
            task = locks[task].holder
        if not seen:
            continue
        circle = seen[seen.index(task) :] if task in seen else seen[-1:]
        places: list[Line] = []
        inner: list[Line] = []
        for one in circle:
            held = locks[one]
            chain = final.get(held.holder, ())
            if held.taken_at is not None:
                places.append(_holding(held.taken_at, chain))
                inner.append(held.taken_at)
            inner += chain[-1:]
        if places:
            places.sort()
            named = tuple((line,) for line in dict.fromkeys((*places, *inner)))
            return Cause(Reason.DEADLOCK, _keyed(Reason.DEADLOCK, *places), named)
    ran = {task: event for event in sorted(trace.runs) for task in trace.runs[event]}
    chains = sorted((ran.get(task, 0), -len(final[task]), final[task]) for task in waiting)
    own = [line for line in chains[0][2] if line.file != glue][-2:] if chains else []
    if not own:
        return None
    return Cause(Reason.STUCK, _keyed(Reason.DEADLOCK, own[0]), tuple((line,) for line in own))


def _holding(taken_at: Line, chain: Chain) -> Line:
    """Where the function that took a lock waits while it has it."""
    return next((line for line in chain if line.function == taken_at.function), taken_at)


def _held_up(finding: Finding, trace: Trace, glue: str | None) -> Cause | None:
    """Where an operation waits that a stalled client holds up: for whoever has the lock, where that one waits."""
    if finding.violation.kind != "HeldUp":
        return None
    last = finding.violation.evidence[-1]
    operation = finding.execution.history[last].operation
    mine = [task for task, behalf in trace.behalf.items() if behalf == operation]
    waited: Counter[tuple[Line, ...]] = Counter()
    for event, chains in trace.waits.items():
        for task in mine:
            own = [line for line in chains.get(task, ()) if line.file != glue]
            if not own or trace.began.get(event, 0) > last:
                continue
            held = trace.locks.get(event, {}).get(task)
            if held is None or held.taken_at is None:
                waited[own[-1],] += 1
            else:
                chain = chains.get(held.holder, ())
                waited[_holding(held.taken_at, chain), held.taken_at, own[-1]] += 1
    if not waited:
        return None
    lines = max(waited, key=lambda one: (waited[one], one))
    return Cause(Reason.HELD_UP, (Reason.HELD_UP, lines[0].key), tuple((line,) for line in dict.fromkeys(lines)))


def _told(finding: Finding, trace: Trace) -> Cause | None:
    """The line that a history row of the evidence names: where an exception was raised, or the loop was blocked."""
    history = finding.execution.history
    rows = [history[row] for row in finding.violation.evidence]
    if finding.violation.promise == "no loss":
        rows += [row for row in history if row.kind == RowKind.UNHANDLED]
    for row in rows:
        if row.kind in (RowKind.RAISED, RowKind.UNHANDLED, RowKind.BLOCKED):
            detail = row.detail
            place = detail.place if isinstance(detail, Failure | Sleep) else None
            line = next((line for line in trace.at if place is not None and _is_at(line, place)), None)
            if line is not None:
                return _thrown(Reason.TOLD, finding, line)
    return None


def _thrown(reason: Reason, finding: Finding, line: Line) -> Cause:
    """A line that raises or blocks; what a ``raise`` says has many reasons, so findings of one class only are alike."""
    if line.text.split(maxsplit=1)[:1] == ["raise"]:
        return _weakly(reason, finding, line, (line,))
    return Cause(reason, _keyed(reason, line), ((line,),))


def _weakly(reason: Reason, finding: Finding, line: Line, place: tuple[Line, ...]) -> Cause:
    """A cause by suspicion only: enough to put findings of one class together, and a hint for others."""
    key = _keyed(reason, line)
    return Cause(reason, (finding.violation.kind, *key), (place,), hints=frozenset({key}))


def _is_at(line: Line, place: Place) -> bool:
    return (os.path.basename(line.file), line.number) == (place.file, place.line)


# -- what executions tell ------------------------------


class _Look:
    """A finding's own execution beside its spectrum: which lines are in question, and how suspicious they are.

    ``shown`` are the signatures of all that the execution shows.
    """

    def __init__(
        self, finding: Finding, shown: frozenset[str], trace: Trace, counts: Spectrum, glue: str | None
    ) -> None:
        self.finding, self.shown, self.trace, self.counts, self.glue = finding, shown, trace, counts, glue
        evidence = finding.violation.evidence
        since = 0 if len(evidence) == 1 or finding.violation.promise == "consistency" else evidence[0]
        self.last = {
            line: max((row for row in rows if since <= row <= evidence[-1]), default=-1)
            for line, rows in trace.at.items()
        }
        ranked = [pair for pair in counts.ranked("line", "raise") if self.between(pair[1][1])]
        self.blocks = self._blocks(ranked)

    def between(self, line: Line) -> bool:
        """Whether the line ran between the first evidence and the last."""
        return self.last.get(line, -1) >= 0

    def _blocks(self, ranked: Iterable[tuple[float, Element]]) -> list[tuple[Line, ...]]:
        """Lines by score; those next to each other with one score together, since nothing tells them apart."""
        order = sorted(
            ranked,
            key=lambda e: (-round(e[0], 6), e[1][1].file == self.glue, e[1][0] != "raise", -self.last[e[1][1]]),
        )
        blocks: list[tuple[float, list[Line]]] = []
        for score, (_, at, *_) in order:
            for known, lines in blocks:
                close = any(one.file == at.file and abs(one.number - at.number) <= NEXT for one in lines)
                if abs(known - score) < 1e-6 and close:
                    lines.append(at)
                    break
            else:
                blocks.append((score, [at]))
        return [tuple(sorted(set(lines))) for _, lines in blocks]

    def raised(self) -> Cause | None:
        """An exception that failing executions raise and passing ones do not: its innermost line."""
        raised = [
            (score, element[1])
            for score, element in self.counts.ranked("raise")
            if score >= SURE and element[2] != "CancelledError" and self.between(element[1])
        ]
        if not raised or self.counts.passing < ENOUGH:
            return None
        top = max(score for score, _ in raised)
        tied = [line for score, line in raised if score >= top - 1e-9]
        line = min(tied, key=lambda at: (at.file == self.glue, self.last[at], at))
        return _thrown(Reason.RAISED, self.finding, line)

    def windowed(self, deciding: Sequence[Flip]) -> list[tuple[Flip, Window]]:
        """The windows of the flips, the most telling first."""
        counts = self.counts
        during = [element for element in counts.fails if element[0] == "during"]

        def rank(pair: tuple[Flip, Window]) -> tuple[bool, int, int, float, float]:
            flip, window = pair
            at = window.places[-1]
            alone = max((counts.ochiai(element) for element in during if element[1] == at), default=0.0)
            return (
                at.file == self.glue,
                flip.starts,
                -flip.strength,
                -counts.ochiai(("during", at, window.intruder)),
                -alone,
            )

        return sorted(((flip, window) for flip in deciding for window in flip.windows), key=rank)

    def line(self) -> Cause | None:
        """The most suspicious lines; where nothing passes, the line that ran last when it showed."""
        if self.blocks and self.counts.passing:
            first = min(self.blocks[0])
            return _weakly(Reason.LINES, self.finding, first, self.blocks[0])
        shows = self.trace.rows[self.finding.violation.evidence[-1]]
        if shows is None:
            return None
        return _weakly(Reason.SHOWN, self.finding, shows, (shows,))


def _window_key(flip: Flip, window: Window) -> tuple[str, ...]:
    """What waits and what comes in between; a timer that runs out there is another matter than somebody who comes."""
    return ("timer" if flip.timed else "window", window.places[-1].key, window.intruder.key)


def _experimented(worker: Worker, look: _Look, budget: Budget) -> Cause | None:
    """What flips and changes say; where all of its class is not gone after any, what is gone after a flip."""
    finding, trace = look.finding, look.trace
    windows: list[tuple[Flip, Window]] = []
    if finding.execution.schedule.deviations:
        windows = look.windowed(flips(worker, finding, look.shown, trace, budget))
        enough = [pair for pair in windows if pair[0].strength > Strength.FINDING]
        if enough:
            return _ordered(look, enough)
    for change in changes(worker, finding, look.shown, trace, budget):
        if change.strength > Strength.FINDING:
            spared = tuple(at for at in change.spared if at.file != look.glue and look.between(at))
            places = (spared,) if 0 < len(spared) <= SPARED else ()
            key = ("change", change.key, *(line.key for line in change.suspended))
            if change.instead is not None and not change.spared:  # nothing tells two bugs of the operation apart
                key = (finding.violation.kind, *key)
            return Cause(Reason.CHANGE, key, places, change=change, cured=change.cured)
    if windows:
        cause = _ordered(look, windows)
        return replace(cause, key=(finding.violation.kind, *cause.key), hints=cause.hints | {cause.key})
    return None


def _ordered(look: _Look, windows: Sequence[tuple[Flip, Window]]) -> Cause:
    """The first window, and as hints the others."""
    flip, window = windows[0]
    outer = tuple((place,) for place in reversed(window.places[:-1]) if place.file != look.glue)
    met = ((window.places[-1],), (window.intruder,), *outer)
    hints = frozenset(_window_key(*pair) for pair in windows)
    return Cause(Reason.ORDER, _window_key(flip, window), met, flip, window, cured=flip.cured, hints=hints)
