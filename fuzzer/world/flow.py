"""Bytes on their way in one direction of a connection.

When each piece is read, and when a slow peer takes the next one, is an external event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Literal

from .external import External, Key
from .interface import World

__all__ = ("END", "RESET", "Flow", "Heartbeat", "Reads")

IN_FLIGHT = 128 * 1024
"""Bytes that the two kernels hold for an unread connection before the writer's own buffer fills."""

MAX_READ = 256 * 1024
"""Bytes that asyncio reads at once (_SelectorTransport.max_size)."""

Reads = Literal["split", "merged"]
"""How bytes arrive: each piece in two reads, or all that waits in one."""

END = b""
"""Stands in a flow for the end of the stream (FIN)."""


class _Reset(bytes):
    """Empty, and no `END`."""


RESET = _Reset()
"""Stands in a flow for a reset (RST): what was sent before is read first, as Linux has it."""


class Heartbeat(bytes):
    """A heartbeat or its answer: bytes like any others, but no sign of life that keeps a world from resting."""


class Flow:
    """Bytes on their way in one direction of a connection, in pieces as they were written.

    Each piece is an external event of its own, in order; ``at_once`` is for a far end outside the loop that reads all
    the time: what is written is there.
    """

    __slots__ = (
        "_context",
        "_head",
        "_loop",
        "_paused",
        "_pieces",
        "at_once",
        "backlog",
        "drained",
        "key",
        "reads",
        "room",
        "sink",
        "unwanted",
        "watch",
    )

    def __init__(self, loop: World, key: Key, sink: Callable[[bytes], object], context: Context) -> None:
        self._loop = loop
        self.sink = sink
        self._context = context
        self._pieces: deque[bytes] = deque()
        self._head: External | None = None
        self._paused = False
        self.key = key
        self.at_once = False
        self.reads: Reads | None = None
        self.backlog = 0
        self.room = IN_FLIGHT
        self.drained: Callable[[], None] | None = None
        self.watch: Callable[[bytes], bool] | None = None
        self.unwanted: Callable[[], None] | None = None

    @property
    def buffered(self) -> int:
        """Bytes that the kernels have no room for, so that they wait in the writer's buffer."""
        return max(0, self.backlog - self.room)

    def push(self, piece: bytes) -> None:
        """Add bytes at the far end, or `END`."""
        if self.watch is not None and self.watch(piece):
            piece = Heartbeat(piece)
        if self.at_once and not self._pieces and not self._paused:
            self.sink(piece)
            return
        if self.unwanted is not None:
            if piece:
                self.unwanted()
            return
        while len(piece) > MAX_READ and self.watch is None:
            self._pieces.append(piece[:MAX_READ])
            self.backlog += MAX_READ
            piece = piece[MAX_READ:]
        if self.reads == "split" and len(piece) > 1 and type(piece) is not Heartbeat:
            half = len(piece) // 2
            self._pieces.append(piece[:half])
            piece = piece[half:]
            self.backlog += half
        self._pieces.append(piece)
        self.backlog += len(piece)
        self._advance()

    def _advance(self) -> None:
        if self._head is None and self._pieces and not self._paused and not self.at_once:
            key = ("pong", *self.key[1:]) if type(self._pieces[0]) is Heartbeat else self.key
            self._head = self._loop.external(key, self._arrive, context=self._context)

    def _arrive(self) -> None:
        self._head = None
        if self._paused or not self._pieces:
            return
        piece = self._pieces.popleft()
        if self.reads == "merged":
            while self._pieces and piece and self._pieces[0] and len(piece) < MAX_READ:
                piece = piece + self._pieces.popleft()
        self.backlog -= len(piece)
        self.sink(piece)
        if self.drained is not None:
            self.drained()
        self._advance()

    def pause(self) -> None:
        """The reader stops reading."""
        self._paused = True
        if self._head is not None:
            self._loop.withdraw(self._head)
            self._head = None

    def resume(self) -> None:
        """The reader reads again; what waited for a reader that takes everything at once is there now."""
        self._paused = False
        if self.at_once:
            while self._pieces and not self._paused:
                self._arrive()
        else:
            self._advance()

    def cut(self) -> None:
        """Forget what the kernels had no room for yet."""
        while self._pieces and self.buffered:
            excess = self.buffered
            last = self._pieces.pop()
            self.backlog -= len(last)
            if len(last) > excess:
                self._pieces.append(last[:-excess])
                self.backlog += len(last) - excess

    def drop(self) -> None:
        """Forget what is on its way, and let nothing more through."""
        self._pieces.clear()
        self.backlog = 0
        self.pause()
