"""What a function would start or give back, as its source says; nothing is called.

A script's ``main`` has a loop of its own, so users are told what to name instead of it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..core.source import within

__all__ = ("Start", "class_given", "parsed", "start_in")

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
    tree = parsed(function)
    if tree is None:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name, owner = _called(node.func)
            if name == "run_app" or (name in STARTERS and (owner in OWNERS or _is_loop(node.func))):
                return Start(ast.unparse(node.func), _runs(node, owner))
            if name == "run" and owner in ("app", "application", "server", "socketio"):
                return Start(ast.unparse(node.func), owner)
    return None


def class_given(function: Callable[..., Any]) -> Any:
    """The class, or other callable, of what a function makes in its own body and returns; None where it does not."""
    tree = parsed(function)
    body = tree.body[0] if tree is not None and tree.body else None
    if not isinstance(body, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    made: dict[str, ast.expr] = {}
    own = list(within(body))
    for node in own:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made |= {target.id: node.value.func for target in targets if isinstance(target, ast.Name)}
    for node in own:
        if isinstance(node, ast.Return) and node.value is not None:
            given = node.value.func if isinstance(node.value, ast.Call) else made.get(ast.unparse(node.value))
            if given is not None:
                return _meant(given, getattr(function, "__globals__", {}))
    return None


def _meant(written: ast.expr, names: Mapping[str, Any]) -> Any:
    """What a dotted name stands for in a module; None where it is no such name, or stands for nothing yet."""
    if isinstance(written, ast.Name):
        return names.get(written.id)
    if isinstance(written, ast.Attribute):
        return inspect.getattr_static(_meant(written.value, names), written.attr, None)
    return None


def parsed(function: Callable[..., Any]) -> ast.Module | None:
    """A function's source; None where there is none to read."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
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
