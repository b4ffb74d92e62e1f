"""One HTTP request of a simulated client over a real socket.

That the request arrives is an external event, and so is that the client reads the answer.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING

from ..core.http import HttpRequest
from .endpoint import END, Endpoint
from .exchange import Exchange, NoHttpError
from .http import HOST, Heard

if TYPE_CHECKING:
    from ..world.stock import StockLoop

__all__ = ("LoopbackRequest",)


class LoopbackRequest:
    """The far end of a connection that carries one request.

    ``whole``: the request arrives as one event, as where an application is called directly.
    """

    taking = False

    def __init__(
        self, loop: StockLoop, name: str, port: int | None, asked: HttpRequest, heard: Heard, *, whole: bool
    ) -> None:
        self.name = name
        self.end = Endpoint(loop, name)
        self._loop = loop
        self._port = port
        self._heard = heard
        self._whole = whole
        self._exchange = Exchange(asked, HOST)
        self._told = False

    def send(self) -> None:
        """Ask; that the request arrives is an external event."""
        self._loop.external(("request" if self._whole else "connect", self.name), self._connect, context=Context())

    def _connect(self) -> None:
        address = self._loop.listening_at(self._port)
        if address is None:
            self._tell()
            return
        self.end.connect(address)
        self._loop.attach(self)
        if self._whole:
            self.end.write(self._exchange.sent)
        else:
            self._loop.external(("bytes", self.name), self.end.write, self._exchange.sent, context=Context())

    def pump(self) -> bool:
        """Read what has come of the answer."""
        moved = self.end.flush()
        if self.end.connected and not self.end.closed:
            self.end.read(self._understand)
        return moved

    def settle(self) -> None:
        pass

    def _understand(self, data: bytes) -> None:
        if self._told:
            return
        try:
            whole = self._exchange.take(data)
        except NoHttpError:
            whole = True
        if whole or data == END:
            self._tell()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        self.end.close()
        answer = self._exchange.answer
        if self._whole:
            self._loop.external(("response", self.name), self._heard, answer, context=Context())
        else:
            self._heard(answer)
