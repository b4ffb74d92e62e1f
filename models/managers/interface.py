"""The interface matrix: which class has which public members in which form, and how far any two classes differ."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import combinations
from types import FunctionType
from typing import Any, Literal

from . import (
    DegradedWebSocketManager,
    EmergencyWebSocketManager,
    IsolatedWebSocketManager,
    UnifiedWebSocketManager,
    WebSocketConnectionManager,
    WebSocketManagerAdapter,
    WebSocketManagerFactory,
)

__all__ = ("SEVEN", "Difference", "Member", "Parameter", "Sort", "differences", "matrix", "members")

SEVEN: tuple[tuple[str, type], ...] = (
    ("IsolatedWebSocketManager", IsolatedWebSocketManager),
    ("WebSocketManagerFactory", WebSocketManagerFactory),
    ("EmergencyWebSocketManager", EmergencyWebSocketManager),
    ("DegradedWebSocketManager", DegradedWebSocketManager),
    ("UnifiedWebSocketManager", UnifiedWebSocketManager),
    ("WebSocketManagerAdapter", WebSocketManagerAdapter),
    ("WebSocketConnectionManager", WebSocketConnectionManager),
)

Sort = Literal[
    "async", "sync", "async iterator", "context manager", "async context manager", "property", "async property"
]
"""How a member is used: awaited, called, walked with ``async for``, entered with ``with`` or ``async with``, or read;
what an async property gives is awaited."""


READ = frozenset({"property", "async property"})
"""Sorts of members that are called with nothing."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as callers see it.  ``how``: by position or name, by position only, by name only, or any number."""

    name: str
    optional: bool = False
    how: Literal["", "/", "*", "**", "name"] = ""

    def __str__(self) -> str:
        shown = f"{self.how}{self.name}" if self.how in ("*", "**") else self.name
        return f"{shown}=" if self.optional else shown


@dataclass(frozen=True, slots=True)
class Member:
    """A public method or property in the form it has in one class."""

    name: str
    sort: Sort
    parameters: tuple[Parameter, ...] = ()

    @property
    def called_with(self) -> str:
        """The parameters as they stand in a definition; a ``=`` after those that may be left out."""
        if self.sort in READ:
            return ""
        words: list[str] = []
        for at, parameter in enumerate(self.parameters):
            before = self.parameters[at - 1].how if at else None
            if parameter.how == "name" and before not in ("name", "*"):
                words.append("*")
            if before == "/" and parameter.how != "/":
                words.append("/")
            words.append(str(parameter))
        if self.parameters and self.parameters[-1].how == "/":
            words.append("/")
        return f"({', '.join(words)})"

    def __str__(self) -> str:
        return f"{self.sort} {self.called_with}".strip()


@dataclass(frozen=True, slots=True)
class Difference:
    """How two classes differ: members only one of them has, and members both have in different forms."""

    left: str
    right: str
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    changed: tuple[str, ...]
    same_class: bool

    def __len__(self) -> int:
        return len(self.only_left) + len(self.only_right) + len(self.changed)


_HOW: dict[Any, Literal["", "/", "*", "**", "name"]] = {
    inspect.Parameter.POSITIONAL_ONLY: "/",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "",
    inspect.Parameter.KEYWORD_ONLY: "name",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def members(owner: type) -> dict[str, Member]:
    """The public methods and properties of a class, inherited ones too, by name.

    Decorators are seen through where they say what they wrap.  What comes from classes written in C is left out.
    """
    found = {}
    for name, raw in inspect.getmembers_static(owner):
        if not name.startswith("_"):
            member = _member(owner, name, raw)
            if member is not None:
                found[name] = member
    return found


def _member(owner: type, name: str, raw: object) -> Member | None:
    if isinstance(raw, property | functools.cached_property):
        read = raw.fget if isinstance(raw, property) else raw.func
        return Member(name, "async property" if _sort(read) == "async" else "property")
    unbound = isinstance(raw, staticmethod | classmethod)
    function: Any = raw.__func__ if isinstance(raw, staticmethod | classmethod) else getattr(raw, "func", raw)
    if not isinstance(inspect.unwrap(function), FunctionType):
        return None
    parameters = list(inspect.signature(getattr(owner, name)).parameters.values())
    if not unbound and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]  # the instance; where there is ``*args`` only, that is more than the instance
    said = (Parameter(p.name, p.default is not p.empty, _HOW[p.kind]) for p in parameters)
    return Member(name, _sort(function), tuple(said))


_WITH = contextmanager(iter).__code__  # the same function wraps all of them
_ASYNC_WITH = asynccontextmanager(aiter).__code__


def _sort(function: Any) -> Sort:
    """What the outermost layer of a decorated function tells that tells anything."""
    while function is not None:
        code = getattr(function, "__code__", None)
        if code is _WITH:
            return "context manager"
        if code is _ASYNC_WITH:
            return "async context manager"
        if inspect.iscoroutinefunction(function):
            return "async"
        if inspect.isasyncgenfunction(function):
            return "async iterator"
        function = getattr(function, "__wrapped__", None)
    return "sync"


def matrix(classes: Sequence[tuple[str, type]] = SEVEN) -> dict[str, dict[str, Member | None]]:
    """Member -> class -> its form there, or None."""
    tables = {name: members(owner) for name, owner in classes}
    names = sorted({member for table in tables.values() for member in table})
    return {member: {name: tables[name].get(member) for name, _ in classes} for member in names}


def differences(classes: Sequence[tuple[str, type]] = SEVEN) -> list[Difference]:
    """Every pair of classes, compared."""
    found = []
    for (left, left_class), (right, right_class) in combinations(classes, 2):
        ours, theirs = members(left_class), members(right_class)
        found.append(
            Difference(
                left,
                right,
                tuple(sorted(ours.keys() - theirs.keys())),
                tuple(sorted(theirs.keys() - ours.keys())),
                tuple(sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])),
                left_class is right_class,
            )
        )
    return found
