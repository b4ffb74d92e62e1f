"""What every kind of execution has in common: stages and lanes, coming to rest, the end of it all, the history.

A driver plays a program to a target in a world: it makes each lane's next operation pending where it may start, lets
time pass where nothing else can happen, notes what the target says of itself at rest, and in the end sees everybody
off and looks for what is left behind.  What an operation does is the affair of the drivers for the kinds of target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Any

from ..core.errors import CrosswireError
from ..core.history import Detail, Row
from ..core.program import AT_ONCE, Operation, Program
from ..core.stacks import raised_at, unretrieved, waits_at
from ..targets.adapter import Target
from ..world import Outer, OutsideWorldError
from ..world.entropy import CLOCK_START

__all__ = ("Driver", "Lane", "TargetError", "brief")


BLOCKING = 0.1
"""Seconds for which a target may keep the loop's thread: asyncio's own limit (loop.slow_callback_duration)."""


class TargetError(CrosswireError):
    """The target cannot be fuzzed: it could not be made, or it reached outside the world."""


class Lane:
    """The operations of one lane within the current stage, and the one under way."""

    __slots__ = ("at", "noticed", "numbers", "running", "task")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.at = 0
        self.running: int | None = None
        self.task: Any = None
        self.noticed: int | None = None


class Driver(ABC):
    """The state of one execution."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        self.target = target
        self.operations: list[Operation] = list(program.expanded)
        self.stages = program.stages
        self.users = program.users
        self.loop = loop
        self.context = copy_context()
        self.history: list[Row] = []
        self.up: dict[str, bool] = {}
        self.lanes: dict[str, Lane] = {}
        self.stage = 0
        self.rested_at: float | None = None
        self.moving_to: float | None = None
        self.epilogue = 0
        self.error: BaseException | None = None

    def record(self, kind: str, number: int | None, connection: str | None, detail: Detail) -> None:
        self.history.append(Row(self.loop._now - CLOCK_START, kind, number, connection, detail))

    def around(self) -> AbstractContextManager[None]:
        """What holds while the world runs."""
        return nullcontext()

    # -- what the kinds of target do in their own way ------------------------------

    @abstractmethod
    def begin(self) -> None:
        """Make the target and enter the first stage; what goes wrong is left in ``error``."""

    @abstractmethod
    def resume_stalled(self) -> bool:
        """At rest: clients that were not reading read again; whether there were any."""

    @abstractmethod
    def unfinished(self) -> Iterator[tuple[int, str]]:
        """At rest: the operations that have not finished, and where the target's code waits."""

    @abstractmethod
    def settle(self) -> None:
        """At rest, before it is looked at: what can only be known now."""

    @abstractmethod
    def observe(self) -> None:
        """At rest: what the target says of itself."""

    @abstractmethod
    def shut_down(self) -> bool:
        """Everybody has left: end the target; whether there is anything to wait for."""

    def leavers(self) -> list[str]:
        """After the program: the connections that are to disconnect."""
        return [name for name, up in self.up.items() if up]

    def left_behind(self) -> Iterator[tuple[str, str]]:
        """After everything: what should not be there any more, and where it waits."""
        for task in self.loop.tasks:
            if not task.done():
                yield f"task {task.get_coro().__qualname__}", waits_at(task)  # type: ignore[union-attr]

    # -- from beginning to end ------------------------------

    def end(self) -> None:
        """Complete the history after the world has come to its end; raises `TargetError`."""
        loop = self.loop
        if loop.trespass is not None:
            raise TargetError(str(loop.trespass)) from loop.trespass
        if self.error is not None:
            raise TargetError(f"{self.target.name}: {self.making} failed: {brief(self.error)}") from self.error
        if loop.spinning:
            self.record("spinning", None, None, None)
        for context in loop.unhandled:
            error = context.get("exception")
            if isinstance(error, OutsideWorldError):
                raise TargetError(str(error)) from error
            self.unhandled(error or context["message"])
        for task in loop.tasks:
            failure = unretrieved(task)
            if failure is not None:
                self.unhandled(failure)
        for place, seconds in loop.blocked_at:
            if seconds >= BLOCKING:
                self.record("blocked", None, None, (place, f"{seconds:g}"))

    def unhandled(self, error: object) -> None:
        """Note an exception that nobody handled."""
        where = raised_at(error) if isinstance(error, BaseException) else ""
        self.record("unhandled", None, None, (brief(error), where))

    making = "making the adapter"
    """What is done first, for the message where it fails."""

    def enter_stage(self) -> None:
        self.rested_at = None
        lanes, _ = self.stages[self.stage]
        self.lanes = {name: Lane(numbers) for name, numbers in lanes}
        for lane in self.lanes.values():
            self.offer(lane)

    def offer(self, lane: Lane) -> None:
        """Make the lane's next operation pending, where it may start."""
        if lane.at < len(lane.numbers) and lane.noticed is None:
            number = lane.numbers[lane.at]
            if lane.running is None or self.operations[number].kind in AT_ONCE:
                lane.at += 1
                self.loop.external(("start", number), self._start, number, lane, context=self.context)

    def _start(self, number: int, lane: Lane) -> None:
        op = self.operations[number]
        method: Callable[..., None] = getattr(self, f"do_{op.kind}")
        method(number, op, lane)
        self.offer(lane)

    def skip(self, number: int) -> None:
        """The operation's connection is not there: nothing to do."""
        self.record("skipped", number, self.operations[number].connection, None)

    # -- coming to rest ------------------------------

    def when_idle(self) -> bool:
        """Nothing is ready and nothing pending: let time pass, come to rest, go on to the next stage, or end."""
        loop = self.loop
        deadline = loop.next_deadline()
        horizon = self.moving_to
        if horizon is None:
            horizon = max(loop.last_visible, self.rested_at or 0.0) + self.target.traits.limits.rest
        if deadline is not None and deadline <= horizon:
            loop.move_clock(deadline)
            return True
        if self.moving_to is not None:
            loop.move_clock(self.moving_to)
            self.moving_to = None
            self.enter_stage()
            return True
        if self.resume_stalled():
            self.rested_at = loop.time()
            return True
        if self.error is not None:
            return False
        self.settle()
        stuck = False
        for number, place in self.unfinished():
            self.record("stuck", number, self.operations[number].connection, place)
            stuck = True
        if stuck:
            return False
        self.record("rest", None, None, None)
        try:
            self.observe()
        except Exception as error:
            self.record("unhandled", None, None, (brief(error), raised_at(error)))
        if self.stage < len(self.stages) - 1:
            barrier = self.stages[self.stage][1]
            assert barrier is not None
            self.stage += 1
            self._barrier(barrier)
            return True
        return self._epilogue()

    def clock_moves(self) -> None:
        """The clock is moved past pending events: say whose, since what waits for them is not held up by others."""
        waiting = (" ".join(map(str, event.key)) for event in self.loop.pending)
        self.record("clock", None, None, tuple(waiting))

    def _barrier(self, number: int) -> None:
        op = self.operations[number]
        self.record("invoked", number, None, None)
        seconds = op.seconds or 0.0
        if op.kind == "sweep":
            seconds = (self.target.traits.limits.idle or 0.0) * 1.5
        if seconds:
            self.moving_to = self.loop.time() + seconds
        else:
            self.enter_stage()

    def _epilogue(self) -> bool:
        """After the program: everybody disconnects, the target shuts down; then nothing may be left."""
        self.epilogue += 1
        if self.epilogue == 1:
            leaving = self.leavers()
            for name in leaving:
                self.operations.append(Operation("disconnect", name))
                self.lanes[name] = lane = Lane((len(self.operations) - 1,))
                self.offer(lane)
            if leaving:
                return True
            self.epilogue = 2
        if self.epilogue == 2:
            self.record("emptied", None, None, None)
            return self.shut_down()
        for what, place in self.left_behind():
            self.record("left", None, None, (what, place))
        return False


def brief(error: object) -> str:
    """An exception in a line: its class and what it says."""
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
