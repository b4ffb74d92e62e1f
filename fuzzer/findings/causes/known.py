"""What the model or the world knows of a finding's cause: who holds a lock, who is waited for, which line raised."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace

from ....models.isolation.violations import Violation
from ...core.history import Failure, Remains, Row, RowKind, Sleep
from ...core.program import EMITS, Operation
from ...core.source import Line
from ...core.stacks import Listening, Place
from ..finding import Finding
from .cause import Cause, Reason, keyed, thrown
from .trace import Chain, Held, Pause, Trace, connection_of

__all__ = ("deadlock", "held_up", "told", "told_beside")


def deadlock(finding: Finding, known: Violation | None, trace: Trace, glue: str | None) -> Cause | None:
    """Where tasks wait that hold what others wait for; without locks of asyncio's, the task that is stuck longest.

    What is lost where tasks are locked for good (``known``) is lost because they are; and what outlives a shut-down is
    left behind for that.
    """
    if finding.violation.kin not in ("Deadlock", "LostEvent", "LeakedTask"):
        return None
    if known is None or (finding.violation.kin != "Deadlock" and _is_served(finding, trace)):
        return _circle_of(finding, trace)
    known = finding.violation if finding.violation.kind == "Deadlock" else known
    stuck = finding.execution.history[known.evidence[-1]].detail
    if isinstance(stuck, Listening):  # nothing holds it up: it is an answer that is missing
        return None
    end = max(trace.waits, default=0)
    final, locks = trace.waits.get(end, {}), trace.locks.get(end, {})
    waiting = [task for task, chain in final.items() if isinstance(stuck, Place) and _is_at(chain[-1], stuck)]
    for task in waiting:
        deciding = _deciding(task, locks)
        if deciding:
            return _locked(deciding, locks, final)
    waited = next((task for task, held in locks.items() if held.holder in waiting), None)
    if waited is not None:  # by way of tasks of its own, which it gathers: it waits for who waits for its lock
        cause = _locked([waited], locks, final)
        return replace(cause, places=(*cause.places, (final[waited][-1],)))
    if known is not finding.violation:
        return None
    circle = _circle_of(finding, trace)
    if circle is not None:
        return circle
    ran = {task: event for event in sorted(trace.runs) for task in trace.runs[event]}
    chains = sorted((ran.get(task, 0), -len(final[task]), final[task]) for task in waiting)
    own = [line for line in chains[0][2] if line.file != glue][-2:] if chains else []
    if not own:
        return None
    return Cause(Reason.STUCK, keyed(Reason.DEADLOCK, own[0]), tuple((line,) for line in own))


def _deciding(task: int, locks: dict[int, Held]) -> list[int]:
    """Of the tasks that wait, each for a lock that the next holds, those in a circle, or the last; none without any."""
    seen: list[int] = []
    while task in locks and task not in seen:
        seen.append(task)
        task = locks[task].holder
    return seen[seen.index(task) :] if task in seen else seen[-1:]


def _is_served(finding: Finding, trace: Trace) -> bool:
    """Whether a server's handlers ran, each for a connection."""
    return any(connection_of(task, trace, finding.execution) is not None for task in trace.behalf)


def _locked(circle: list[int], locks: dict[int, Held], waits: dict[int, Chain]) -> Cause:
    """What to name of tasks that wait for locks: where their holders wait, and where they took them."""
    places: list[Line] = []
    inner: list[Line] = []
    for one in circle:
        held = locks[one]
        chain = waits.get(held.holder, ())
        places.append(_holding(held.taken_at, chain))
        inner += (held.taken_at, *chain[-1:])
    places.sort()
    named = tuple((line,) for line in dict.fromkeys((*places, *inner)))
    has_ended = all(locks[one].ended for one in circle)
    return Cause(Reason.KEPT if has_ended else Reason.DEADLOCK, keyed(Reason.DEADLOCK, *places), named)


def _circle_of(finding: Finding, trace: Trace) -> Cause | None:
    """Where whoever serves a client that it is about waits for a lock, and its holder for another, in a circle.

    Or the holder has ended without giving it back.  Nobody says of a server that it is stuck: its handlers end when
    their clients leave, and the locks are free again.
    """
    about = _clients(finding)
    serving = [task for task in trace.behalf if connection_of(task, trace, finding.execution) in about]
    for event in sorted(trace.locks, reverse=True):
        locks = trace.locks[event]
        for task in serving:
            deciding = _deciding(task, locks)
            held = locks[deciding[-1]] if deciding else None
            if held is not None and (held.holder in deciding or held.ended):
                return _locked(deciding, locks, trace.waits.get(event, {}))
    return None


