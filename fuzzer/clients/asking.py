"""One HTTP request of a simulated client over a real socket: HTTP/1.1 by h11.

That the request arrives is an external event, and so is that the client reads the answer.
"""

from __future__ import annotations

from contextvars import Context
from typing import TYPE_CHECKING

import h11

from ..core.http import HttpAnswer, HttpRequest
from .endpoint import END, Endpoint
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
        self._connection = h11.Connection(h11.CLIENT)
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = b""
        self._told = False
        headers = [("host", HOST), ("content-length", str(len(asked.body))), ("connection", "close"), *asked.headers]
        pieces = [self._connection.send(h11.Request(method=asked.method, target=asked.path, headers=headers))]
        if asked.body:
            pieces.append(self._connection.send(h11.Data(data=asked.body)))
        pieces.append(self._connection.send(h11.EndOfMessage()))
        self._bytes = b"".join(piece for piece in pieces if piece)

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
            self.end.write(self._bytes)
        else:
            self._loop.external(("bytes", self.name), self.end.write, self._bytes, context=Context())

    def pump(self) -> bool:
        """Read what has come of the answer."""
        moved = self.end.flush()
        if self.end.connected and not self.end.closed:
            self.end.read(self._understand)
        return moved

    def settle(self) -> None:
        pass

    def _understand(self, data: bytes) -> None:
        try:
            self._connection.receive_data(data)
            while not self._told:
                event = self._connection.next_event()
                if isinstance(event, h11.Response):
                    decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                    self._status, self._headers = event.status_code, tuple(decoded)
                elif isinstance(event, h11.Data):
                    self._body += bytes(event.data)
                elif not isinstance(event, h11.EndOfMessage | h11.InformationalResponse):
                    break
                elif isinstance(event, h11.EndOfMessage):
                    self._tell()
        except h11.RemoteProtocolError:  # the server ended in the middle, or does not speak HTTP
            self._tell()
        if data == END:
            self._tell()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        self.end.close()
        answer = HttpAnswer(self._status, self._headers, self._body)
        if self._whole:
            self._loop.external(("response", self.name), self._heard, answer, context=Context())
        else:
            self._heard(answer)
