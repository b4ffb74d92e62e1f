"""One HTTP request and its answer as a client's bytes: HTTP/1.1 by h11, over whatever carries them."""

from __future__ import annotations

import h11

from ..core.http import HttpAnswer, HttpRequest

__all__ = ("Exchange", "NoHttpError")

NoHttpError = h11.RemoteProtocolError
"""The server ended in the middle of its answer, or does not speak HTTP."""


class Exchange:
    """``sent`` is the request; `take` reads what comes back, and ``answer`` is that, as far as it has come in."""

    def __init__(self, asked: HttpRequest, host: str) -> None:
        self._connection = h11.Connection(h11.CLIENT)
        headers = [("host", host), ("content-length", str(len(asked.body))), ("connection", "close"), *asked.headers]
        pieces = [self._connection.send(h11.Request(method=asked.method, target=asked.path, headers=headers))]
        if asked.body:
            pieces.append(self._connection.send(h11.Data(data=asked.body)))
        pieces.append(self._connection.send(h11.EndOfMessage()))
        self.sent = b"".join(piece for piece in pieces if piece)
        self._status, self._body = 0, b""
        self._headers: tuple[tuple[str, str], ...] = ()

    def take(self, data: bytes) -> bool:
        """Read bytes that came in, empty at the end; gives whether the answer is whole.  Raises `NoHttpError`."""
        self._connection.receive_data(data)
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Response):
                decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
                self._status, self._headers = event.status_code, tuple(decoded)
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return True
            elif not isinstance(event, h11.InformationalResponse):
                return False

    @property
    def answer(self) -> HttpAnswer:
        return HttpAnswer(self._status, self._headers, self._body)
