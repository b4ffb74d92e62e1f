"""A counterexample in the source: what arrives, what each task runs then, and where it waits next."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.source import Line, short
from ...engine.execution import Execution, Worker
from ...engine.schedule import Recorded
from ..finding import Finding
from .cause import Cause
from .trace import Trace, connection_of, traced
from .words import event_in_words

__all__ = ("Cell", "Step", "Story", "story_of")

PLACES = 2
"""Places of a cause whose lines are marked; those after them are less certain."""

FUNCTIONS = 4
"""Functions that a cell names; of more, the last ones."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one task does after an event: the functions it runs, and the line it waits at next, None where it ends.

    ``marked``: it runs or waits at a line of the cause.
    """

    column: int
    functions: tuple[str, ...]
    waits_at: Line | None
    marked: bool

    def __str__(self) -> str:
        names = " > ".join(("...", *self.functions[-FUNCTIONS:]) if len(self.functions) > FUNCTIONS else self.functions)
        at = self.waits_at
        ends = f"waits at {short(at.file).rpartition('/')[2]}:{at.number}" if at is not None else "ends"
        return f"{names}; {ends}" if names else ends


@dataclass(frozen=True, slots=True)
class Step:
    """An event that arrives, and what follows from it before the next."""

    event: str
    cells: tuple[Cell, ...]

    @property
    def marked(self) -> bool:
        return any(cell.marked for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Story:
    """What an execution does in the source: a column for each task, named by the operation it is run for.

    ``matters`` are the columns that reach a line of the cause.
    """

    columns: tuple[str, ...]
    matters: tuple[int, ...]
    steps: tuple[Step, ...]


def story_of(worker: Worker, finding: Finding, cause: Cause | None) -> Story:
    """Execute a finding once more, within a session, and tell what the target's own code does."""
    execution, trace = traced(worker, finding.execution.program, Recorded(finding.execution.schedule))
    marks = {line for place in cause.places[:PLACES] for line in place} if cause is not None else set()
    window = cause.window.places[-1] if cause is not None and cause.window is not None else None
    last = finding.violation.evidence[-1] if finding.violation.evidence else len(execution.history)
    tasks = sorted({task for turns in trace.runs.values() for task in turns})
    columns = {task: at for at, task in enumerate(tasks)}
    steps = []
    for event in range(len(execution.visible) + 1):
        if trace.began.get(event, 0) > last:
            break
        turns = trace.runs.get(event, {})
        cells = [_cell(columns[task], lines, trace, event, task, marks, window) for task, lines in turns.items()]
        key = execution.visible[event - 1][0] if event else None
        words = event_in_words(key, execution.program) if key is not None else "the beginning"
        if event or cells:
            steps.append(Step(words, tuple(cells)))
    matters = sorted({cell.column for step in steps for cell in step.cells if cell.marked})
    names = tuple(_named(task, trace, execution) for task in tasks)
    return Story(names, tuple(matters), tuple(steps))


def _cell(
    column: int, lines: list[Line], trace: Trace, event: int, task: int, marks: set[Line], window: Line | None
) -> Cell:
    """One task after one event; a line of a ``window`` is of the cause only where the task waits there."""
    functions = tuple(dict.fromkeys(line.function.rpartition(".")[2] for line in lines))
    later = min((other for other in trace.waits if other > event), default=0)
    chain = trace.waits.get(later, {}).get(task, ())
    at = chain[-1] if chain else None
    reached = {line for line in lines if line != window} | set(chain)
    return Cell(column, functions, at, not marks.isdisjoint(reached))


def _named(task: int, trace: Trace, execution: Execution) -> str:
    """The operation that a task runs for, else whose connection first had it run; else what runs in it."""
    number = trace.behalf.get(task, -1)
    if 0 <= number < len(execution.program.expanded):
        return str(execution.program.expanded[number])
    name = connection_of(task, trace, execution)
    return f"the server, for {name}" if name is not None else trace.names.get(task) or "the server"