def _clients(finding: Finding) -> set[str | None]:
    """The connections that said what was lost, asked for what never ended, or are, or began, what was left behind."""
    history, program = finding.execution.history, finding.execution.program
    found: set[str | None] = set()
    for row in (history[at] for at in finding.violation.evidence):
        of = row.detail.of if isinstance(row.detail, Remains) else row.operation
        if isinstance(of, str):
            found.add(of)
            continue
        op = program.operation(of)
        if op is None:  # the end's: the connection that it is about, if any
            found.add(row.connection if row.kind == RowKind.STUCK else None)
        elif isinstance(row.detail, Remains) or row.kind == RowKind.STUCK or _speaks(row, op):
            found.add(op.connection)
    return found - {None}


def _speaks(row: Row, op: Operation) -> bool:
    return row.kind == RowKind.INVOKED and op.kind in EMITS


def _holding(taken_at: Line, chain: Chain) -> Line:
    """Where the function that took a lock waits while it has it."""
    return next((line for line in chain if line.function == taken_at.function), taken_at)


def held_up(finding: Finding, trace: Trace, glue: str | None) -> Cause | None:
    """Where an operation waits that a stalled client holds up: for whoever has the lock, where that one waits.

    Of a server it is who serves the client that speaks or comes; else any task that waits where none did before.
    """
    if finding.violation.kind != "HeadOfLineBlocking":
        return None
    execution = finding.execution
    since, last = finding.violation.evidence[0], finding.violation.evidence[-1]
    operation = execution.history[last].operation
    stalled = next((at for at, row in enumerate(execution.history) if row.kind == RowKind.STALLED), 0)
    idle = {chain[-1] for pause in trace.pauses if pause.rows <= stalled for chain in pause.waits.values()}
    meanwhile = [pause for pause in trace.pauses if since < pause.rows <= last]
    mine = [task for task, behalf in trace.behalf.items() if behalf == operation]
    op = execution.program.operation(operation)
    client = op.connection if op is not None and not mine else None
    serving = [task for task in trace.behalf if client and connection_of(task, trace, execution) == client]
    for tasks, resting in ((mine, frozenset[Line]()), (serving, idle), ([*trace.behalf], idle)):
        waits = (_waits(pause, task, glue, resting) for pause in meanwhile for task in tasks)
        waited = Counter(lines for lines in waits if lines)
        if waited:
            lines = max(waited, key=lambda one: (waited[one], one))
            places = tuple((line,) for line in dict.fromkeys(lines))
            return Cause(Reason.HELD_UP, (Reason.HELD_UP, lines[0].key), places)
    return None


def _waits(pause: Pause, task: int, glue: str | None, idle: Set[Line]) -> tuple[Line, ...]:
    """Where a task waits that is not ``idle``: for a lock, behind where its holder does and where it was taken."""
    own = [line for line in pause.waits.get(task, ()) if line.file != glue]
    held = pause.locks.get(task)
    if own and held is not None:
        return _holding(held.taken_at, pause.waits.get(held.holder, ())), held.taken_at, own[-1]
    return (own[-1],) if own and own[-1] not in idle else ()


def told(finding: Finding, trace: Trace) -> Cause | None:
    """The line that a history row of the evidence names: where an exception was raised, or the loop was blocked."""
    history = finding.execution.history
    return _named(finding, trace, [history[row] for row in finding.violation.evidence])


def told_beside(finding: Finding, trace: Trace) -> Cause | None:
    """The line that raised what nobody handled, where something is lost: that may be why, or be a matter of its own."""
    unhandled = [row for row in finding.execution.history if row.kind == RowKind.UNHANDLED]
    return _named(finding, trace, unhandled) if finding.violation.promise == "no loss" else None


def _named(finding: Finding, trace: Trace, rows: Iterable[Row]) -> Cause | None:
    for row in rows:
        if row.kind in (RowKind.RAISED, RowKind.UNHANDLED, RowKind.BLOCKED):
            detail = row.detail
            place = detail.place if isinstance(detail, Failure | Sleep) else None
            line = next((line for line in trace.at if place is not None and _is_at(line, place)), None)
            if line is not None:
                return thrown(Reason.TOLD, finding, line)
    return None


def _is_at(line: Line, place: Place) -> bool:
    return (os.path.basename(line.file), line.number) == (place.file, place.line)
