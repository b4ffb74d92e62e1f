"""One execution: a target, a program and a chooser in; a history out.  The same three give the same history."""

from __future__ import annotations

import asyncio
import gc
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from .history import Detail, History, Row
from .program import AT_ONCE, Operation, Program
from .schedule import Recorded, Schedule, Visible
from .stacks import innermost, raised_at, unretrieved, waits_at
from .targets.adapter import Adapter, Client, Event, Target, registered
from .targets.websocket import FakeWebSocket
from .world import Chooser, OutsideWorldError, TargetBlockedError, WorldLoop
from .world.entropy import CLOCK_START
from .world.external import operation

__all__ = ("CRITICAL_EVENTS", "Execution", "TargetError", "Worker")

CRITICAL_EVENTS = ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed")
"""The events of an agent's run, in order, once each."""

BLOCKED = 5
"""Real seconds after which an execution that has not given the thread back is broken off."""


class TargetError(Exception):
    """The target cannot be fuzzed: its adapter could not be made, or it reached outside the world."""


@dataclass(frozen=True)
class Execution:
    """What one execution left: the history, the schedule it followed, and the order in which events became visible."""

    program: Program
    schedule: Schedule
    history: History
    visible: tuple[Visible, ...]


class Worker:
    """Runs executions of one target on one loop, one after the other."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.loop = WorldLoop()
        self.executions = 0
        self.blocked: TargetBlockedError | None = None

    @contextmanager
    def session(self) -> Iterator[Worker]:
        """Hold the clocks and the collector for many executions; otherwise each execution takes and returns them."""
        enabled = gc.isenabled()
        gc.disable()  # destructors that run at the collector's whim would make histories differ
        try:
            with self.loop.entropy, self._watched():
                yield self
        finally:
            if enabled:
                gc.enable()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Break an execution off that keeps this thread busy for `BLOCKED` real seconds.

        By the alarm signal, so only on the main thread of systems that have it.
        """
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            yield
            return
        seen, ticks = -1, 0

        def tick(number: int, frame: FrameType | None) -> None:
            nonlocal seen, ticks
            if not self.loop.is_running() or seen != self.executions:
                seen, ticks = self.executions, 0
                return
            ticks += 1
            if ticks >= BLOCKED:
                ticks = 0
                self.blocked = TargetBlockedError(innermost(frame), BLOCKED)
                raise self.blocked

        before = signal.signal(signal.SIGALRM, tick)
        timer = signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
            if timer[0]:  # somebody else's alarm, a test runner's time limit say: let it go on
                left = max(timer[0] - (time.perf_counter() - began), 0.001)
                signal.setitimer(signal.ITIMER_REAL, left, timer[1])

    def run(self, program: Program, chooser: Chooser) -> Execution:
        """Execute; raises `TargetError` where the target's own making is at fault."""
        loop = self.loop
        loop.chooser = chooser
        run = _Run(self.target, program, loop)
        loop.idle = run.when_idle
        loop.clock_hook = run.clock_moves
        try:
            with self.session() if gc.isenabled() else _nothing():
                loop.run_world(run.context, run.begin)
            if self.blocked is not None:
                raise self.blocked
            run.end()
            return Execution(program, Schedule(tuple(loop.deviations)), tuple(run.history), tuple(loop.visible))
        except TargetBlockedError as error:
            self.blocked = None
            raise TargetError(f"{self.target.name}: {error}") from None
        finally:
            loop.reset()
            self.executions += 1
            if self.executions % 2000 == 0:
                gc.collect()

    def replay(self, program: Program, schedule: Schedule) -> Execution:
        """Execute with a recorded schedule."""
        return self.run(program, Recorded(schedule))


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Lane:
    """The operations of one lane within the current stage, and the one under way."""

    __slots__ = ("at", "noticed", "numbers", "running", "task")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.at = 0
        self.running: int | None = None
        self.task: Any = None
        self.noticed: int | None = None


