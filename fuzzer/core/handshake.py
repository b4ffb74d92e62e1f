"""What a client sends to open a connection, and the messages that travel over it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Frame", "Request")

Frame = str | bytes
"""A WebSocket message: text or binary."""


@dataclass(frozen=True, slots=True)
class Request:
    """A WebSocket opening handshake (RFC 6455, section 4.1), as far as applications look at it."""

    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    subprotocols: tuple[str, ...] = ()
