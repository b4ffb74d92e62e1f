"""What the target's own code does in one execution: which lines run after which event, and where tasks wait.

By `sys.monitoring` (PEP 669) where there is one, which is told of the target's own code only and sees every thread;
before CPython 3.12 by ``sys.settrace``, which makes all that runs under it a few times slower, sees the loop's thread,
and so is on only while the loop runs a callback.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from dis import opmap
from functools import cached_property
from itertools import islice
from traceback import walk_tb
from types import CodeType, FrameType, TracebackType
from typing import Any

from ...core.history import RowKind
from ...core.program import Program
from ...core.source import Line, line_of
from ...core.stacks import coroutine, is_own, suspended
from ...engine.execution import Execution, Worker
from ...world import Chooser
from ...world.external import CARRY_ON, External, operation_number
from ...world.handles import Around
from ...world.server import connection
from .objects import Touched, touches

__all__ = ("Chain", "Element", "Held", "Pause", "Trace", "connection_of", "traced")

Chain = tuple[Line, ...]
"""The target's own frames that a task is suspended in, outermost first."""

Element = tuple[Any, ...]
"""What a spectrum counts: ``("line", at)``, ``("raise" or "escape" or "arrive", at, class)``, ``("during", waiting,
running)``."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock, or a semaphore, that a task waits for, and the task that has it: told by its own `acquire`, not inferred.

    Of those who have a semaphore it is the one that took it first.
    """

    holder: int
    taken_at: Line
    ended: bool = False
    """whether its holder is no more"""


@dataclass(frozen=True, slots=True)
class Pause:
    """Time passes: how many rows the history has by then, where tasks wait, and for which locks."""

    rows: int
    waits: dict[int, Chain]
    locks: dict[int, Held]


