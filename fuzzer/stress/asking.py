"""One HTTP request of a client over a socket of its own: HTTP/1.1 by h11, read as it comes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import h11

from ..core.http import HttpAnswer, HttpRequest
from .hub import READ, WRITE, Hub
from .link import CHUNK, PATIENCE, Address, trouble

__all__ = ("Asking",)


class Asking:
    """A request under way; ``heard`` is told the answer, with the status 0 where there is none, and ``failed`` why."""

    def __init__(
        self,
        hub: Hub,
        address: Address,
        asked: HttpRequest,
        heard: Callable[[HttpAnswer], None],
        failed: Callable[[str], None],
    ) -> None:
        self.over = False
        self.began_at = time.perf_counter()
        self._hub, self._address, self._heard, self._failed = hub, address, heard, failed
        self._connection = h11.Connection(h11.CLIENT)
        self._status, self._body = 0, b""
        self._headers: tuple[tuple[str, str], ...] = ()
        headers = [
            ("host", address.host),
            ("content-length", str(len(asked.body))),
            ("connection", "close"),
            *asked.headers,
        ]
        pieces = [self._connection.send(h11.Request(method=asked.method, target=asked.path, headers=headers))]
        if asked.body:
            pieces.append(self._connection.send(h11.Data(data=asked.body)))
        pieces.append(self._connection.send(h11.EndOfMessage()))
        self._out = bytearray().join(piece for piece in pieces if piece)
        self._sock = socket.socket(address.family)
        self._sock.setblocking(False)
        self._sock.connect_ex(address.sockaddr)
        hub.watch(self._sock, self, WRITE)

    def ready(self, events: int) -> None:
        if self.over:
            return
        try:
            if events & WRITE:
                del self._out[: self._sock.send(self._out)]
                if not self._out:
                    self._hub.watch(self._sock, self, READ)
            elif events & READ:
                self._connection.receive_data(self._sock.recv(CHUNK))
                self._read()
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(trouble(error))
        except h11.RemoteProtocolError:
            self.end("no HTTP")

    def _read(self) -> None:
        while not self.over:
            event = self._connection.next_event()
            if isinstance(event, h11.Response):
                self._status = event.status_code
                self._headers = tuple((key.decode("latin-1"), value.decode("latin-1")) for key, value in event.headers)
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self.end()
            elif event is h11.NEED_DATA or not isinstance(event, h11.InformationalResponse):
                return

    def late(self, now: float) -> bool:
        """Give up a request that nobody answers; gives whether that was so."""
        if not self.over and now - self.began_at > PATIENCE:
            self.end("no answer")
        return self.over

    def end(self, why: str = "") -> None:
        """Close the socket, and tell what came of it."""
        if self.over:
            return
        self.over = True
        self._hub.forget(self._sock)
        self._sock.close()
        if why:
            self._failed(why)
        self._heard(HttpAnswer(0 if why else self._status, self._headers, self._body))
