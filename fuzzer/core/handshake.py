"""What a client sends to open a connection, and the messages that travel over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .text import cut, plain

__all__ = ("Frame", "Request", "Sent")

Frame = str | bytes
"""A WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True)
class Request:
    """A WebSocket opening handshake (RFC 6455, section 4.1), as far as applications look at it.

    ``headers``: pairs of a name and a value, or a mapping.
    """

    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.headers, Mapping):
            object.__setattr__(self, "headers", tuple(self.headers.items()))


class Sent(NamedTuple):
    """A message as a client was sent it; ``row`` is the number of the history's row that tells of it, if one does."""

    connection: str
    frame: Frame
    row: int | None

    def shown(self, longest: int | None) -> str:
        """Return the message to be shown, no longer than so many characters."""
        text = self.frame if isinstance(self.frame, str) else repr(self.frame)
        return plain(text if longest is None else cut(text, longest))
