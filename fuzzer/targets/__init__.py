"""Targets: the adapter protocol for managers, wires for applications, and what both are run with."""

from typing import TYPE_CHECKING, Any

from .adapter import Adapter, Client, Event, Limits, Target
from .websocket import FakeWebSocket, PeerGoneError

if TYPE_CHECKING:
    from .applications import application
    from .socketio import SocketIOWire
    from .wire import TEXT, JsonWire, Login, Outgoing, Reading, Request, Wire

__all__ = (
    "TEXT",
    "Adapter",
    "Client",
    "Event",
    "FakeWebSocket",
    "JsonWire",
    "Limits",
    "Login",
    "Outgoing",
    "PeerGoneError",
    "Reading",
    "Request",
    "SocketIOWire",
    "Target",
    "Wire",
    "application",
)


def __getattr__(name: str) -> Any:
    """Applications and wires on first use: they need the drivers, which need the adapters above."""
    from . import applications, socketio, wire

    for module in (applications, socketio, wire):
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