class _Run:
    """The state of one execution."""

    def __init__(self, target: Target, program: Program, loop: WorldLoop) -> None:
        self.target = target
        self.operations: list[Operation] = list(program.operations)
        self.stages = program.stages
        self.users = program.users
        self.loop = loop
        self.context = copy_context()
        self.history: list[Row] = []
        self.clients: dict[str, Client] = {}
        self.up: dict[str, bool] = {}
        self.lanes: dict[str, _Lane] = {}
        self.stage = 0
        self.running = 0
        self.rested_at: float | None = None
        self.moving_to: float | None = None
        self.epilogue = 0
        self.adapter: Adapter
        self.error: BaseException | None = None

    def record(self, kind: str, number: int | None, connection: str | None, detail: Detail) -> None:
        self.history.append(Row(self.loop._now - CLOCK_START, kind, number, connection, detail))

    # -- from beginning to end ------------------------------

    def begin(self) -> None:
        try:
            self.adapter = self.target.create()
        except Exception as error:
            self.error = error
            return
        if self.target.offers("start"):
            self._task(None, _Lane(()), self.adapter.start, ())  # type: ignore[attr-defined]
        self._enter_stage()

    def end(self) -> None:
        loop = self.loop
        if loop.trespass is not None:
            raise TargetError(str(loop.trespass)) from loop.trespass
        if self.error is not None:
            raise TargetError(f"{self.target.name}: making the adapter failed: {_brief(self.error)}") from self.error
        if loop.spinning:
            self.record("spinning", None, None, None)
        for context in loop.unhandled:
            error = context.get("exception")
            if isinstance(error, OutsideWorldError):
                raise TargetError(str(error)) from error
            where = raised_at(error) if isinstance(error, BaseException) else ""
            self.record("unhandled", None, None, (_brief(error or context["message"]), where))
        for task in loop.tasks:
            failure = unretrieved(task)
            if failure is not None:
                self.record("unhandled", None, None, (_brief(failure), raised_at(failure)))

    def _enter_stage(self) -> None:
        self.rested_at = None
        lanes, _ = self.stages[self.stage]
        self.lanes = {name: _Lane(numbers) for name, numbers in lanes}
        for lane in self.lanes.values():
            self._offer(lane)

    def _offer(self, lane: _Lane) -> None:
        """Make the lane's next operation pending, where it may start."""
        if lane.at < len(lane.numbers) and lane.noticed is None:
            number = lane.numbers[lane.at]
            if lane.running is None or self.operations[number].kind in AT_ONCE:
                lane.at += 1
                self.loop.external(("start", number), self._start, number, lane, context=self.context)

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
            self._enter_stage()
            return True
        stalled = [client for client in self.clients.values() if client.websocket.stalled]
        if stalled:
            for client in stalled:
                client.websocket.resume()
                self.record("resumed", None, client.id, None)
            self.rested_at = loop.time()
            return True
        if self.error is not None or self._stuck():
            return False
        self._observe()
        if self.stage < len(self.stages) - 1:
            number = self.stages[self.stage][1]
            assert number is not None
            self.stage += 1
            self._barrier(number)
            return True
        return self._epilogue()

    def clock_moves(self) -> None:
        """The clock is moved past pending events: say whose, since what waits for them is not held up by others."""
        waiting = (" ".join(map(str, event.key)) for event in self.loop.pending)
        self.record("clock", None, None, tuple(waiting))

    def _stuck(self) -> bool:
        if not self.running:
            return False
        for lane in self.lanes.values():
            if lane.running is not None and lane.task is not None:
                self.record("stuck", lane.running, self._connection(lane.running), waits_at(lane.task))
        return True

    def _observe(self) -> None:
        """What the target says of itself, at rest."""
        self.record("rest", None, None, None)
        adapter: Any = self.adapter
        try:
            if self.target.offers("registry"):
                self.record("registry", None, None, registered(adapter.registry()))
            if self.target.offers("is_active"):
                active = tuple(user for user in self.users if adapter.is_active(user))
                self.record("active", None, None, active)
        except Exception as error:
            self.record("unhandled", None, None, (_brief(error), raised_at(error)))

    def _barrier(self, number: int) -> None:
        op = self.operations[number]
        self.record("invoked", number, None, None)
        seconds = op.seconds or 0.0
        if op.kind == "sweep":
            seconds = (self.target.traits.limits.idle or 0.0) * 1.5
        if seconds:
            self.moving_to = self.loop.time() + seconds
        else:
            self._enter_stage()

    def _epilogue(self) -> bool:
        """After the program: everybody disconnects, the target shuts down; then nothing may be left."""
        self.epilogue += 1
        if self.epilogue == 1:
            leaving = [name for name, up in self.up.items() if up]
            for name in leaving:
                self.operations.append(Operation("disconnect", name))
                self.lanes[name] = lane = _Lane((len(self.operations) - 1,))
                self._offer(lane)
            if leaving:
                return True
            self.epilogue = 2
        if self.epilogue == 2:
            self.record("emptied", None, None, None)
            if self.target.offers("shut_down"):
                self.operations.append(Operation("shut_down"))
                self.lanes["server"] = lane = _Lane((len(self.operations) - 1,))
                self._offer(lane)
                return True
            return False
        for task in self.loop.tasks:
            if not task.done():
                self.record("left", None, None, (task.get_coro().__qualname__, waits_at(task)))  # type: ignore[union-attr]
        return False

    # -- operations ------------------------------

    def _connection(self, number: int) -> str | None:
        return self.operations[number].connection

    def _start(self, number: int, lane: _Lane) -> None:
        op = self.operations[number]
        method: Callable[..., None] = getattr(self, f"_do_{op.kind}")
        method(number, op, lane)
        self._offer(lane)

    def _task(self, number: int | None, lane: _Lane, method: Callable[..., Any], args: tuple[Any, ...]) -> None:
        context = self.context.copy()
        context.run(operation.set, number)
        self.running += 1
        lane.running = number
        lane.task = asyncio.Task(self._perform(number, lane, method, args), loop=self.loop, context=context)
        self.loop.drivers.append(lane.task)

    async def _perform(
        self, number: int | None, lane: _Lane, method: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        kind: str
        detail: Detail
        try:
            result = method(*args)
            if inspect.isawaitable(result):
                result = await result
        except asyncio.CancelledError:
            kind, detail = "cancelled", None
        except OutsideWorldError:
            kind, detail = "raised", "OutsideWorldError"
        except Exception as error:
            kind, detail = "raised", (_brief(error), raised_at(error))
        else:
            kind, detail = "returned", result if isinstance(result, str | bool | int) else None
        self._finish(number, lane, kind, detail)

    def _finish(self, number: int | None, lane: _Lane, kind: str, detail: Detail) -> None:
        self.running -= 1
        lane.running = lane.task = None
        if number is None:
            return
        op = self.operations[number]
        self.record(kind, number, op.connection, detail)
        if op.connection is not None:
            if op.kind == "connect":
                self.up[op.connection] = kind == "returned" and detail is not False
                if kind == "cancelled":
                    self._leave(number, op.connection, "cancelled")
            elif op.kind in ("disconnect", "abort", "log_out"):
                self.up[op.connection] = False
        if lane.noticed is not None:
            noticed, lane.noticed = lane.noticed, None
            self.loop.external(("notice", noticed), self._notice, noticed, lane, context=self.context)
        else:
            self._offer(lane)

    def _invoke(self, number: int, lane: _Lane, method: Callable[..., Any], *args: Any) -> None:
        self.record("invoked", number, self._connection(number), None)
        self._task(number, lane, method, args)

    def _skip(self, number: int) -> None:
        self.record("skipped", number, self._connection(number), None)

    def _leave(self, number: int, connection: str, how: str) -> None:
        self.record("gone", number, connection, how)
        self.clients[connection].websocket.leave()

    def _do_connect(self, number: int, op: Operation, lane: _Lane) -> None:
        assert op.connection is not None and op.user is not None
        if op.connection in self.clients:
            self._skip(number)
            return
        websocket = FakeWebSocket(op.connection, len(self.clients), self)
        token, identity = _token(op)
        client = Client(op.connection, op.user, token, identity, websocket)
        self.clients[op.connection] = client
        self.up[op.connection] = False
        self._invoke(number, lane, self.adapter.connect, client)

    def _client(self, number: int, op: Operation) -> Client | None:
        """The operation's client where its connection is up; else the operation is skipped."""
        assert op.connection is not None
        client = self.clients.get(op.connection)
        if client is None or client.websocket.gone or not self.up[op.connection]:
            self._skip(number)
            return None
        return client

    def _do_authenticate(self, number: int, op: Operation, lane: _Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            client.token, client.identity = _token(op, client.user)
            self._invoke(number, lane, self.adapter.authenticate, client, client.token)  # type: ignore[attr-defined]

    def _do_disconnect(self, number: int, op: Operation, lane: _Lane) -> None:
        assert op.connection is not None
        client = self.clients.get(op.connection)
        if client is None or client.websocket.gone or (lane.running is None and not self.up[op.connection]):
            self._skip(number)
            return
        self.record("invoked", number, op.connection, None)
        self._leave(number, op.connection, op.kind)
        if lane.running is None or self.adapter.disconnect_overlaps:
            self._task(number, lane, self.adapter.disconnect, (client,))
        else:
            lane.noticed = number

    _do_abort = _do_disconnect

    def _notice(self, number: int, lane: _Lane) -> None:
        """The server, done with the operation before, sees that the client has gone meanwhile."""
        connection = self._connection(number)
        assert connection is not None
        if self.up[connection]:
            self._task(number, lane, self.adapter.disconnect, (self.clients[connection],))
        else:
            self._skip(number)
            self._offer(lane)

    def _do_log_out(self, number: int, op: Operation, lane: _Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self._invoke(number, lane, getattr(self.adapter, "log_out", self.adapter.disconnect), client)

    def _do_expire(self, number: int, op: Operation, lane: _Lane) -> None:
        client = self._client(number, op)
        if client is not None:
            self._invoke(number, lane, self.adapter.expire, client)  # type: ignore[attr-defined]

    def _do_stall(self, number: int, op: Operation, lane: _Lane) -> None:
        client = self.clients.get(op.connection or "")
        if client is None or client.websocket.gone or client.websocket.stalled == (op.kind == "stall"):
            self._skip(number)
        elif op.kind == "stall":
            client.websocket.stall()
            self.record("stalled", number, client.id, None)
        else:
            client.websocket.resume()
            self.record("resumed", number, client.id, None)

    _do_unstall = _do_stall

    def _do_cancel(self, number: int, op: Operation, lane: _Lane) -> None:
        if lane.task is None:
            self._skip(number)
        else:
            self.record("invoked", number, op.connection, lane.running)
            lane.task.add_done_callback(partial(self._cancelled_unborn, lane.running, lane), context=self.context)
            lane.task.cancel()

    def _cancelled_unborn(self, number: int | None, lane: _Lane, task: asyncio.Task[None]) -> None:
        """A task cancelled before its first step never runs a line of `_perform`."""
        if lane.running == number and lane.task is task:
            self._finish(number, lane, "cancelled", None)

    def _event(self, number: int, op: Operation, type_: str = "message", suffix: str = "") -> Event:
        assert op.user is not None
        return Event(f"e{number}{suffix}", type_, op.user, op.to, f"r{number}" if suffix else None)

    def _do_emit(self, number: int, op: Operation, lane: _Lane) -> None:
        self._invoke(number, lane, self.adapter.emit, self._event(number, op))

    def _do_broadcast(self, number: int, op: Operation, lane: _Lane) -> None:
        self._invoke(number, lane, self.adapter.broadcast, self._event(number, op))  # type: ignore[attr-defined]

    def _do_emit_to_thread(self, number: int, op: Operation, lane: _Lane) -> None:
        emit: Callable[..., Any] = self.adapter.emit_to_thread  # type: ignore[attr-defined]
        self._invoke(number, lane, emit, self._event(number, op), op.thread)

    def _do_run_agent(self, number: int, op: Operation, lane: _Lane) -> None:
        self._invoke(number, lane, self._agent, number, op)

    async def _agent(self, number: int, op: Operation) -> None:
        emit: Callable[[Event], Any] = getattr(self.adapter, "emit_critical", self.adapter.emit)
        for name in CRITICAL_EVENTS:
            result = emit(self._event(number, op, name, f".{name}"))
            if inspect.isawaitable(result):
                await result

    def _do_clean_up(self, number: int, op: Operation, lane: _Lane) -> None:
        self._invoke(number, lane, self.adapter.clean_up, op.user)  # type: ignore[attr-defined]

    def _do_shut_down(self, number: int, op: Operation, lane: _Lane) -> None:
        self._invoke(number, lane, self.adapter.shut_down)  # type: ignore[attr-defined]


def _token(op: Operation, user: str | None = None) -> tuple[str, str | None]:
    """What a client shows at login, and whom that makes it."""
    user = op.user or user
    match op.token:
        case None | "valid":
            return f"token-{user}", user
        case "invalid":
            return "invalid", None
        case "expired":
            return f"expired-{user}", None
        case other:
            return f"token-{other}", other


def _brief(error: object) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
