"""One HTTP request of a client over a socket of its own, read as it comes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

from ..clients.exchange import Exchange, NoHttpError
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
        self._exchange = Exchange(asked, address.host)
        self._cipher = address.cipher()
        self._out = bytearray(self._exchange.sent if self._cipher is None else self._cipher.sent(self._exchange.sent))
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
            elif events & READ and self._took(self._sock.recv(CHUNK)):
                self.end()
        except BlockingIOError:
            pass
        except OSError as error:
            self.end(trouble(error))
        except NoHttpError:
            self.end("no HTTP")

    def _took(self, data: bytes) -> bool:
        """Read what has come in; gives whether the answer is whole."""
        if self._cipher is None or not data:
            return self._exchange.take(data)
        meant = self._cipher.received(data)
        if answer := self._cipher.sent(b""):
            self._out += answer
            self._hub.watch(self._sock, self, WRITE)
        return bool(meant) and self._exchange.take(meant)

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
        answer = self._exchange.answer
        self._heard(replace(answer, status=0) if why else answer)