@dataclass
class Trace:
    """What the target's own code did in one execution.

    Events are counted from 1 in the order in which they became visible; 0 is the beginning.  Tasks are numbered as
    they first run; ``behalf`` says on behalf of which operation, -1 where of none, and ``names`` what runs in them.
    """

    runs: dict[int, dict[int, list[Line]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """event -> task -> lines it ran before the next event"""
    prompt: dict[int, dict[int, list[Line]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """the same, as far as it ran before the clock moved"""
    waits: dict[int, dict[int, Chain]] = field(default_factory=dict)
    """event -> task -> where the task was suspended when the event became visible"""
    raises: set[tuple[Line, str]] = field(default_factory=set)
    """exceptions that begin in the target's own code; what comes out of a library's is not its doing"""
    escapes: set[tuple[Line, str]] = field(default_factory=set)
    """exceptions that the target's own code lets go on to whoever called it, by its innermost line"""
    arrivals: set[tuple[Line, str]] = field(default_factory=set)
    """exceptions of libraries that the target's own code handles, by the line that had called the library"""
    rows: list[Line | None] = field(default_factory=list)
    """the line that was last run when each row of the history was written"""
    began: dict[int, int] = field(default_factory=dict)
    """event -> how many rows the history had when the target first ran after it"""
    sequence: list[tuple[Line, int, int]] = field(default_factory=list)
    """lines as they ran, each with its task and the number of rows that the history had"""
    marks: dict[int, int] = field(default_factory=dict)
    """event -> how many lines had run when it became visible"""
    rests: set[Line] = field(default_factory=set)
    """where tasks wait when everything has come to rest"""
    touched: Touched = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    """what lines had to do with, if that was asked for"""
    behalf: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    locks: dict[int, dict[int, Held]] = field(default_factory=dict)
    """event -> task -> the lock that it waited for when the event became visible"""
    pauses: list[Pause] = field(default_factory=list)
    """where tasks waited whenever time passed, if that was asked for"""

    @cached_property
    def at(self) -> dict[Line, list[int]]:
        """Line -> how many rows the history had whenever it ran; to be asked for when the execution is over."""
        found: dict[Line, list[int]] = defaultdict(list)
        for line, _, rows in self.sequence:
            found[line].append(rows)
        return found

    def lines(self) -> set[Line]:
        return {line for tasks in self.runs.values() for lines in tasks.values() for line in lines}

    def elements(self) -> set[Element]:
        """What a spectrum counts of it.

        Pairs are those of Park, Vuduc and Harrold, "Falcon: fault localization in concurrent programs", ICSE 2010.
        """
        found: set[Element] = {("line", line) for line in self.lines()}
        found |= {("raise", *what) for what in self.raises}
        found |= {("arrive", *what) for what in self.arrivals}
        found |= {("escape", line, name) for line, error in self.escapes for name in (error, "")}  # any, too
        for event, tasks in self.runs.items():
            waits = self.waits.get(event, {})
            for task, lines in tasks.items():
                others = {chain[-1] for other, chain in waits.items() if other != task}
                found |= {("during", place, line) for place in others for line in lines}
        return found


def traced(
    worker: Worker, program: Program, chooser: Chooser, *, pauses: bool = False, objects: bool = False
) -> tuple[Execution, Trace]:
    """Execute, and see what the target's own code does.

    With ``pauses``, also where it waits whenever time passes; with ``objects``, which ones its lines have to do with.
    Where executions have a process each, nothing of it is seen here, and the trace stays empty.
    """
    tracer = _Tracer(worker, chooser, objects=objects)
    with tracer.watching(pauses):
        execution = worker.run(program, tracer)
    tracer.trace.rows.extend([tracer.last] * (len(execution.history) - len(tracer.trace.rows)))
    return execution, tracer.trace


def connection_of(task: int, trace: Trace, execution: Execution) -> str | None:
    """The connection that first had a task of a server's run; None where it was something else."""
    first = min((event for event, turns in trace.runs.items() if task in turns), default=0)
    match execution.visible[first - 1][0] if first else ():
        case ("connect" | "bytes" | "request" | "frame", str(name)):
            return name
        case _:
            return None


class _Tracer:
    """A chooser that notes where every task waits whenever an event becomes visible, and hears which lines run."""

    def __init__(self, worker: Worker, inner: Chooser, *, objects: bool) -> None:
        self.trace = Trace()
        self.last: Line | None = None
        self._noted = 0
        self._worker, self._loop, self._inner = worker, worker.loop, inner
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # so that no two have one id
        self._locks: dict[int, list[tuple[Any, Line]]] = defaultdict(list)
        self._lines: dict[int, dict[int, Line]] = {}
        self._signals: set[int] = set()
        self._objects = objects
        self._looked: Counter[tuple[Line, int]] = Counter()
        self._functions: set[str] = set()
        self._turn = (-1, -1)
        self._run: list[Line] = []

    # -- as a chooser ------------------------------

    def busy(self, pending: Sequence[External]) -> int:
        choice = self._inner.busy(pending)
        if choice != CARRY_ON:
            self._note()
        return choice

    def idle(self, pending: Sequence[External], clock: bool) -> int:
        self._note()
        return self._inner.idle(pending, clock)

    def extra(self, options: Sequence[External]) -> int:
        return self._inner.extra(options)

    def _note(self) -> None:
        trace = self.trace
        rows = self._worker.rows
        rested = any(row.kind == RowKind.REST for row in islice(rows, self._noted, None))
        self._noted = len(rows)
        event = len(self._loop.visible) + 1
        trace.marks[event] = len(trace.sequence)
        trace.waits[event], trace.locks[event] = self._waiting()
        if rested:
            trace.rests |= {chain[-1] for chain in trace.waits[event].values()}

    def _waiting(self) -> tuple[dict[int, Chain], dict[int, Held]]:
        """Where each task waits that does so in the target's own code, and for which lock, where for one."""
        chains: dict[int, Chain] = {}
        locks: dict[int, Held] = {}
        alive = self._loop.alive()
        for task in alive:
            if chain := self._chain(task):
                chains[self._number(task)] = chain
                wanted = _wanted(task) if self._locks else 0
                had = self._locks.get(wanted) if wanted not in self._signals else None
                if had and had[0][0] is not None:
                    holder, taken_at = had[0]
                    ended = all(holder is not one for one in alive)
                    locks[self._number(task)] = Held(self._number(holder), taken_at, ended)
        return chains, locks

    def _chain(self, task: Any) -> Chain:
        frames = (frame for frame in suspended(task) if is_own(frame.f_code.co_filename))
        return tuple(self._line(frame.f_code, frame.f_lineno) for frame in frames)

    def _number(self, runner: Any) -> int:
        number = self._numbers.get(id(runner))
        if number is None:
            number = self._numbers[id(runner)] = len(self._numbers)
            self._alive.append(runner)
            self.trace.behalf[number] = operation_number()
            self.trace.names[number] = getattr(coroutine(runner), "__qualname__", "")
        return number

    def _line(self, code: CodeType, number: int) -> Line:
        lines = self._lines.get(id(code))  # the hash of a code object is one of all that is in it
        if lines is None:
            self._alive.append(code)
            lines = self._lines[id(code)] = {}
        known = lines.get(number)
        if known is None:
            known = lines[number] = line_of(code, number)
        return known

    # -- what runs ------------------------------

    def ran(self, frame: FrameType, code: CodeType, number: int) -> None:
        """A line of the target's own is about to run."""
        loop, trace = self._loop, self.trace
        if loop.chooser is not self:
            return  # the execution is over, and the loop clears up
        at = self._line(code, number)
        rows = len(self._worker.rows)
        if rows > len(trace.rows):
            trace.rows.extend([self.last] * (rows - len(trace.rows)))
        self.last = at
        task = loop.current_task()
        if task is None:  # a callback, a thread, or the engine that asks what the target says of itself
            return
        event, runner = len(loop.visible), self._number(task)
        if (event, runner) != self._turn:
            self._turn, self._run = (event, runner), trace.runs[event][runner]
            trace.began.setdefault(event, rows)
        self._run.append(at)
        if loop.last_visible >= loop.instant - PROMPT:
            trace.prompt[event][runner].append(at)
        trace.sequence.append((at, runner, rows))
        if self._objects and self._looked[at, runner] < OFTEN:
            self._looked[at, runner] += 1
            self._functions.add(at.function)
            trace.touched[at][runner].update(touches(at, frame.f_locals, frame.f_globals, self._whose))

    def _whose(self, function: str) -> Hashable:
        """For which of a function's calls its variables are told apart, where it runs more than once."""
        if function not in self._functions:
            return None
        return connection.get() or operation_number()

    def raised(self, code: CodeType, number: int, error: type[BaseException]) -> None:
        if self._loop.chooser is self and not issubclass(error, ENDINGS):
            self.trace.raises.add((self._line(code, number), error.__name__))

    def arrived(self, error: type[BaseException], trace: TracebackType | None) -> None:
        """An exception has come out of a library into a frame of the target's own, where the traceback begins."""
        if self._loop.chooser is not self or issubclass(error, ENDINGS) or trace is None or trace.tb_next is None:
            return
        inner = (at.f_code.co_filename for at, _ in walk_tb(trace.tb_next))
        if not any(map(is_own, inner)):
            self.trace.arrivals.add((self._line(trace.tb_frame.f_code, trace.tb_lineno), error.__name__))

    def unwound(self, frame: FrameType | None, error: type[BaseException], trace: TracebackType | None) -> None:
        """An exception leaves a frame of the target's own; whoever called it may be another."""
        if self._loop.chooser is not self or issubclass(error, ENDINGS):
            return
        outer = frame.f_back if frame is not None else None
        while outer is not None and outer.f_globals.get("__package__") != WORLD:
            if is_own(outer.f_code.co_filename):
                return
            outer = outer.f_back
        own = [(at.f_code, number) for at, number in walk_tb(trace) if is_own(at.f_code.co_filename)]
        if own:
            self.trace.escapes.add((self._line(*own[-1]), error.__name__))

    def around(self, around: Around | None) -> None:
        """Have each callback that the loop runs run by this."""
        self._loop.around = around

    @contextmanager
    def watching(self, pauses: bool) -> Iterator[None]:
        """Hear what runs, and which locks are taken."""
        loop = self._loop
        reset, move_clock = loop.reset, loop.move_clock

        def ends() -> None:
            self._note()
            reset()

        def passes(to: float) -> None:
            self.trace.pauses.append(Pause(len(self._worker.rows), *self._waiting()))
            move_clock(to)

        loop.reset = ends  # type: ignore[method-assign]
        if pauses:
            loop.move_clock = passes  # type: ignore[method-assign]
        try:
            with _heard(self):
                yield
        finally:
            del loop.reset
            if pauses:
                del loop.move_clock

    def took(self, frame: FrameType) -> None:
        """A lock's `acquire` returns."""
        lock, outer = frame.f_locals.get("self"), frame.f_back
        while outer is not None and not is_own(outer.f_code.co_filename):
            outer = outer.f_back
        self._alive.append(lock)
        if outer is not None:  # else a task of its own takes it for another, as ``wait_for`` has one before 3.12
            self._locks[id(lock)].append((self._loop.current_task(), self._line(outer.f_code, outer.f_lineno)))

    def let_go(self, frame: FrameType) -> None:
        """A lock's `release` ends: whoever calls it has had it, if anybody who did is known.

        A semaphore that is released by who has not taken it is a signal, and nobody has it.
        """
        lock, runs = frame.f_locals.get("self"), self._loop.current_task()
        had = self._locks[id(lock)]
        mine = next((one for one in had if one[0] is runs), None)
        if mine is not None:
            had.remove(mine)
        elif isinstance(lock, asyncio.Semaphore):
            self._alive.append(lock)
            self._signals.add(id(lock))
        else:
            had.clear()


ENDINGS = (StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError)
"""What says that something has come to its end."""

WORLD = __package__.partition(".findings")[0] + ".world"
"""The package whose loop runs tasks: whoever called that has nothing to do with them."""

RERAISE = opmap["RERAISE"]
"""What a frame ends with that an exception leaves after a ``finally``."""

OFTEN = 50
"""How often a line that a task runs again and again is asked what it has to do with: by then it is known."""

PROMPT = 1e-3
"""Virtual seconds after an event within which what runs runs because of it: readings of the clock move it a little."""


TAKES: tuple[CodeType, ...] = (asyncio.Lock.acquire.__code__, asyncio.Semaphore.acquire.__code__)
LETS_GO: tuple[CodeType, ...] = (asyncio.Lock.release.__code__, asyncio.Semaphore.release.__code__)
"""The code of asyncio's locks: who takes one is told by what it returns to, and nothing of its own is touched."""


def _is_one(code: CodeType, of: tuple[CodeType, ...]) -> bool:
    """Whether it is one of those itself: to compare code objects is to compare all that is in them."""
    return any(code is one for one in of)


def _wanted(task: Any) -> int:
    """The id of the lock that a task waits for, 0 where for none."""
    locks = [frame.f_locals.get("self") for frame in suspended(task) if _is_one(frame.f_code, TAKES)]
    return id(locks[-1]) if locks else 0


@contextmanager
def _heard(tracer: _Tracer) -> Iterator[None]:
    """Tell a tracer of each line of the target's own that runs, of exceptions that pass one, and of locks."""
    if sys.version_info >= (3, 12):
        with _monitored(tracer):
            yield
        return

    before = sys.gettrace()
    passing: dict[FrameType, Any] = {}
    handled: set[FrameType] = set()
    hearing: dict[int, Callable[[FrameType], Any]] = {}
    kept: list[CodeType] = []  # so that no two have one id

    def following(frame: FrameType) -> Any:
        """Return what hears of a frame of the target's own."""
        code = frame.f_code

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                if passing and frame in passing:
                    handled.add(frame)
                tracer.ran(frame, code, frame.f_lineno)
            elif event == "exception":
                passing[frame] = argument
                handled.discard(frame)
                if argument[2] is None or argument[2].tb_next is None:
                    tracer.raised(code, frame.f_lineno, argument[0])
                else:
                    tracer.arrived(argument[0], argument[2])
            elif event == "return" and passing and (left := passing.pop(frame, None)) is not None:
                if frame not in handled or code.co_code[frame.f_lasti] == RERAISE:
                    tracer.unwound(frame, left[0], left[2])
                handled.discard(frame)
            return local

        return local

    def lets_go(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "return":
            tracer.let_go(frame)
        return lets_go

    def takes(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "return" and argument is True:
            tracer.took(frame)
        return takes

    def known(code: CodeType) -> Callable[[FrameType], Any]:
        """Return what says who hears of a frame that runs such code."""
        if _is_one(code, (*TAKES, *LETS_GO)):
            return lambda _: takes if _is_one(code, TAKES) else lets_go
        return following if is_own(code.co_filename) else _deaf

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        hears = hearing.get(id(code))
        if hears is None:
            kept.append(code)
            hears = hearing[id(code)] = known(code)
        return hears(frame)

    def around(run: Callable[..., object], *args: Any) -> object:
        sys.settrace(entered)
        try:
            return run(*args)
        finally:
            sys.settrace(before)

    tracer.around(around)
    try:
        yield
    finally:
        tracer.around(None)


def _deaf(frame: FrameType) -> None:
    """Nobody hears of a frame that is not the target's own."""


if sys.version_info >= (3, 12):

    @contextmanager
    def _monitored(tracer: _Tracer) -> Iterator[None]:
        monitoring = sys.monitoring
        tool = next((number for number in range(5, -1, -1) if monitoring.get_tool(number) is None), None)
        if tool is None:  # six others watch already: nothing is seen
            yield
            return

        here, listening = threading.get_ident(), False

        def around(run: Callable[..., object], *args: Any) -> object:
            nonlocal listening
            listening = True
            try:
                return run(*args)
            finally:
                listening = False

        def heard() -> bool:
            """Whether it is the target that runs, and not the engine that asks it something between two callbacks."""
            return listening or threading.get_ident() != here

        def line(code: CodeType, number: int) -> Any:
            if not is_own(code.co_filename):
                return monitoring.DISABLE
            if not heard():
                return None
            tracer.ran(sys._getframe(1), code, number)
            return None

        def raises(code: CodeType, offset: int, error: BaseException) -> None:
            if (
                heard()
                and is_own(code.co_filename)
                and (error.__traceback__ is None or error.__traceback__.tb_next is None)
            ):
                tracer.raised(code, sys._getframe(1).f_lineno, type(error))

        def handles(code: CodeType, offset: int, error: BaseException) -> None:
            if heard() and is_own(code.co_filename):
                tracer.arrived(type(error), error.__traceback__)

        def unwinds(code: CodeType, offset: int, error: BaseException) -> None:
            if heard() and is_own(code.co_filename):
                tracer.unwound(sys._getframe(1), type(error), error.__traceback__)

        def returns(code: CodeType, offset: int, value: object) -> None:
            if _is_one(code, LETS_GO):
                tracer.let_go(sys._getframe(1))
            elif value is True:
                tracer.took(sys._getframe(1))

        events = monitoring.events
        hears: dict[int, Any] = {
            events.LINE: line,
            events.RAISE: raises,
            events.EXCEPTION_HANDLED: handles,
            events.PY_UNWIND: unwinds,
            events.PY_RETURN: returns,
        }
        tracer.around(around)
        monitoring.use_tool_id(tool, "crosswire")
        for event, hear in hears.items():
            monitoring.register_callback(tool, event, hear)
        monitoring.set_events(tool, events.LINE | events.RAISE | events.EXCEPTION_HANDLED | events.PY_UNWIND)
        for code in (*TAKES, *LETS_GO):
            monitoring.set_local_events(tool, code, events.PY_RETURN)
        try:
            yield
        finally:
            tracer.around(None)
            monitoring.set_events(tool, 0)
            for code in (*TAKES, *LETS_GO):
                monitoring.set_local_events(tool, code, 0)
            for event in hears:
                monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)
