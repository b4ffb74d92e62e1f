"""What is known of an application with a wire before it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..core.program import Kind
from .own import Own
from .policy import Limits, Policy, policy_of
from .routes import Route
from .wire import Wire

__all__ = ("AUDIENCES", "WireTraits")

AUDIENCES: tuple[Kind, ...] = ("emit", "emit_to_room", "broadcast")
"""Operations by which clients speak, for the fewest first."""


APPLICATIONS_REST = 15.0
"""Seconds after which an application is at rest where nobody says more; below the 20 s after which servers ping."""


@dataclass(frozen=True)
class WireTraits:
    """What the application promises, how clients speak to it, and whether they reach it over bytes.

    ``routes``: where it takes connections, as far as its framework tells; ``posts`` says where something can be posted
    to it, which hardly anybody asks.  ``guessed``: the operations by which clients may speak, for the fewest first,
    where nobody said whom that is for; ``reaches``: which of them it was found to be.
    Until that is known the last is offered, which asks for the least.
    """

    wire: Wire
    limits: Limits | Policy
    keeps: bool = False
    by_bytes: bool = False
    routes: tuple[Route, ...] = ()
    guessed: tuple[Kind, ...] = ()
    reaches: Kind | None = None
    posts: Callable[[], Sequence[Route]] = tuple

    by_wire = True

    @cached_property
    def policy(self) -> Policy:
        return policy_of(self.limits, self.keeps, APPLICATIONS_REST)

    @cached_property
    def own_operations(self) -> tuple[Own, ...]:
        return tuple(action.own(name) for name, action in self.wire.actions.items())

    @property
    def offline_delivery(self) -> bool:
        return self.policy.kept != "no"

    @property
    def checks_identity(self) -> bool:
        return self.wire.authenticates

    @property
    def logs_in_again(self) -> bool:
        return self.wire.logs_in_again

    def offers(self, method: str) -> bool:
        if method in ("garble", "truncate", "flood", "shut_down"):  # what ending means to clients, a server says
            return self.by_bytes
        if method == "malform":  # where it is not known what means something, neither is what does not
            return not self.guessed and self.wire.malformed(0) is not None
        if method == "act":
            return bool(self.wire.actions)
        if self.guessed and method in AUDIENCES:
            return method == (self.reaches or self.guessed[-1])
        return self.wire.offers(method)
