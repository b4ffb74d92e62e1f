"""One readiness loop for all sockets: whoever can read or write is told, on asyncio and on trio alike.

The backend waits for one descriptor, that of the selector in which all sockets are (an epoll or kqueue object can be
waited for itself).  So a message costs neither a task nor a callback of the backend's, and as much on either.  Where
selectors have no descriptor (Windows), the selector is asked every few milliseconds.
"""

from __future__ import annotations

import selectors
import socket
import time
from typing import Protocol

import anyio

__all__ = ("READ", "WRITE", "Hub", "Ready")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

ASKED = 0.002
"""Seconds between two looks at a selector that cannot be waited for."""

LONGEST = 0.01
"""Seconds for which sockets are served before others have a turn, while there are any to serve."""


class Ready(Protocol):
    """Who has a socket in the hub."""

    def ready(self, events: int) -> None:
        """The socket can be read from, or written to, or is broken."""


class Hub:
    """The selector, and the loop over it."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}
        """descriptor -> what it is watched for; 0 where it is known and left alone"""

    def watch(self, sock: socket.socket, who: Ready, events: int) -> None:
        """Tell somebody from now on when a socket can be read or written; with 0, no more for the time being."""
        number = sock.fileno()
        before = self._watched.get(number, 0)
        if events == before:
            self._watched.setdefault(number, 0)
            return
        if not before:
            self.selector.register(sock, events, who)
        elif not events:
            self.selector.unregister(sock)
        else:
            self.selector.modify(sock, events, who)
        self._watched[number] = events

    def forget(self, sock: socket.socket) -> None:
        """Let go of a socket that is about to be closed."""
        if self._watched.pop(sock.fileno(), 0):
            self.selector.unregister(sock)

    @property
    def sockets(self) -> int:
        """How many there are."""
        return len(self._watched)

    async def run(self) -> None:
        """Serve the sockets until cancelled."""
        waited = getattr(self.selector, "fileno", None)
        until_readable = getattr(anyio, "wait_readable", None) or anyio.wait_socket_readable  # before anyio 4.7
        while True:
            if waited is not None:
                await until_readable(waited())
            else:
                await anyio.sleep(ASKED)
            self.serve()

    def serve(self) -> None:
        """Serve whoever is ready, for no longer than others can wait."""
        ends = time.perf_counter() + LONGEST
        while ready := self.selector.select(0):
            for key, events in ready:
                if key.fd in self._watched:  # it may have been closed by one before it
                    key.data.ready(events)
            if time.perf_counter() > ends:
                return

    def close(self) -> None:
        self.selector.close()
