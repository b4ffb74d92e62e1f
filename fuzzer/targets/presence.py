"""Presence: how an application tells its clients who is online, and who they then think is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ("Presence", "Seen")


class Seen(NamedTuple):
    """What a frame says of who is online: the whole list, where it has one, and who came or left."""

    online: tuple[str, ...] | None = None
    came: str | None = None
    left: str | None = None

    def after(self, before: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Who is online now, if that is who was; None where nobody has told yet."""
        known = self.online if self.online is not None else before
        if known is None:
            return None
        if self.came is not None and self.came not in known:
            known = (*known, self.came)
        return tuple(user for user in known if user != self.left)


@dataclass(frozen=True)
class Presence:
    """Frames that say who is online.

    ``roster`` is what a frame contains that has the whole list, in the field ``users``: names, or objects with the
    field ``user``.  ``came`` and ``left`` are what frames contain that name, in the field ``user``, somebody who came
    online, or is online no more.  Nothing is held against the application before a client has been sent a roster.
    """

    roster: Mapping[str, Any]
    users: str = "users"
    came: Mapping[str, Any] | None = None
    left: Mapping[str, Any] | None = None
    user: str = "user"

    def read(self, data: Mapping[str, Any], named: Callable[[Any], str | None]) -> Seen | None:
        """What a frame says of presence; None where it says nothing."""
        if self.roster.items() <= data.items():
            listed = data.get(self.users)
            if isinstance(listed, list | tuple | dict):
                return Seen(tuple(user for user in map(named, map(self._name, listed)) if user is not None))
        if self.came is not None and self.came.items() <= data.items():
            return Seen(came=named(data.get(self.user)))
        if self.left is not None and self.left.items() <= data.items():
            return Seen(left=named(data.get(self.user)))
        return None

    def _name(self, entry: Any) -> Any:
        return entry.get(self.user) if isinstance(entry, Mapping) else entry
