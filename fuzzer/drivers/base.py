"""What every kind of execution has in common: stages and lanes, coming to rest, the end of it all, the history.

A driver plays a program to a target in a world: it makes each lane's next operation pending where it may start, lets
time pass where nothing else can happen, notes what the target says of itself at rest, and in the end sees everybody
off and looks for what is left behind.  What an operation does is the affair of the drivers for the kinds of target.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from ..core.errors import CrosswireError
from ..core.handshake import Sent
from ..core.history import Content, Detail, EventId, Failure, Remains, Row, RowKind, Sleep, Spin
from ..core.program import AT_ONCE, Operation, Program
from ..core.stacks import Place, coroutine, raised_at, waits_at
from ..core.text import cut
from ..targets.adapter import Target
from ..targets.policy import REST
from ..world import Outer, OutsideWorldError
from ..world.entropy import CLOCK_START
from ..world.loop import MAX_ITERATIONS
from ..world.outer import GRAIN
from .evidence import NAME, Connections, about, brief, failure, says_closed
from .remarks import Remarks
from .retained import Retained, Root, long_pause
from .unawaited import forgotten, watched

__all__ = ("Driver", "Lane", "TargetError")

BLOCKING = 0.1
"""Seconds for which a target may keep the loop's thread: asyncio's own limit (loop.slow_callback_duration)."""

NIGHT = 40_000
"""Iterations of the loop that the usual servers take while nobody is there for a day: they look around every 20 s."""

EACH_OTHER = 8
"""Iterations for each two operations, where that is more than `MAX_ITERATIONS`: what a hundred do at once may take each
of them a hundred times as long, and comes to rest."""

LEFT = frozenset({RowKind.GONE, RowKind.CLOSED, RowKind.STALLED})
"""After which rows a server may find that a client is not there."""

QUIET = frozenset({RowKind.SENT, RowKind.RECEIVED, RowKind.REFUSED, RowKind.CLOCK, RowKind.BUSY})
"""Rows that say nothing of an operation where they carry no event: a target's own timers make them."""

FRAMES = frozenset({"frame", "bytes", "pong", "clock"})
"""Events that a target's own timers bring about again and again."""

LONGEST = 10
"""For so many times the target's rest an operation that has not finished is waited for, while something moves."""


_new = tuple.__new__
"""Makes a row without a call of Python's own in between; they are the most of what executions make."""


class TargetError(CrosswireError):
    """The target cannot be fuzzed: it could not be made, or it reached outside the world."""


class Lane:
    """The operations of one lane within the current stage, and the one under way."""

    __slots__ = ("at", "cancelled", "noticed", "numbers", "running", "task")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.at = 0
        self.running: int | None = None
        self.task: Any = None
        self.cancelled: int | None = None
        """The operation that the program has cancelled last."""
        self.noticed: int | None = None

    def with_next(self, numbers: tuple[int, ...]) -> Lane:
        """The same, whose operation is still under way, with what comes next."""
        self.numbers, self.at = numbers, 0
        return self


