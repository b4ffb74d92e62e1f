"""What the source of a Socket.IO application's handlers tells of its events: guesses at a wire, the likeliest first.

Who is put into a room by a handler joins by its event; what a handler passes on is said by its event; who the rest are
for, its arguments tell.  Guesses are for a file that a user completes, and are tried before they are written.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .handlers import Seen, Source, called_name, parameters_of, read_source, sources_of
from .protocol import placeholder_for
from .routes import Route, handlers_of, namespace_of, takes_auth
from .socketio import SocketIOWire

__all__ = ("socketio_guesses",)

LOGS_IN = re.compile(r"(log_?in|sign_?in|auth\w*|identify|hello|register\w*|set_?(user|name)\w*)", re.IGNORECASE)

PASSES_ON = frozenset({"emit", "send"})


@dataclass
class _Handler:
    """An event and what its handler does with it."""

    name: str
    arguments: tuple[str, ...]
    """What they are called, without the session's."""
    keys: tuple[str, ...]
    """What is looked up in the only one."""
    enters: bool = False
    leaves: bool = False
    tells: bool = False
    answers: list[dict[str, bool]] = field(default_factory=list)
    """What is simply true or false in the objects that it returns."""
    confirms: str | None = None
    """The event that it sends back to whoever sent this."""

    def says(self) -> tuple[Any, ...]:
        """The event as a template."""
        if len(self.arguments) == 1 and self.keys:
            said = {key: self._value(key) for key in self.keys}
            passes_all_on = self.tells and not self.enters and "{event}" not in said.values()
            return self.name, {**said, "text": "{event}"} if passes_all_on else said
        return self.name, *(self._value(argument) for argument in self.arguments)

    def _value(self, called: str) -> str:
        meant = placeholder_for(called)
        if meant is None and self.tells and not self.enters and not self._has_text:
            return "{event}"
        alone = len(self.keys or self.arguments) == 1
        return meant or ("{room}" if (self.enters or self.leaves) and alone else "x")

    @property
    def _has_text(self) -> bool:
        return any(placeholder_for(called) == "{event}" for called in self.keys or self.arguments)

    def names(self, placeholder: str) -> bool:
        return placeholder in str(self.says()[1:])


def socketio_guesses(route: Route) -> list[SocketIOWire]:
    """Wires that the handlers behind a Socket.IO route may speak, the likeliest first."""
    auth, read = None, []
    for name, function in handlers_of(route.endpoint).items():
        if name == "connect" and takes_auth(route.endpoint):
            auth = _shown(function)
        elif name not in ("connect", "disconnect"):
            read.append(_read(name, function))
    logins = [one for one in read if _logs_in(one)]
    common: dict[str, Any] = {
        "path": route.path,
        "namespace": namespace_of(route.endpoint),
        "auth": auth,
        "to_user": None,
        "first": [one.says() for one in logins],
        "ready": _answer(logins[-1]) if logins else None,
    }
    joins = next((one for one in read if one.enters and one.names("{room}")), None)
    leaves = next((one for one in read if one.leaves and not one.enters and one.names("{room}")), None)
    if joins is not None:
        common |= {"join": joins.says(), "joined": _answer(joins), "leave": leaves.says() if leaves else None}
    told = [one for one in read if one.tells and not (one.enters or one.leaves) and one.names("{event}")]
    return [SocketIOWire(**{**common, **ways}) for ways in _ways(told, joins)]


def _ways(told: list[_Handler], joins: _Handler | None) -> Iterator[dict[str, Any]]:
    """Whom clients may speak to by an event, and what turns it down."""
    for one in told:
        refused = next((answer for answer in one.answers if not all(answer.values())), None)
        rejected = None if refused is None else (SocketIOWire.ACK, refused)
        if one.names("{room}") or (joins is not None and not one.names("{to}")):
            yield {"to_room": one.says(), "rejected": rejected}
        if one.names("{to}"):
            yield {"to_user": one.says(), "rejected": rejected}
        elif not one.names("{room}"):
            yield {"to_all": one.says(), "rejected": rejected}


def _answer(asked: _Handler) -> Any:
    """The event, or the acknowledgement, that says that what was asked for is done; None where nothing does."""
    if asked.confirms is not None:
        return asked.confirms
    good = next((answer for answer in asked.answers if all(answer.values())), None)
    return None if good is None else (SocketIOWire.ACK, good)


def _logs_in(one: _Handler) -> bool:
    who = one.names("{user}") or one.names("{token}")
    return who and not (one.names("{event}") or one.names("{room}")) and (one.enters or bool(LOGS_IN.match(one.name)))


def _read(name: str, function: Any) -> _Handler:
    sid, *arguments = parameters_of(function) or ["sid"]
    seen, called = Seen(), set()
    found = _Handler(name, tuple(arguments), ())
    for number, source in enumerate(sources_of(function, set(arguments[:1]))):
        read_source(source, seen)
        calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
        called |= {called_name(call.func) for call in calls}
        if not number:
            found.confirms = next(filter(None, (_confirms(call, sid) for call in calls)), None)
            found.answers = list(_returned(source))
    found.keys = tuple(seen.keys) if len(arguments) == 1 else ()
    found.enters, found.leaves = "enter_room" in called, "leave_room" in called
    found.tells = bool(called & PASSES_ON)
    return found


def _confirms(call: ast.Call, sid: str) -> str | None:
    """The event that a call sends to whoever sent this one."""
    to = next((word.value for word in call.keywords if word.arg in ("to", "room")), None)
    first = call.args[0] if call.args else None
    back = called_name(call.func) == "emit" and isinstance(to, ast.Name) and to.id == sid
    return first.value if back and isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _returned(source: Source) -> Iterator[dict[str, bool]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            items = zip(node.value.keys, node.value.values, strict=True)
            said = {
                str(key.value): value.value
                for key, value in items
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant) and isinstance(value.value, bool)
            }
            if said:
                yield said


def _shown(function: Any) -> dict[str, str]:
    """What goes with the connect packet: what the handler looks up in it."""
    seen = Seen()
    for source in sources_of(function, set(parameters_of(function)[2:3])):
        read_source(source, seen)
    named = {key: "{user}" if placeholder_for(key) == "{user}" else "{token}" for key in seen.keys}
    return named or {"token": "{token}"}
