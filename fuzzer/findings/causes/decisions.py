"""Where what goes wrong takes another way through the target's code than what goes well, and where it decides to.

What an operation runs when it goes wrong is compared with what operations of its kind run in executions in which
nothing does.  The condition under which they part is where it was decided, by what somebody else had left there: a
slice from the failure backwards (M. Weiser, "Program slicing", ICSE 1981; predicates as in T. Zimmermann and A. Zeller,
"Isolating cause-effect chains", FSE 2002), of one step and by names.
"""

from __future__ import annotations

import inspect
from collections.abc import Set

from ...core.history import RowKind
from ...core.program import EMITS, Operation
from ...core.source import Line, line_of
from ...engine.execution import Execution, Worker
from ..finding import Finding
from .sharing import access
from .trace import Trace, connection_of

__all__ = ("Way", "decisions", "subject", "way_of_finding", "ways_like")

SAYS = frozenset({*EMITS, "act"})

Way = tuple[Line, ...]
"""The lines that were run for an operation, in order."""


def subject(finding: Finding) -> int | None:
    """The operation that a finding is about: of those its evidence names one that says something, else the last."""
    history, program = finding.execution.history, finding.execution.program
    named = [number for row in finding.violation.evidence if (number := history[row].operation) is not None]
    says = (number for number in named if (op := program.operation(number)) is not None and op.kind in SAYS)
    return next(says, named[-1] if named else None)


def way_of(number: int, trace: Trace, execution: Execution) -> Way:
    """What was run for an operation; of a server, in serving the client that asked, until that one asks for more."""
    own = {task for task, behalf in trace.behalf.items() if behalf == number}
    if own:
        return tuple(line for line, task, _ in trace.sequence if task in own)
    op, history = execution.program.operation(number), execution.history
    if op is None or op.connection is None:
        return ()
    asked = [at for at, row in enumerate(history) if row.kind == RowKind.INVOKED and row.connection == op.connection]
    since = next((at for at in asked if history[at].operation == number), None)
    if since is None:
        return ()
    until = next((at for at in asked if at > since), len(history))
    serving = {task for task in trace.behalf if connection_of(task, trace, execution) == op.connection}
    return tuple(line for line, task, rows in trace.sequence if task in serving and since < rows <= until)


def way_of_finding(worker: Worker, finding: Finding, trace: Trace) -> Way:
    """What was run for the operation that a finding is about; for an entry, what says who is entered."""
    registry = getattr(worker.target.traits, "registry", None)
    if finding.violation.promise == "consistency" and inspect.isfunction(registry):
        asked = inspect.unwrap(registry)
        try:
            lines, first = inspect.getsourcelines(asked)
        except (OSError, TypeError):  # it was made without a file
            return ()
        return tuple(line_of(asked.__code__, first + at) for at in range(len(lines)))
    number = subject(finding)
    return way_of(number, trace, finding.execution) if number is not None else ()


def ways_like(op: Operation, trace: Trace, execution: Execution) -> set[Way]:
    """What was run for the operations of a kind; of what is said, for what somebody else heard."""
    operation = execution.program.operation
    heard = {
        row.operation
        for row in execution.history
        if row.kind == RowKind.RECEIVED and (said := operation(row.operation)) and said.connection != row.connection
    }
    ways = (
        way_of(number, trace, execution)
        for number, other in enumerate(execution.program.expanded)
        if (other.kind, other.name) == (op.kind, op.name) and (op.kind not in SAYS or number in heard)
    )
    return {way for way in ways if way}


def decisions(wrong: Way, well: Set[Way]) -> list[Line]:
    """The conditions by which what goes wrong parts from what goes well, the first first; else what only it runs.

    Nothing where the two have nothing in common.
    """
    if not any(wrong[:1] == way[:1] for way in well):
        return []
    known, always = frozenset().union(*well), frozenset.intersection(*map(frozenset, well))
    further = [line for line in wrong if line not in known]
    under = {(line.file, number) for line in (*further, *always.difference(wrong)) for number in access(line).under}
    taken = [line for line in dict.fromkeys(wrong) if (line.file, line.number) in under and access(line).reads]
    return taken or further[:1]
