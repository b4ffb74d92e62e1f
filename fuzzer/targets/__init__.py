"""Targets: the adapter protocol for managers, wires for applications, and what both are run with."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.renames import CLASSES_NOW, moved
from .adapter import Adapter, Client, Event, Limits, Policy, Target
from .websocket import ClientDisconnectedError, FakeWebSocket

if TYPE_CHECKING:
    from .applications import application
    from .json_wire import TEXT, JsonWire
    from .login import Http, HttpLogin
    from .socketio import SocketIOWire
    from .users import integer_users, uuid_users
    from .wire import Login, Outgoing, Reading, Request, Wire

__all__ = (
    "TEXT",
    "Adapter",
    "Client",
    "ClientDisconnectedError",
    "Event",
    "FakeWebSocket",
    "Http",
    "HttpLogin",
    "JsonWire",
    "Limits",
    "Login",
    "Outgoing",
    "Policy",
    "Reading",
    "Request",
    "SocketIOWire",
    "Target",
    "Wire",
    "application",
    "integer_users",
    "uuid_users",
)


def __getattr__(name: str) -> Any:
    """Applications and wires on first use: they need the drivers, which need the adapters above."""
    if name in CLASSES_NOW:
        warnings.warn(moved("class", name, CLASSES_NOW[name]), DeprecationWarning, stacklevel=2)
        return globals()[CLASSES_NOW[name]]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for submodule in ("json_wire", "wire", "login", "users", "socketio", "applications"):
        module = import_module(f"{__name__}.{submodule}")
        if name in module.__all__:
            return getattr(module, name)
    raise AssertionError(name)  # __all__ lists what is nowhere
