"""A counterexample in the source: what arrives, what each task runs then, and where it waits next."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.source import Line, short
from ...engine.execution import Execution, Worker
from ...engine.schedule import Recorded
from ..finding import Finding
from .cause import Cause
from .trace import Trace, traced
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
    last = finding.violation.evidence[-1] if finding.violation.evidence else len(execution.history)
    tasks = sorted({task for turns in trace.runs.values() for task in turns})
    columns = {task: at for at, task in enumerate(tasks)}
    steps = []
    for event in range(len(execution.visible) + 1):
        if trace.began.get(event, 0) > last:
            break
        cells = [
            _cell(columns[task], lines, trace, event, task, marks) for task, lines in trace.runs.get(event, {}).items()
        ]
        words = event_in_words(execution.visible[event - 1][0], execution.program) if event else "the beginning"
        if event or cells:
            steps.append(Step(words, tuple(cells)))
    matters = sorted({cell.column for step in steps for cell in step.cells if cell.marked})
    names = tuple(_named(task, trace, execution) for task in tasks)
    return Story(names, tuple(matters), tuple(steps))


def _cell(column: int, lines: list[Line], trace: Trace, event: int, task: int, marks: set[Line]) -> Cell:
    functions = tuple(dict.fromkeys(line.function.rpartition(".")[2] for line in lines))
    later = min((other for other in trace.waits if other > event), default=0)
    chain = trace.waits.get(later, {}).get(task, ())
    at = chain[-1] if chain else None
    return Cell(column, functions, at, not marks.isdisjoint(lines) or (at is not None and not marks.isdisjoint(chain)))


def _named(task: int, trace: Trace, execution: Execution) -> str:
    number = trace.behalf.get(task, -1)
    if 0 <= number < len(execution.program.expanded):
        return str(execution.program.expanded[number])
    return trace.names.get(task) or "the server"
