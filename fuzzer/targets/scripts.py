"""What a script's ``main`` would start.  It has a loop of its own, so users are told what to name instead of it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ("Start", "start_in")

STARTERS = frozenset({"run", "run_app", "run_forever", "run_until_complete", "run_simple", "start", "serve_forever"})
"""Functions and methods that run an event loop or a server until it ends."""

OWNERS = frozenset({"anyio", "asyncio", "hypercorn", "loop", "reactor", "trio", "uvicorn", "uvloop", "web"})
"""Names in front of the dot that make it certain; of an application's own ``run``, its name does."""


@dataclass(frozen=True)
class Start:
    """A call by which a function starts a loop: as it is written, and the name of what it runs, where it has one."""

    call: str
    runs: str | None


def start_in(function: Callable[..., Any]) -> Start | None:
    """The call in a plain function's source that starts an event loop or a server; None where there is none."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name, owner = _called(node.func)
            if name == "run_app" or (name in STARTERS and (owner in OWNERS or _is_loop(node.func))):
                return Start(ast.unparse(node.func), _runs(node, owner))
            if name == "run" and owner in ("app", "application", "server", "socketio"):
                return Start(ast.unparse(node.func), owner)
    return None


def _called(function: ast.expr) -> tuple[str, str]:
    if isinstance(function, ast.Name):
        return function.id, ""
    if isinstance(function, ast.Attribute):
        return function.attr, function.value.id if isinstance(function.value, ast.Name) else ""
    return "", ""


def _is_loop(function: ast.expr) -> bool:
    """``asyncio.get_event_loop().run_forever``, ``IOLoop.current().start``."""
    return isinstance(function, ast.Attribute) and any(
        word in ast.unparse(function.value) for word in ("event_loop", "IOLoop", "reactor")
    )


def _runs(call: ast.Call, owner: str) -> str | None:
    """The name of what is run: of a coroutine function, or of an application."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Call):
        first = first.func
    if isinstance(first, ast.Constant) and isinstance(first.value, str) and ":" in first.value:
        return first.value
    return first.id if isinstance(first, ast.Name) else None
