"""Exceptions that say no more than that a client has left.

A handler that lets one of them through ends with its client, as it should; libraries log it, and nobody minds.
"""

from __future__ import annotations

__all__ = ("is_departure",)

NAMES = frozenset(
    {
        "ClientDisconnected",  # uvicorn
        "ClientGoneError",  # here
        "ClientConnectionResetError",  # aiohttp
        "ConnectionClosed",  # websockets
        "ConnectionError",
        "PeerGoneError",  # here
        "WebSocketDisconnect",  # Starlette, Litestar
        "WebSocketDisconnected",  # Starlette
    }
)

PHRASES = ("once a close message has been sent", "after sending 'websocket.close'")
"""What plain RuntimeErrors of Starlette and uvicorn say of a connection that is gone."""


def is_departure(error: BaseException | None) -> bool:
    """Whether an exception, or every one of a group, is by its class only the news that a connection is gone."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_departure(one) for one in error.exceptions)
    if type(error) is RuntimeError and any(phrase in str(error) for phrase in PHRASES):
        return True
    return any(cls.__name__ in NAMES for cls in type(error).__mro__)
