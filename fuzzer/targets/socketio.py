"""Socket.IO over its WebSocket transport.

Engine.IO protocol, revision 4: packets open 0, close 1, ping 2, pong 3, message 4.  Socket.IO protocol, revision 5:
connect 0, disconnect 1, event 2, ack 3, connect error 4, each within an Engine.IO message.  Text packets only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.jsons import read_json
from .frames import carries_any, in_objects, markers
from .login import Http, HttpLogin
from .own import Action
from .templates import contains, joined_room, names_room
from .wire import (
    UNASKED,
    Frame,
    Login,
    Outgoing,
    Reading,
    Request,
    Template,
    Wire,
    WireError,
    check_actions,
    fill,
    words,
)

__all__ = ("SocketIOWire",)

SAID = 2
"""The parts of an event that is said: its name, and its argument."""


@dataclass(frozen=True)
class SocketIOWire(Wire):
    """Events of a Socket.IO application, by templates as in `JsonWire`.

    ``auth`` goes with the connect packet.  ``first`` lists events, each ``(name, argument)``, sent once the namespace
    is connected (joining a room, say); ``to_user``, ``to_all`` and ``ask`` are the events that emit.  ``join``,
    ``leave`` and ``to_room`` are those of rooms; ``joined`` is the name of the event that answers the first, or it and
    what its argument contains: ``("joined", {"room": "{room}"})``.  A ``leave`` without ``{room}``, or ``logout``, logs
    out without hanging up, and ``logged_out`` is the name of the event that answers it; ``rejected`` that of one
    that turns down what a client has said.  ``placed`` and ``removed`` are those by which the server says that it has
    put the client into a room of its own choice, or taken it out, each with what its argument contains.

    ``actions`` are operations of the application's own: of each, ``say`` is an event, and ``answer`` names the one that
    answers it, with what its argument contains: ``Action(("edit", {"text": "{event}"}), answer={"edited": {}})``.

    ``ready`` is the name of the event that says a client is logged in, where the connect packet's answer does not, and
    ``user`` the field of its argument that says as whom.  ``recipient`` is the field of any event's argument that names
    the user it is for.  ``before`` is a login over HTTP that comes first.
    """

    path: str = "/socket.io/"
    namespace: str = "/"
    auth: Mapping[str, Any] | None = field(default_factory=lambda: {"token": "{token}"})
    first: Sequence[tuple[str, Template]] = ()
    to_user: tuple[str, Template] | None = ("message", {"to": "{to}", "text": "{event}"})
    to_all: tuple[str, Template] | None = None
    ask: tuple[str, Template] | None = None
    authenticates: bool = False
    rooms: Sequence[str] | Mapping[str, Sequence[str]] = ()
    join: tuple[str, Template] | None = None
    leave: tuple[str, Template] | None = None
    to_room: tuple[str, Template] | None = None
    joined: str | tuple[str, Mapping[str, Any]] | None = None
    logout: tuple[str, Template] | None = None
    logged_out: str | None = None
    rejected: str | None = None
    ready: str | None = None
    user: str | None = None
    recipient: str | None = None
    before: HttpLogin | None = None
    placed: tuple[str, Mapping[str, Any]] | None = None
    removed: tuple[str, Mapping[str, Any]] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)

    waits_for_ready = True
    has_heartbeats = True

    def __post_init__(self) -> None:
        if self.logged_out is not None and not self.offers("log_out"):
            raise WireError(UNASKED)
        check_actions(self.actions)
        for name, action in self.actions.items():
            if not isinstance(action.say, Http) and not (isinstance(action.say, tuple) and len(action.say) == SAID):
                raise WireError(f"the action {name!r} says an event, ('edit', {{'text': '{{event}}'}}), or a request")
            if action.answer is not None and len(action.answer) != 1:
                raise WireError(f"the action {name!r}: its answer= is one event and what its argument contains")

    @cached_property
    def chooses_rooms(self) -> bool:  # type: ignore[override]
        asks = names_room(self.join) or bool(self.rooms)
        return self.placed is not None and self.to_room is not None and not (asks and self.names_rooms)

    @cached_property
    def names_rooms(self) -> bool:  # type: ignore[override]
        return names_room(self.to_room)

    def describe(self) -> str:
        return f"Socket.IO at {self.path}" + (f", namespace {self.namespace}" if self.namespace != "/" else "")

    def offers(self, operation: str) -> bool:
        leaves_rooms = self.leave is not None and (names_room(self.leave[1]) or self.chooses_rooms)
        events = {
            "emit": self.to_user,
            "broadcast": self.to_all,
            "run_agent": self.ask,
            "join": self.join,
            "leave": self.leave if leaves_rooms else None,
            "log_out": self.logout or (None if leaves_rooms else self.leave),
            "emit_to_room": self.to_room,
        }
        return events.get(operation) is not None

    @property
    def confirms_log_out(self) -> bool:  # type: ignore[override]
        return self.logged_out is not None

    @property
    def rejects(self) -> bool:  # type: ignore[override]
        return self.rejected is not None

    @property
    def confirms_joins(self) -> bool:  # type: ignore[override]
        return self.joined is not None

    def request(self, login: Login) -> Request:
        return Request(f"{self.path}?EIO=4&transport=websocket")

    def read(self, frame: Frame, login: Login) -> Reading:
        if not isinstance(frame, str):
            return Reading(markers(frame), kind="attachment")
        kind = frame[:1]
        if kind == "0":
            auth = "" if self.auth is None else json.dumps(fill(self.auth, words(login)))
            return Reading(kind="open", answer=f"40{self._prefix()}{auth}")
        if kind == "2":
            return Reading(kind="ping", answer="3", heartbeat=True)
        if frame.startswith("40"):
            follow = [self._event(event, words(login)) for event in self.first]
            return Reading(kind="connected", ready=self.ready is None, follow=follow)
        if frame.startswith(("41", "44")):
            refused = frame.startswith("44")
            return Reading(kind="disconnected", refused=refused, dismissed=not refused)
        return self._read_event(frame, login)

    def _read_event(self, frame: str, login: Login) -> Reading:
        try:
            data = read_json(frame[frame.index("[") :])
        except ValueError:
            return Reading(markers(frame), kind="event")
        said = in_objects(data) if carries_any(frame) else {}
        arguments = data[1:]
        joined = self._joined(data[:1], arguments, login)
        ready = self.ready is not None and data[:1] == [self.ready]
        acted = self._acted(data[:1], arguments, login)
        return Reading(
            tuple(said),
            _field(arguments, self.recipient),
            ready,
            _field(arguments, self.user) if ready else _field(arguments, self.actions[acted].user) if acted else None,
            kind="event",
            said=said,
            joined=joined,
            placed=self._room_of(self.placed, data[:1], arguments, login),
            removed=self._room_of(self.removed, data[:1], arguments, login),
            acted=acted,
            rejected=self.rejected is not None and data[:1] == [self.rejected],
            logged_out=self.logged_out is not None and data[:1] == [self.logged_out],
        )

    def _joined(self, name: Sequence[Any], arguments: Sequence[Any], login: Login) -> str | None:
        """The room that an event says was joined: empty where it does not say which; None where it says nothing."""
        answer, template = self.joined if isinstance(self.joined, tuple) else (self.joined, None)
        if answer is None or name != [answer]:
            return None
        if template is not None:
            return self._room_of((answer, template), name, arguments, login)
        objects = [value for value in arguments if isinstance(value, dict)]
        named = [value for value in arguments if isinstance(value, str)]
        named += [value for one in objects for value in one.values() if value in self.room_names]
        return next(iter(named), "")

    def _room_of(
        self,
        answer: tuple[str, Mapping[str, Any]] | None,
        name: Sequence[Any],
        arguments: Sequence[Any],
        login: Login,
    ) -> str | None:
        """The room that an event names where it is this one, and contains this; None where it is not."""
        if answer is None or name != [answer[0]]:
            return None
        objects = (value for value in arguments if isinstance(value, dict))
        rooms = (joined_room(answer[1], value, lambda: self.said(login)) for value in objects)
        return next((room for room in rooms if room is not None), None)

    def _acted(self, name: Sequence[Any], arguments: Sequence[Any], login: Login) -> str | None:
        """The action that an event answers, if it does."""
        objects = [value for value in arguments if isinstance(value, dict)] or [{}]
        for action, declared in self.actions.items():
            for event, contained in (declared.answer or {}).items():
                if name == [event] and any(contains(contained, one, lambda: self.said(login)) for one in objects):
                    return action
        return None

    def _prefix(self) -> str:
        return "" if self.namespace == "/" else f"{self.namespace},"

    def _event(self, event: tuple[str, Template] | None, said: Mapping[str, str]) -> Frame:
        assert event is not None
        return f"42{self._prefix()}{json.dumps([event[0], fill(event[1], said)])}"

    def emit(self, event: Outgoing) -> Frame:
        return self._event(self.to_user, event.words)

    def broadcast(self, event: Outgoing) -> Frame:
        return self._event(self.to_all, event.words)

    def run_agent(self, event: Outgoing) -> Frame:
        return self._event(self.ask, event.words)

    def emit_to_room(self, event: Outgoing) -> Frame:
        return self._event(self.to_room, event.words)

    def act(self, name: str, event: Outgoing) -> Frame | Http:
        say = self.actions[name].say
        return say if isinstance(say, Http) else self._event((say[0], say[1]), event.words)  # type: ignore[index]

    def log_out(self, login: Login) -> Sequence[Frame]:
        return [self._event(self.leave if self.logout is None else self.logout, words(login))]

    def join_room(self, login: Login, room: str) -> Sequence[Frame]:
        return [self._event(self.join, {**words(login), "room": room})]

    def leave_room(self, login: Login, room: str) -> Sequence[Frame]:
        return [self._event(self.leave, {**words(login), "room": room})]


def _field(arguments: Sequence[Any], name: str | None) -> str | None:
    """A field of an event's arguments, where it is text."""
    found = [value.get(name) for value in arguments if isinstance(value, dict)] if name is not None else []
    return next((value for value in found if isinstance(value, str)), None)
