"""How a process ended that ran a target's code, in words, and as a broken promise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ...models.isolation.violations import BlocksLoop, EatsMemory, KillsProcess, Violation
from ..core.program import Program
from ..core.stacks import Place, innermost_of
from ..engine.execution import Execution
from ..engine.schedule import Schedule
from ..findings.finding import Finding

__all__ = ("GIVEN_UP", "LIVES", "NOT_AGAIN", "Ending", "How", "fatal", "place_in")

LIVES = 24
"""Processes that one target may cost: what ends nearly every one of them is known by then."""

GIVEN_UP = "given up, since it ended one process after the other"

NOT_AGAIN = "run once more and watched, it went on: perhaps it only takes long, or something else was at work"

OWN_SIGNALS = frozenset(
    {
        *("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSYS", "SIGTRAP"),
        *("SIGXCPU", "SIGXFSZ", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPIPE"),
    }
)
"""Signals that come of what a process does; all others anybody may have sent: a user, or the kernel short of memory."""

SLOWLY = 4
"""How many such a process counts for that has to be waited for."""


class How(Enum):
    """What became of it: a signal, an exit, more processor time, waiting or memory than allowed, a closed pipe."""

    SIGNAL = "signal"
    EXIT = "exit"
    BUSY = "busy"
    WAITING = "waiting"
    MEMORY = "memory"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: ``detail`` is the signal, the exit code, the seconds, the memory; ``place`` where it stood.

    ``stack`` is what Python's fault handler wrote of it.
    """

    how: How
    detail: str
    place: Place
    stack: str

    def __str__(self) -> str:
        where = f", in {self.place}" if self.place else ""
        match self.how:
            case How.SIGNAL:
                return f"the process was ended by {self.detail}{where}"
            case How.EXIT:
                return f"the process ended itself with exit code {self.detail}{where}"
            case How.BUSY:
                return f"the process did not get on for more than {self.detail} s of processor time{where}"
            case How.WAITING:
                return f"the process did nothing for more than {self.detail} s{where}"
            case How.MEMORY:
                return f"the process held {self.detail}"
            case How.CHANNEL:
                return f"the process could not be heard any more: {self.detail}{where}"

    @property
    def cost(self) -> int:
        """How many of a target's processes (`LIVES`) this one counts for."""
        return SLOWLY if self.how in (How.BUSY, How.WAITING) else 1

    @property
    def foreign(self) -> bool:
        """Whether somebody other than the target may have ended the process."""
        return self.how is How.SIGNAL and self.detail not in OWN_SIGNALS

    def violation(self) -> Violation:
        """Return the promise that is broken by it."""
        function = self.place.function
        if self.how in (How.BUSY, How.WAITING):
            spent = "waited there" if self.how is How.WAITING else "took"
            message = f"the target never gave the event loop's thread back: it {spent} more than {self.detail} s"
            return BlocksLoop(message + (f", in {self.place}" if self.place else ""), function, ())
        if self.how is How.MEMORY:
            return EatsMemory(f"{self}", "", ())
        what = {How.SIGNAL: self.detail, How.EXIT: f"exit code {self.detail}"}.get(self.how, "closed files")
        return KillsProcess(f"{self}", f"{what} in {function}", ())


def fatal(ending: Ending, program: Program, schedule: Schedule) -> Finding:
    """Return the finding for a process that ended in an execution: nothing is left of it but what was to be done."""
    return Finding(ending.violation(), Execution(program, schedule, (), ()), fatal=True)


FRAME = re.compile(r'^  File "(.*)", line (\d+) in (.*)$')


def place_in(stack: str) -> Place:
    """Return where the target's code stood, by what Python's fault handler wrote: of the thread that had the fault."""
    threads: list[list[tuple[str, int, str]]] = []
    current = 0
    for line in stack.splitlines():
        if "most recent call first" in line:
            if line.startswith("Current thread") and "C stack" not in line:  # which CPython 3.14 writes as well
                current = len(threads)
            threads.append([])
        elif threads and (match := FRAME.match(line)) is not None:
            threads[-1].append((match[1], int(match[2]), match[3]))
    return innermost_of(reversed(threads[current])) if threads else Place()
