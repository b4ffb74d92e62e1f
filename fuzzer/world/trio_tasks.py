"""What tasks on trio wait for, and the tasks of a server that outlive one another: one that fails ends no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import wraps
from typing import Any, cast

from ..core.stacks import coroutine
from .errors import Interrupted, TargetBlockedError
from .trio_private import outcome, trio

__all__ = ("Served", "Waiter", "as_io")


class Waiter:
    """What a future is to asyncio: set once, awaited by one task.

    An exception that it is set to comes out of trio's own frames, as it does out of asyncio's, and out of none of ours.
    """

    __slots__ = ("_done", "_error", "_task")

    def __init__(self) -> None:
        self._task: Any = None
        self._done = False
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._done

    def set_result(self, value: None) -> None:
        self._set(None)

    def set_exception(self, error: BaseException) -> None:
        self._set(error)

    def _set(self, error: BaseException | None) -> None:
        self._done = True
        if self._task is None:
            self._error = error
        else:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task, outcome.Value(None) if error is None else outcome.Error(error))

    def _abort(self, raise_cancel: object) -> Any:
        self._task, self._done = None, True
        return trio.lowlevel.Abort.SUCCEEDED

    def __await__(self) -> Generator[Any, Any, None]:
        if self._done:
            return self._was_set().__await__()
        self._task = trio.lowlevel.current_task()
        return cast(Generator[Any, Any, None], trio.lowlevel.wait_task_rescheduled(self._abort).__await__())

    async def _was_set(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._error is not None:
            raise self._error


class Served:
    """A task of the target's that a server has started, as servers do: what it raises is nobody else's affair.

    ``running`` tells whether the execution is under way.  Who awaits it is told what it raised.
    """

    def __init__(self, running: Callable[[], bool]) -> None:
        self.task: Any = None
        self.error: BaseException | None = None
        self.awaited = False
        """Whether somebody has been told the error."""
        self._running = running
        self._over = Waiter()

    @property
    def coro(self) -> Any:
        return coroutine(self.task)

    def done(self) -> bool:
        return self._over.done()

    async def run(self, start: Callable[..., Awaitable[None]], args: tuple[Any, ...]) -> None:
        try:
            await start(*args)
        except (Interrupted, TargetBlockedError, GeneratorExit):
            raise
        except BaseException as error:
            if not self._running():
                raise
            self.error = error
        self._over.set_result(None)

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._over.__await__()
        if self.error is not None:
            self.awaited = True
            raise self.error


def as_io(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the same as trio has it of what reads and writes: a checkpoint each time, whether it has to wait or not.

    What is cancelled before has done nothing; what it has done is not cancelled after.
    """

    @wraps(call)
    async def checked(*args: Any) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        result = await call(*args)
        await trio.lowlevel.cancel_shielded_checkpoint()
        return result

    return checked
