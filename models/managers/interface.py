"""The interface matrix: which manager has which public method, and how far two managers differ."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from . import (
    DegradedWebSocketManager,
    EmergencyWebSocketManager,
    IsolatedWebSocketManager,
    UnifiedWebSocketManager,
    WebSocketConnectionManager,
    WebSocketManagerAdapter,
    WebSocketManagerFactory,
)

__all__ = ("SEVEN", "Difference", "Method", "differences", "matrix", "methods")

SEVEN: tuple[tuple[str, type], ...] = (
    ("IsolatedWebSocketManager", IsolatedWebSocketManager),
    ("WebSocketManagerFactory", WebSocketManagerFactory),
    ("EmergencyWebSocketManager", EmergencyWebSocketManager),
    ("DegradedWebSocketManager", DegradedWebSocketManager),
    ("UnifiedWebSocketManager", UnifiedWebSocketManager),
    ("WebSocketManagerAdapter", WebSocketManagerAdapter),
    ("WebSocketConnectionManager", WebSocketConnectionManager),
)


@dataclass(frozen=True, slots=True)
class Method:
    """One public method: whether it is ``async``, and the names of its parameters."""

    name: str
    is_async: bool
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{'async' if self.is_async else 'sync'} ({', '.join(self.parameters)})"


@dataclass(frozen=True, slots=True)
class Difference:
    """How two managers differ: methods only one of them has, and methods both have in different forms."""

    left: str
    right: str
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    changed: tuple[str, ...]
    same_class: bool

    def __len__(self) -> int:
        return len(self.only_left) + len(self.only_right) + len(self.changed)


def methods(manager: type) -> dict[str, Method]:
    """The public methods of a class, by name."""
    found = {}
    for name, member in inspect.getmembers(manager, inspect.isfunction):
        if not name.startswith("_"):
            parameters = tuple(inspect.signature(member).parameters)[1:]
            found[name] = Method(name, inspect.iscoroutinefunction(member), parameters)
    return found


def matrix(managers: Sequence[tuple[str, type]] = SEVEN) -> dict[str, dict[str, Method | None]]:
    """Method -> manager -> its form there, or None."""
    tables = {name: methods(manager) for name, manager in managers}
    names = sorted({method for table in tables.values() for method in table})
    return {method: {name: tables[name].get(method) for name, _ in managers} for method in names}


def differences(managers: Sequence[tuple[str, type]] = SEVEN) -> list[Difference]:
    """Every pair of managers, compared."""
    found = []
    for (left, left_class), (right, right_class) in combinations(managers, 2):
        ours, theirs = methods(left_class), methods(right_class)
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
