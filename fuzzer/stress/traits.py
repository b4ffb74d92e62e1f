"""A live server as a target: what is known of it is its wire, and what it declares."""

from __future__ import annotations

from dataclasses import dataclass

from ..targets.adapter import Target
from ..targets.policy import Policy
from ..targets.traits import WireTraits
from ..targets.wire import Wire

__all__ = ("LiveTraits", "live_target")

NOT_OURS = frozenset({"shut_down", "clean_up", "sweep", "cancel"})
"""Operations of the server's own: nobody outside can ask for them."""

HOSTILE = frozenset({"garble", "truncate", "flood"})
"""What no well-behaved client does."""


@dataclass(frozen=True)
class LiveTraits(WireTraits):
    """The same, of a server that others may be using: ``gentle`` leaves out what is hostile to them."""

    gentle: bool = False

    def offers(self, method: str) -> bool:
        if method in NOT_OURS or (self.gentle and method in HOSTILE):
            return False
        return super().offers(method)


def _nothing() -> None:
    raise AssertionError("a live server is not made here")


def live_target(url: str, wire: Wire, policy: Policy, *, gentle: bool = False) -> Target:
    """Return the target that stands for the server at a URL."""
    return Target(url, _nothing, LiveTraits(wire, policy, by_bytes=True, gentle=gentle), wire.describe())
