"""A worker in a process of its own that says what it does, so that it can be told what it was at when it ended."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections import Counter
from collections.abc import Callable, Set
from contextlib import suppress
from dataclasses import dataclass, field

from ..core.program import Program
from ..engine.execution import PATIENCE, Execution, Worker
from ..engine.schedule import Schedule
from ..findings.finding import Finding
from ..targets.adapter import Target
from ..world import Chooser
from .child import Care
from .endings import Ending, fatal
from .messages import Line, keep_modules, remember_modules

__all__ = ("SUSPECTED", "Begins", "Decided", "Ended", "Suspects", "Trace", "WatchedWorker", "execution_patience")

_leave = os._exit
"""As it was before anything was put in its place to say where a target calls it."""


@dataclass(frozen=True, slots=True)
class Begins:
    """An execution of a program begins."""

    program: Program


@dataclass(frozen=True, slots=True)
class Decided:
    """Of the execution that is under way: a decision that deviates from order."""

    point: int
    choice: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The execution that was under way has come to its end; what comes next is no doing of the target's own."""


Known = tuple[Program, tuple[tuple[int, int], ...]]
"""An execution: its program, and the deviations of its schedule."""


@dataclass(slots=True)
class Trace:
    """What a careful worker was at last, as far as it said."""

    program: Program | None = None
    decisions: list[tuple[int, int]] = field(default_factory=list)
    over: set[Known] = field(default_factory=set)
    """What was executed to its end."""
    between: bool = True
    """No execution is under way."""

    def hear(self, message: object) -> bool:
        """Take in what a worker says of itself; whether this was of that kind."""
        match message:
            case Begins(program):
                self.program, self.decisions, self.between = program, [], False
            case Ended():
                if self.program is not None:
                    self.over.add((self.program, tuple(self.decisions)))
                self.between = True
            case Decided(point, choice):
                self.decisions.append((point, choice))
            case _:
                return False
        return True

    def finding(self, ending: Ending) -> Finding | None:
        """Return what the process ended by, where it was executing something."""
        if self.program is None:
            return None
        return fatal(ending, self.program, Schedule(tuple(self.decisions)))


SUSPECTED = 4
"""Times that an execution's process ends by a signal that anybody may send, each time, until the target is accused."""


class Suspects:
    """Executions during which a process was ended by a signal that anybody may send: accused when it happens again.

    One that comes to its end when it is done once more had nothing to do with it.
    """

    def __init__(self) -> None:
        self._times: Counter[Known] = Counter()

    def accused(self, trace: Trace, ending: Ending) -> Finding | None:
        """Return the finding where the target is to be blamed for it; None where it is to be seen once more.

        What comes from outside between two executions is no doing of the last.
        """
        finding = None if ending.foreign and trace.between else trace.finding(ending)
        now = (finding.execution.program, finding.execution.schedule.deviations) if finding is not None else None
        for suspect in [one for one in self._times if one != now and _came_to_its_end(one, trace)]:
            del self._times[suspect]
        if now is None or not ending.foreign:
            return finding
        self._times[now] += 1
        return finding if self._times[now] >= SUSPECTED else None


def _came_to_its_end(known: Known, trace: Trace) -> bool:
    """Whether it was done once more, as far as it had come when its process ended, and beyond."""
    program, decisions = known
    return any(program == other and decisions == more[: len(decisions)] for other, more in trace.over)


class WatchedWorker(Worker):
    """A worker whose executions can be counted from outside.

    While it is `careful` it says what it will execute before it does, and every decision as it is taken.  A program
    that is known to end the process is not executed: it shows nothing.
    """

    def __init__(
        self,
        target: Target,
        line: Line,
        patience: float,
        careful: bool = False,
        avoided: Set[Program] = frozenset(),
    ) -> None:
        super().__init__(target, patience=patience)
        self.careful = careful
        self.avoided = avoided
        self.line = line
        self.alive = line.beat  # type: ignore[method-assign]

    def execute(self, program: Program, chooser: Chooser) -> Execution:
        self.line.beat()
        if program in self.avoided:
            self.frames = []
            return Execution(program, Schedule(), (), ())
        if self.careful:
            self.line.tell(Begins(program))
            self.loop.deviations = _Told(self.line.tell)
        remember_modules()
        try:
            return super().execute(program, chooser)
        finally:
            if self.careful:
                self.line.tell(Ended())
            keep_modules()

    def lost(self, code: int) -> None:
        """End as the execution's process did, which is what is watched from outside: the finding is the same.

        Only where every execution has a process of its own; else the others go on, and one of them may end this one.
        """
        if self.target.state.way != "process":
            return
        faulthandler.disable()  # where the target stood was told by the process that it ended
        if code < 0:
            with suppress(OSError):  # SIGKILL has no handler to take away
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        _leave(code)


def execution_patience(care: Care) -> float:
    """Return for how long an execution may keep its thread before it is broken off: well before its process is."""
    return min(PATIENCE, care.patience / 2)


class _Told(list[tuple[int, int]]):
    """Deviations, each told before it has any effect."""

    def __init__(self, tell: Callable[[object], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, deviation: tuple[int, int]) -> None:
        self._tell(Decided(*deviation))
        super().append(deviation)