class Driver(ABC):
    """The state of one execution."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        self.target = target
        self.program = program
        self.operations: list[Operation] = list(program.expanded)
        self.stages = program.stages
        self.users = program.users
        self.loop = loop
        loop.granted = max(0, EACH_OTHER * len(self.operations) ** 2 - MAX_ITERATIONS)
        self.context = copy_context()
        self.history: list[Row] = []
        self.frames: list[Sent] = []
        """what clients were sent, as it was sent"""
        self.remarks = Remarks()
        self.made: dict[str, EventId] = {}
        self.up: dict[str, bool] = {}
        self.left: set[str] = set()
        self.malformed: set[str] = set()
        """connections whose clients have sent a message that means nothing"""
        self.parted: set[str] = set()
        """connections whose clients were logged in, and took their leave properly"""
        self.moved_at = CLOCK_START
        """when something of the program's last happened"""
        self.seen = 0
        """how many visible events were looked at"""
        self.busy_at = CLOCK_START
        """when something came in last that was no frame"""
        self.handed_over = 0
        self.ungathered: list[warnings.WarningMessage] = []
        self.rest = target.traits.policy.rest or REST
        self.two_days = long_pause(program)
        """the number of the pause between two days that are compared, where there are two"""
        self.retained: Retained | None = None
        self.lanes: dict[str, Lane] = {}
        self.stage = 0
        self.due = 0.0
        """when the last of what the program has put off is done: the end of a stall, say"""
        self.rested_at: float | None = None
        self.moving_to: float | None = None
        self.epilogue = 0
        self.error: BaseException | None = None
        self.started = False
        self._told_at, self._told = CLOCK_START, 0.0
        """the clock at the last row, and as rows have it"""
        self._kept: tuple[int, int] | None = None
        """how many rows and frames there were when the execution was over, where anything could follow"""

    def record(self, kind: RowKind, number: int | None, connection: str | None, detail: Detail) -> None:
        now = self.loop._now
        if now != self._told_at:
            self._told_at = now
            self._told = round(now - CLOCK_START, 3)  # that each reading of a clock moves it is nothing to tell
        self.history.append(_new(Row, (self._told, kind, number, connection, detail)))
        if kind not in QUIET or (type(detail) is Content and detail.mentions):
            self.moved_at = now
        if connection is not None and kind in LEFT:
            self.left.add(connection)

    @contextmanager
    def around(self) -> Iterator[None]:
        """What holds while the world runs."""
        with watched() as self.ungathered:
            yield

    # -- what the kinds of target do in their own way ------------------------------

    @abstractmethod
    def begin(self) -> None:
        """Make the target and enter the first stage; what goes wrong is left in ``error``."""

    @abstractmethod
    def resume_stalled(self) -> bool:
        """At rest: clients that were not reading read again, or give up what they waited for; whether any did."""

    @abstractmethod
    def unfinished(self) -> Iterator[tuple[int, Place]]:
        """At rest: the operations that have not finished, and where the target's code waits."""

    @abstractmethod
    def under_way(self) -> bool:
        """Whether an operation has not finished that says so when it has."""

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

    def left_behind(self) -> Iterator[Remains]:
        """After everything: what should not be there any more."""
        for task in self.loop.left():
            yield self.remaining(task, waits_at(task), self.served_by(task))

    def remaining(self, task: Any, place: Place, of: str | int | None) -> Remains:
        name = cut(coroutine(task).__qualname__, NAME)
        return Remains(f"task {name}", place, name, True, of)

    @abstractmethod
    def served_by(self, task: Any) -> str | int | None:
        """On whose behalf a task was made; None where no client and no operation had anything to do with it."""

    @abstractmethod
    def roots(self) -> list[Root]:
        """What leads to the target's own objects, besides its modules."""

    @abstractmethod
    def connections(self) -> Connections:
        """What is known of the clients' connections at the server's end."""

    def uncaught(self) -> Iterator[tuple[BaseException, str | None]]:
        """Exceptions that a library caught for want of anybody else, and said so; each once, with whom it served."""
        return iter(())

    # -- from beginning to end ------------------------------

    def over(self) -> None:
        """The execution is over; what tasks do now because they are cancelled is no part of it."""
        self._kept = len(self.history), len(self.frames)

    def release(self) -> None:
        """Let go of what refers back: nothing is asked of the execution any more, and most of it goes at once."""
        self.lanes.clear()

    def end(self) -> None:
        """Complete the history after the world has come to its end; raises `TargetError`."""
        if self._kept is not None:
            rows, frames = self._kept
            del self.history[rows:], self.frames[frames:]
        loop = self.loop
        if loop.trespass is not None:
            raise TargetError(str(loop.trespass)) from loop.trespass
        if self.error is not None:
            place = raised_at(self.error)
            raise TargetError(
                f"{self.target.name}: {self.making} failed: {brief(self.error)}" + (f", in {place}" if place else "")
            ) from self.error
        if not self.started and not loop.spinning:
            raise TargetError(f"{self.target.name}: it never finished starting, with nothing left to wait for")
        if loop.spinning:
            passing = loop.time() - self.moved_at > self.target.traits.policy.delay
            self.record(RowKind.SPINNING, None, None, Spin.PERIOD if passing else Spin.BUSY)
        self.gather_unhandled()
        for failed, serving in loop.failed():
            self.unhandled(failed, serving=serving)
        for one in forgotten(self.ungathered):
            self.record(RowKind.UNHANDLED, None, None, one)
        for place, seconds in loop.blocked_at:
            if seconds >= BLOCKING:
                self.record(RowKind.BLOCKED, None, None, Sleep(place, seconds))

    def gather_unhandled(self) -> None:
        """Note what has reached the loop's exception handler, or a library's own log, since the last time."""
        reached = self.loop.unhandled
        for context in reached[self.handed_over :]:
            error = context.get("exception")
            if isinstance(error, OutsideWorldError):
                raise TargetError(str(error)) from error
            task = context.get("task") or context.get("future")
            self.unhandled(error or context["message"], serving=self.loop.served_in(task))
        self.handed_over = len(reached)
        for caught, serving in self.uncaught():
            known = replace(self.connections(), parted=frozenset(self.parted))
            self.unhandled(caught, known, serving=serving)

    def unhandled(self, error: object, known: Connections | None = None, *, serving: str | None = None) -> None:
        """Note an exception that nobody handled, unless it only says of a client that it is not there.

        Nor what ended the ``serving`` of a client that had sent a message without a meaning: that is an answer to it.
        """
        if serving in self.malformed:
            return
        if not isinstance(error, BaseException):
            self.record(RowKind.UNHANDLED, None, None, Failure(str(error), Place(), str(error).partition(":")[0]))
        elif self.left and says_closed(error, serving in self.left):
            return
        elif about(error, known or self.connections()) not in self.left:
            self.record(RowKind.UNHANDLED, None, None, failure(error))

    making = "making the adapter"
    """What is done first, for the message where it fails."""

    def enter_stage(self) -> None:
        if self.two_days is not None and not self.stage:
            self.retained = Retained(self.program, self.roots(), self.connections)
        self.rested_at = None
        lanes, _ = self.stages[self.stage]
        queueing = {name: self.lanes[name] for name in self.queueing()}
        self.lanes = {name: Lane(numbers) for name, numbers in lanes}
        for name, lane in queueing.items():
            numbers = self.lanes[name].numbers if name in self.lanes else ()
            self.lanes[name] = lane.with_next(numbers)
        for lane in self.lanes.values():
            self.offer(lane)

    def queueing(self) -> list[str]:
        """The lanes whose clients wait for a place."""
        return [name for name, lane in self.lanes.items() if self.waits_for_a_place(lane.running)]

    def waits_for_a_place(self, number: int | None) -> bool:
        """Whether an operation under way is a login for which there is no room yet, and that waits for it by policy."""
        policy = self.target.traits.policy
        if policy.at_limit != "wait" or number is None:
            return False
        op = self.operations[number]
        if op.kind not in ("connect", "authenticate"):
            return False
        users = {op.connection: op.user for op in self.operations if op.kind == "connect"}
        there = [users.get(name) for name, up in self.up.items() if up]
        limits = (policy.connections, len(there)), (policy.per_user, there.count(op.user))
        return any(most is not None and count >= most for most, count in limits)

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
        self.record(RowKind.SKIPPED, number, self.operations[number].connection, None)

    # -- coming to rest ------------------------------

    def when_idle(self) -> bool:
        """Nothing is ready and nothing pending: let time pass, come to rest, go on to the next stage, or end."""
        loop = self.loop
        deadline = loop.next_deadline()
        horizon = self.moving_to if self.moving_to is not None else self.horizon()
        if deadline is not None and deadline <= horizon + GRAIN:
            loop.move_clock(deadline)
            return True
        if self.moving_to is not None:
            loop.move_clock(self.moving_to)
            self.moving_to = None
            if not self.epilogue:
                self.enter_stage()
            return True
        if self.resume_stalled():
            self.rested_at = loop.time()
            return True
        if self.error is not None or not self.started:
            return False
        self.gather_unhandled()
        self.settle()
        stuck = False
        for number, place in self.unfinished():
            if self.waits_for_a_place(number):
                continue
            self.record(RowKind.STUCK, number, self.operations[number].connection, place)
            stuck = True
        if stuck:
            return False
        self.record(RowKind.REST, None, None, None)
        try:
            self.observe()
        except Exception as error:
            self.record(RowKind.UNHANDLED, None, None, failure(error))
        if self.stage < len(self.stages) - 1:
            barrier = self.stages[self.stage][1]
            assert barrier is not None
            self.stage += 1
            self._barrier(barrier)
            return True
        return self._epilogue()

    def _came(self) -> int:
        """How many clients were let in."""
        let_in = (row.operation for row in self.history if row.kind == RowKind.RETURNED and row.detail is not False)
        return sum(number is not None and self.operations[number].kind == "connect" for number in let_in)

    def horizon(self) -> float:
        """Until when time may pass before everything counts as at rest: what is left then are timers with a period.

        An operation under way is waited for as long as anything comes in; without one, only the program's own doings
        put the rest off, and what it does `later`.
        """
        loop, visible = self.loop, self.loop.visible
        if any(key[0] not in FRAMES for key, _ in visible[self.seen :]):
            self.busy_at = loop.last_visible
        self.seen = len(visible)
        last = max(self.moved_at, self.rested_at or 0.0)
        longest = last + LONGEST * self.rest
        last = max(last, loop.last_visible if self.under_way() else self.busy_at)
        return max(min(last, longest) + self.rest, self.due)

    def later(self, seconds: float, act: Callable[..., object], *arguments: object) -> None:
        """Have something done after so many seconds, whatever else happens or does not."""
        self.due = max(self.due, self.loop.time() + seconds)
        self.loop.call_later(seconds, act, *arguments, context=self.context)

    def clock_moves(self, busy: float) -> None:
        """The clock is moved past pending events: say whose, since what waits for them is not held up by others.

        For how many seconds of that the machine was ``busy`` is told too: these are nobody's.
        """
        if self.loop.pending:
            self.record(RowKind.CLOCK, None, None, tuple(event.key for event in self.loop.pending))
        if busy:
            self.record(RowKind.BUSY, None, None, round(busy, 3))
            self.moved_at += busy
            self.busy_at += busy
            if self.rested_at is not None:
                self.rested_at += busy

    def _barrier(self, number: int) -> None:
        op = self.operations[number]
        self.record(RowKind.INVOKED, number, None, None)
        seconds = op.seconds or 0.0
        if self.retained is not None and number == self.two_days and not self.leavers():
            self.retained.day_over(self._came())
            self.loop.granted += NIGHT
        if op.kind == "sweep":
            seconds = (self.target.traits.policy.idle or 0.0) * 1.5
        if seconds:
            self.moving_to = self.loop.time() + seconds
        else:
            self.enter_stage()

    def _epilogue(self) -> bool:
        """After the program: everybody disconnects, the target shuts down; then nothing may be left."""
        self.epilogue += 1
        if self.epilogue == 1:
            leaving, queueing = self.leavers(), self.queueing()
            for name in leaving:
                self.operations.append(Operation("disconnect", name))
                last = (len(self.operations) - 1,)
                self.lanes[name] = lane = self.lanes[name].with_next(last) if name in queueing else Lane(last)
                self.offer(lane)
            if leaving:
                return True
            self.epilogue = 2
        if self.epilogue == 2:
            self.record(RowKind.EMPTIED, None, None, None)
            for kept in self.retained.found(self._came()) if self.retained is not None else ():
                self.record(RowKind.KEPT, None, None, kept)
            return self.shut_down()
        remains = list(self.left_behind())
        grace = self.target.traits.policy.grace
        if grace and self.epilogue == 3 and any(one.is_task for one in remains):
            self.moving_to = self.loop.time() + grace
            return True
        for one in remains:
            self.record(RowKind.LEFT, None, None, one)
        return False
