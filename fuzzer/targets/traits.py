"""What is known of an application with a wire before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from .adapter import Limits
from .wire import Wire

__all__ = ("WireTraits",)


@dataclass(frozen=True)
class WireTraits:
    """What the application promises, how clients speak to it, and whether they reach it over bytes."""

    wire: Wire
    limits: Limits
    offline_delivery: bool = False
    by_bytes: bool = False

    by_wire = True

    @property
    def checks_identity(self) -> bool:
        return self.wire.authenticates

    def offers(self, method: str) -> bool:
        if method in ("garble", "truncate", "flood"):
            return self.by_bytes
        return self.wire.offers(method)
