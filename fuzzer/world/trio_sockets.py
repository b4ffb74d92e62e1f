"""What tasks on trio wait for at sockets of the world: `trio.socket`, and all that is made of it, is trio's own.

trio calls a socket and, where that would block, waits until its descriptor is ready.  The calls are gated already; who
waits is in the next batch after something came in or there is room, as where the kernel tells.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from .sockets import Sockets
from .trio_private import trio
from .trio_tasks import Waiter

__all__ = ("TrioSockets",)

Way = Literal["readable", "writable"]
WAYS: tuple[Way, ...] = get_args(Way)


class TrioSockets(Sockets):
    """The world's sockets, for tasks on trio; mixed into the world."""

    def sockets_clear(self) -> None:
        super().sockets_clear()
        self._watched: dict[tuple[int, Way], Waiter] = {}

    async def when(self, fd: int, way: Way) -> None:
        """Wait until a socket is ready; raises ``trio.BusyResourceError`` where another task waits for the same."""
        if (fd, way) in self._watched:
            raise trio.BusyResourceError("another task is already reading / writing this fd")
        if getattr(self.in_sockets[fd], way):
            await trio.lowlevel.checkpoint()
            return
        waiter = self._watched[fd, way] = Waiter()
        try:
            await waiter
        finally:
            if self._watched.get((fd, way)) is waiter:
                del self._watched[fd, way]

    def fd_changed(self, fd: int) -> None:
        state = self.in_sockets.get(fd)
        for way in WAYS:
            if (fd, way) in self._watched and getattr(state, way, True):
                self._watched.pop((fd, way)).set_result(None)

    def closing(self, fd: int) -> None:
        """Whoever waits for a socket that is about to be closed hears of it."""
        for way in WAYS:
            waiter: Any = self._watched.pop((fd, way), None)
            if waiter is not None:
                waiter.set_exception(trio.ClosedResourceError("another task closed this fd"))
