"""Crosswire's public names: everything a test target, a wire or a test module imports.

    from crosswire.fuzzer import Adapter, JsonWire, Limits, application, latency, test_case_for

Each is loaded when it is asked for first.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
"""As typing's, which takes its time to import: Ctrl-C in it would come before the command has its handler."""

if TYPE_CHECKING:
    from typing import Any

    from .core.errors import CrosswireError, UsageError
    from .core.handshake import Request
    from .drivers import TargetError
    from .fuzztest import fuzz
    from .reports.analysis import Results
    from .targets.adapter import Adapter, Client, Event, Limits, Policy, Target
    from .targets.applications import application
    from .targets.json_wire import TEXT, JsonWire
    from .targets.login import Http, HttpLogin
    from .targets.own import Action, operation
    from .targets.places import UnknownTargetError
    from .targets.presence import Presence
    from .targets.socketio import SocketIOWire
    from .targets.standins import HttpService, LineServer, Redis, StandIn
    from .targets.users import integer_users, uuid_users
    from .targets.websocket import ClientDisconnectedError, FakeWebSocket
    from .targets.wire import Login, Outgoing, Reading, Wire, WireError
    from .testcase import ViolationFound, test_case_for
    from .world import latency

__all__ = (
    "TEXT",
    "Action",
    "Adapter",
    "Client",
    "ClientDisconnectedError",
    "CrosswireError",
    "Event",
    "FakeWebSocket",
    "Http",
    "HttpLogin",
    "HttpService",
    "JsonWire",
    "Limits",
    "LineServer",
    "Login",
    "Outgoing",
    "Policy",
    "Presence",
    "Reading",
    "Redis",
    "Request",
    "Results",
    "SocketIOWire",
    "StandIn",
    "Target",
    "TargetError",
    "UnknownTargetError",
    "UsageError",
    "ViolationFound",
    "Wire",
    "WireError",
    "__version__",
    "application",
    "fuzz",
    "integer_users",
    "latency",
    "operation",
    "test_case_for",
    "uuid_users",
)

HOMES = {
    "core.errors": ("CrosswireError", "UsageError"),
    "core.handshake": ("Request",),
    "drivers": ("TargetError",),
    "fuzztest": ("fuzz",),
    "reports.analysis": ("Results",),
    "targets.adapter": ("Adapter", "Client", "Event", "Limits", "Policy", "Target"),
    "targets.applications": ("application",),
    "targets.places": ("UnknownTargetError",),
    "targets.login": ("Http", "HttpLogin"),
    "targets.own": ("Action", "operation"),
    "targets.presence": ("Presence",),
    "targets.socketio": ("SocketIOWire",),
    "targets.standins": ("HttpService", "LineServer", "Redis", "StandIn"),
    "targets.users": ("integer_users", "uuid_users"),
    "targets.websocket": ("FakeWebSocket", "ClientDisconnectedError"),
    "targets.json_wire": ("TEXT", "JsonWire"),
    "targets.wire": ("Login", "Outgoing", "Reading", "Wire", "WireError"),
    "testcase": ("ViolationFound", "test_case_for"),
    "world": ("latency",),
}
"""Where the public names live."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("crosswire")
    for home, names in HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
            return value
    from .core.renames import CLASSES_NOW, moved

    if name in CLASSES_NOW:
        import warnings

        warnings.warn(moved("class", name, CLASSES_NOW[name]), DeprecationWarning, stacklevel=2)
        return __getattr__(CLASSES_NOW[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
