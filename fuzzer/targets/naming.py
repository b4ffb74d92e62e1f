"""Wires that say what an application calls its users, how it makes their tokens, and which fields name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from .frames import FIELDS, Fields
from .users import Naming, known_as
from .wire import Login, Outgoing, Wire, words

__all__ = ("NamingWire",)


class NamingWire(Wire):
    """A wire with ``users``, ``token``, ``sender`` and ``recipient``, as `JsonWire` has them."""

    users: Naming | None = None
    token: Callable[[Any], str] | None = None
    sender: str | None = None
    recipient: str | None = None

    def said(self, login: Login) -> Mapping[str, Any]:
        """What the placeholders stand for, in the application's own terms."""
        said: dict[str, Any] = words(login)
        if self.users is not None:
            said |= {"user": self.users(login.user), "identity": self.users(login.identity or login.user)}
        if self.token is not None and login.identity is not None and not login.issued:
            said["token"] = self.token(said["identity"])
        return said

    def told(self, event: Outgoing) -> Mapping[str, Any]:
        to = event.to
        named = to if to is None or self.users is None else self.users(to)
        room = {} if event.room is None else {"room": event.room}
        return {**self.said(event.login), **room, "event": event.marker, "to": "" if named is None else named}

    def called(self, user: str) -> str:
        return user if self.users is None else str(self.users(user))

    def user_named(self, value: Any) -> str | None:
        """The user whom a frame calls so."""
        if self.users is not None:
            return known_as(self.users).get(str(value), str(value)) if isinstance(value, str | int) else None
        return value if isinstance(value, str) else None

    @cached_property
    def fields(self) -> Fields:
        """The fields that say whose an event is: those that are declared, and the usual ones."""
        sender = FIELDS.sender if self.sender is None else (self.sender,)
        recipient = FIELDS.recipient if self.recipient is None else (self.recipient,)
        return Fields(sender, recipient, FIELDS.room, FIELDS.run, None if self.users is None else self.user_named)
