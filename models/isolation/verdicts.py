"""How a promise is checked: what looks like a breach, and the named excuses for which it is not one.

An excuse is a function of the index and one breach, tested by itself; its docstring says why it is right.  One that a
declaration makes valid carries the declaration, so that a violation can name what would allow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ...fuzzer.targets.policy import Policy
from .index import HistoryIndex
from .records import Connection, Event, Invocation
from .spans import NEVER
from .violations import Violation

__all__ = ("Breach", "Check", "Excuse", "declared", "rows_of")


@dataclass(frozen=True, slots=True)
class Breach:
    """What looks broken between two rows: the violation it would be, and what it is about."""

    violation: Violation
    since: int
    until: int
    event: Event | None = None
    act: Invocation | None = None
    connection: Connection | None = None
    told: Connection | None = None
    """whom the server has told what looks wrong"""
    failed: bool = False
    """Whether the server itself said that something went wrong in it: no declaration is named for that."""


Excuse = Callable[[HistoryIndex, Breach], bool]

DECLARATIONS: dict[Excuse, tuple[tuple[str, Any], ...]] = {}


def declared(**allows: Any) -> Callable[[Excuse], Excuse]:
    """Marks an excuse that holds by declaration; ``allows`` is the most permissive one."""

    def mark(excuse: Excuse) -> Excuse:
        DECLARATIONS[excuse] = tuple(allows.items())
        return excuse

    return mark


@cache
def _declaring(policy: Policy, allows: tuple[tuple[str, Any], ...]) -> Policy:
    return replace(policy, **dict(allows))


def _could(policy: Policy, name: str, most: Any) -> bool:
    """Whether more could be declared of it: a number that was declared stands as it is."""
    said = getattr(policy, name)
    return said != most and (said is None or isinstance(said, bool | float | str))


@dataclass(frozen=True)
class Check:
    """An obligation: its breaches, and when they are excused."""

    breaches: Callable[[HistoryIndex], Iterator[Breach]]
    excuses: tuple[Excuse, ...] = ()

    def violations(self, index: HistoryIndex) -> Iterator[Violation]:
        for breach in self.breaches(index):
            if not any(excuse(index, breach) for excuse in self.excuses):
                yield self._hinted(index, breach)

    def withheld(self, index: HistoryIndex) -> Iterator[tuple[Breach, str]]:
        """Breaches that are not reported, each with the name of the first excuse."""
        for breach in self.breaches(index):
            name = next((excuse.__name__ for excuse in self.excuses if excuse(index, breach)), None)
            if name is not None:
                yield breach, name

    def _hinted(self, index: HistoryIndex, breach: Breach) -> Violation:
        """Name the declarations that would allow it."""
        if breach.failed:
            return breach.violation
        policy, hints = index.policy, []
        for excuse in self.excuses:
            allows = DECLARATIONS.get(excuse)
            if allows is not None:
                index.policy = _declaring(policy, allows)
                if excuse(index, breach):
                    hints += [name for name, most in allows if name not in hints and _could(policy, name, most)]
                index.policy = policy
        return breach.violation.hinted(hints) if hints else breach.violation


def rows_of(*rows: int) -> tuple[int, ...]:
    return tuple(sorted({row for row in rows if row != NEVER}))
