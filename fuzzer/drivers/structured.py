"""Drives a manager on trio: its operations are tasks of one nursery, each within a scope by which it is cancelled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Context
from typing import Any

from ..core.history import Detail, Failure, Remains, RowKind
from ..core.program import Operation, Program
from ..core.stacks import Place, unwrapped
from ..targets.adapter import Target
from ..world import Interrupted, OutsideWorldError, TargetBlockedError
from ..world.external import operation
from ..world.trio_private import trio
from ..world.trio_world import TrioWorld
from .base import Lane
from .manager import ManagerDriver, answer

__all__ = ("NurseryDriver",)


class _Running:
    """An operation under way: its task, and the scope by which it is cancelled."""

    __slots__ = ("scope", "task")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.task: Any = None

    @property
    def coro(self) -> Any:
        return self.task.coro


class NurseryDriver(ManagerDriver):
    """One execution of a manager on trio."""

    world: TrioWorld

    def __init__(self, target: Target, program: Program, loop: TrioWorld) -> None:
        super().__init__(target, program, loop)
        self.world = loop

    def release(self) -> None:
        """Leave it to the collector: what a task that would not end says as it goes is muted as a run is buried."""

    def _spawn(
        self, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...], context: Context
    ) -> None:
        lane.task = _Running()
        name = getattr(method, "__qualname__", repr(method))
        lane.task.task = self.world.spawn(context, name, self._within, lane.task, number, lane, method, args)

    async def _within(
        self, running: _Running, number: int | None, lane: Lane, method: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        """`ManagerDriver._perform`, where being cancelled is not an exception that one may keep to oneself."""
        kind: RowKind = RowKind.CANCELLED
        detail: Detail = None
        try:
            with running.scope:
                result = method(*args)
                if inspect.isawaitable(result):
                    result = await result
                kind, detail = RowKind.RETURNED, answer(result)
        except (Interrupted, TargetBlockedError, GeneratorExit, trio.Cancelled):
            raise
        except OutsideWorldError as error:
            kind, detail = RowKind.RAISED, Failure(type(error).__name__, Place(), type(error).__name__)
        except BaseException as error:
            if _cancelled(error):
                raise  # the execution is over
            kind, detail = RowKind.RAISED, self.failed(number, unwrapped(error))
        if self.world.is_running():
            self._finish(number, lane, kind, detail)

    def do_cancel(self, number: int, op: Operation, lane: Lane) -> None:
        if lane.task is None:
            self.skip(number)
        else:
            self.record(RowKind.INVOKED, number, op.connection, lane.running)
            lane.task.scope.cancel()

    def _of_each_client(self) -> list[Remains]:
        return []

    def served_by(self, task: Any) -> str | None:
        number = task.context.get(operation)
        return None if number is None else "an operation"


def _cancelled(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[0] is not None
