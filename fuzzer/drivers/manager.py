"""Drives a manager through its adapter: the calls run in tasks of their own, and what is left of them is looked for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from typing import Any

from ..core.history import Detail, Failure, Remains, RowKind
from ..core.program import LEAVING, Operation, Program
from ..core.stacks import Place, waits_at
from ..core.text import cut
from ..targets.adapter import Target, registered
from ..world import Interrupted, Outer, OutsideWorldError, TargetBlockedError
from ..world.external import operation
from .base import Lane
from .calling import Calling
from .evidence import Connections, about, failure
from .retained import Root

__all__ = ("ManagerDriver", "answer")

EACH = 3
"""So many of a user's clients must each have left something behind before it is the clients that do."""

LONG = 3600.0
"""Seconds after which what is put off until later has been done."""


CLEARS_UP = frozenset(LEAVING) | {"log_out", "expire", "clean_up", "shut_down", "sweep"}
"""Operations that may end with the cancellation of a task that they have cancelled themselves, and wait for.

What else ends so fails, since somebody else was cancelled.
"""


class ManagerDriver(Calling):
    """One execution of a manager."""

    def __init__(self, target: Target, program: Program, loop: Outer) -> None:
        super().__init__(target, program, loop)
        self.running = 0
        self.at_start = 0
        """how many tasks there were when the first operation began"""

    def begin(self) -> None:
        try:
            self.adapter = self.target.create()
        except Exception as error:
            self.error = error
            return
        if self.target.offers("start"):
            self.context = self.context.copy()
            self._task(None, Lane(()), self.adapter.start, (), self.context)  # type: ignore[attr-defined]
        else:
            self._started()

    def _started(self) -> None:
        """Operations wait for ``start()``, and run in the context that it leaves."""
        self.started = True
        self.at_start = len(self.loop.tasks)
        self.enter_stage()

    # -- at rest ------------------------------

    def resume_stalled(self) -> bool:
        stalled = [client for client in self.clients.values() if client.websocket.stalled]
        for client in stalled:
            client.websocket.resume()
            self.record(RowKind.RESUMED, None, client.id, None)
        return bool(stalled)

    def settle(self) -> None:
        pass

    def under_way(self) -> bool:
        return self.running > 0

    def roots(self) -> list[Root]:
        return [(type(self.adapter).__name__, self.adapter)]

    def connections(self) -> Connections:
        return Connections()  # fake websockets say themselves whose they are

    def left_behind(self) -> Iterator[Remains]:
        """All that is left after a shut-down; where there is none, what each of a user's clients has left."""
        if self.target.offers("shut_down"):
            yield from super().left_behind()
        else:
            yield from self._of_each_client()

    def _of_each_client(self) -> list[Remains]:
        """A task of those that several of a user's clients have each left, most of them; where there are such.

        What a target starts once, or once for each user, may well outlive its clients.
        """
        left: dict[tuple[str, str], list[tuple[str, Any]]] = {}
        for task, number in zip(self.loop.tasks, self.loop.started_by, strict=True):
            name = self.operations[number].connection if number is not None and not task.done() else None
            if name is not None:
                kind = waits_at(task).function, self.clients[name].user
                left.setdefault(kind, []).append((name, task))
        for (_, user), tasks in left.items():
            mine = sum(client.user == user for client in self.clients.values())
            if len({name for name, _ in tasks}) >= max(EACH, mine / 2):
                name, task = tasks[0]
                return [self.remaining(task, waits_at(task), name)]
        return []

    def served_by(self, task: Any) -> str | None:
        return None if task in self.loop.tasks[: self.at_start] else "an operation"

    def unfinished(self) -> Iterator[tuple[int, Place]]:
        if self.running:
            for lane in self.lanes.values():
                if lane.running is not None and lane.task is not None:
                    yield lane.running, waits_at(lane.task)

    def observe(self) -> None:
        adapter: Any = self.adapter
        if self.target.offers("registry"):
            self.record(RowKind.REGISTRY, None, None, registered(adapter.registry()))
        if self.target.offers("is_active"):
            active = tuple(user for user in self.users if adapter.is_active(user))
            self.record(RowKind.ACTIVE, None, None, active)

    def leavers(self) -> list[str]:
        queueing = self.queueing()
        return [name for name, up in self.up.items() if up or self._signed_off(name) or name in queueing]

    def shut_down(self) -> bool:
        if not self.target.offers("shut_down"):
            if self.epilogue == 2 and self._of_each_client():
                self.moving_to = self.loop.time() + LONG
                return True
            return False
        if self.shutting_down:
            return False
        self.operations.append(Operation("shut_down"))
        self.lanes["server"] = lane = Lane((len(self.operations) - 1,))
        self.offer(lane)
        return True

    # -- operations ------------------------------

    def _task(
        self,
        number: int | None,
        lane: Lane,
        method: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None = None,
    ) -> None:
        context = self.context.copy() if context is None else context
        context.run(operation.set, number)
        self.running += 1
        lane.running = number
        self._spawn(number, lane, method, args, context)

    def _spawn(
        self, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> None:
        """Have an operation run in a task of its own, the lane's."""
        lane.task = asyncio.Task(self._perform(number, lane, method, args), loop=self.loop, context=context)
        self.loop.drivers.append(lane.task)

    async def _perform(self, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...]) -> None:
        kind: RowKind
        detail: Detail
        try:
            result = method(*args)
            if inspect.isawaitable(result):
                result = await result
        except asyncio.CancelledError as error:
            if number is not None and lane.cancelled != number and self.operations[number].kind not in CLEARS_UP:
                kind, detail = RowKind.RAISED, failure(error)
            else:
                kind, detail = RowKind.CANCELLED, None
        except OutsideWorldError as error:
            kind, detail = RowKind.RAISED, Failure(type(error).__name__, Place(), type(error).__name__)
        except (Interrupted, TargetBlockedError, GeneratorExit):
            raise
        except BaseException as error:
            kind, detail = RowKind.RAISED, self.failed(number, error)
        else:
            kind, detail = RowKind.RETURNED, answer(result)
        self._finish(number, lane, kind, detail)

    def failed(self, number: int | None, error: BaseException) -> Failure:
        """How an operation failed; where nobody is there to be told, nobody has handled it.

        What is no `Exception` would end the process, and everybody's connection with it.  Who says that a client has
        left is the end of its handler; that the client is not there is what it says.
        """
        detail = failure(error)
        op = self.operations[number] if number is not None else None
        if op is not None and not isinstance(error, Exception):
            self.record(RowKind.UNHANDLED, number, None, detail)
        elif op is not None and op.kind in LEAVING and about(error, self.connections()) not in self.left:
            self.record(RowKind.UNHANDLED, number, op.connection, detail)
        return detail

    def _finish(self, number: int | None, lane: Lane, kind: RowKind, detail: Detail) -> None:
        self.running -= 1
        lane.running = lane.task = None
        if number is None:
            if kind == RowKind.RAISED:
                self.record(RowKind.UNHANDLED, None, None, detail)
            self._started()
            return
        op = self.operations[number]
        self.record(kind, number, op.connection, detail)
        if op.connection is not None:
            if op.kind == "connect":
                self.up[op.connection] = kind == RowKind.RETURNED and detail is not False
                if kind == RowKind.CANCELLED:
                    self._leave(number, op.connection, "cancelled")
            elif op.kind in ("disconnect", "abort", "log_out"):
                self.up[op.connection] = False
                if op.kind == "log_out" and self.target.offers("log_out"):
                    self.signed_off.add(op.connection)
            if op.kind == self.login_step and self._accepted(op.kind, kind, detail):
                self.logged_in.add(op.connection)
                self.signed_off.discard(op.connection)
                self.up[op.connection] = True
        if lane.noticed is not None:
            noticed, lane.noticed = lane.noticed, None
            self.loop.external(("notice", noticed), self._notice, noticed, lane, context=self.context)
        else:
            self.offer(lane)

    def _accepted(self, step: str, kind: RowKind, detail: Detail) -> bool:
        """Whether a step of a login let the client in: who is authenticated is somebody."""
        return kind == RowKind.RETURNED and detail is not False and (step == "connect" or detail is not None)

    def do_cancel(self, number: int, op: Operation, lane: Lane) -> None:
        if lane.task is None:
            self.skip(number)
        else:
            self.record(RowKind.INVOKED, number, op.connection, lane.running)
            lane.cancelled = lane.running
            lane.task.add_done_callback(partial(self._cancelled_unborn, lane.running, lane), context=self.context)
            lane.task.cancel()

    def _cancelled_unborn(self, number: int | None, lane: Lane, task: asyncio.Task[None]) -> None:
        """A task cancelled before its first step never runs a line of `_perform`."""
        if lane.running == number and lane.task is task:
            self._finish(number, lane, RowKind.CANCELLED, None)


def answer(result: object) -> str | int | None:
    """What an operation gave back, where that is a word or a number: of ours, not of a class of the target's."""
    if isinstance(result, bool):
        return result
    if isinstance(result, int):
        return int.__index__(result)
    return cut(str.__str__(result)[:]) if isinstance(result, str) else None
