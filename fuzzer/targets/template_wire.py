"""What wires by templates have in common: how they call users, what they offer, and what they are told of rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from .frames import FIELDS, Fields
from .login import Http
from .templates import Template, names_room
from .users import Naming, known_as
from .wire import UNASKED, Login, Outgoing, Request, Wire, WireError, check_actions, fill, words

__all__ = ("TemplateWire",)


class TemplateWire(Wire):
    """A wire that is declared field by field; which fields there are, and what they mean, `JsonWire` says."""

    path: str = "/"
    headers: Mapping[str, str] = {}
    users: Naming | None = None
    token: Callable[[Any], str] | None = None
    sender: str | None = None
    recipient: str | None = None
    to_user: Any = None
    to_all: Any = None
    to_room: Any = None
    ask: Any = None
    logout: Any = None
    expire_by: Any = None
    join: Any = None
    leave: Any = None
    joined: Any = None
    placed: Any = None
    rejected: Any = None
    logged_out: Any = None

    def check_answers(self, placed: Template | None) -> None:
        """See whether what is declared can be meant, ``placed`` being the template of it; raises `WireError`."""
        check_actions(self.actions)
        if placed is not None and not names_room(placed):
            raise WireError(f"placed={self.placed!r}: it says which room the client is put into, by {{room}}")
        if self.logged_out is not None and not self.offers("log_out"):
            raise WireError(UNASKED)

    # -- what is declared ------------------------------

    @property
    def rejects(self) -> bool:  # type: ignore[override]
        return self.rejected is not None

    @property
    def confirms_log_out(self) -> bool:  # type: ignore[override]
        return self.logged_out is not None

    @property
    def confirms_joins(self) -> bool:  # type: ignore[override]
        return self.joined is not None or isinstance(self.join, Http)

    @cached_property
    def chooses_rooms(self) -> bool:  # type: ignore[override]
        asks = names_room(self.join) or bool(self.rooms) or self.rooms_at_connect
        return self.placed is not None and self.to_room is not None and not (asks and self.names_rooms)

    @cached_property
    def names_rooms(self) -> bool:  # type: ignore[override]
        return names_room(self.to_room)

    @cached_property
    def leaves_where_it_is(self) -> bool:  # type: ignore[override]
        return self.join is not None and self.leave is not None and not names_room(self.leave)

    def offers(self, operation: str) -> bool:
        leaves_rooms = names_room(self.leave) or self.chooses_rooms or self.leaves_where_it_is
        templates = {
            "emit": self.to_user,
            "broadcast": self.to_all,
            "run_agent": self.ask,
            "log_out": self.logout or (None if leaves_rooms else self.leave),
            "expire": self.expire_by,
            "join": self.join,
            "leave": self.leave if leaves_rooms else None,
            "emit_to_room": self.to_room,
        }
        return templates.get(operation) is not None

    # -- in the application's own terms ------------------------------

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

    def request(self, login: Login) -> Request:
        said = self.said(login)
        return Request(
            str(fill(self.path, {key: quote(str(value)) for key, value in said.items()})),
            tuple((name, str(fill(value, said))) for name, value in self.headers.items()),
        )
