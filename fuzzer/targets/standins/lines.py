"""A plain TCP server that answers line by line."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from .base import DELAY, StandIn

__all__ = ("LineServer",)

Said = Iterable[str] | str | None
Answer = Callable[[str], Said | Awaitable[Said]]


class _Lines(asyncio.Protocol):
    """One connection; its lines are answered one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._received = b""
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._transport: Any = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._task = asyncio.get_running_loop().create_task(self._work())

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._waiting.put_nowait(line.rstrip(b"\r").decode("utf-8", "replace"))

    def connection_lost(self, error: BaseException | None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        while True:
            line = await self._waiting.get()
            answer: Any = self._answer(line or "")
            if inspect.isawaitable(answer):
                answer = await answer
            for said in (answer,) if isinstance(answer, str) else answer or ():
                if not self._transport.is_closing():
                    self._transport.write(f"{said}\n".encode())


class LineServer(StandIn):
    """``LineServer("stats", 8125, answer)``: ``answer(line)`` gives the lines to send back, or one, or None.

    It may be a coroutine function.  Where it is a class, each execution makes a new one, which keeps the state.
    """

    def __init__(self, host: str, port: int, answer: Answer | type, delay: float = DELAY) -> None:
        super().__init__(host, port, delay)
        self._answer = answer

    def serving(self) -> Callable[[], asyncio.BaseProtocol]:
        made: Any = self._answer() if isinstance(self._answer, type) else self._answer
        return lambda: _Lines(made)
