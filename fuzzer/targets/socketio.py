"""Socket.IO over its WebSocket transport.

Engine.IO protocol, revision 4: packets open 0, close 1, ping 2, pong 3, message 4.  Socket.IO protocol, revision 5:
connect 0, disconnect 1, event 2, ack 3, connect error 4, each within an Engine.IO message.  Text packets only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from ..core.jsons import read_json
from .frames import MARKER, carries_any, in_objects, markers
from .login import Http, HttpLogin
from .own import Action
from .presence import Presence, Seen
from .template_wire import TemplateWire
from .templates import joined_room, quotes
from .users import Naming
from .wire import (
    Frame,
    Login,
    Outgoing,
    Reading,
    Request,
    WireError,
    fill,
)

__all__ = ("SocketIOWire",)

Event = tuple[Any, ...]
"""An event that is said: its name, and its arguments, which are templates."""

Answer = str | tuple[str, Mapping[str, Any]]
"""An event that comes: its name alone, or with what one of its arguments contains."""

ACK = re.compile(r"43(?:/[^,]*,)?(\d+)(\[.*)?", re.DOTALL)
"""An acknowledgement: of what, and with which arguments."""

EMITS, FIRST, JOINS, LOGS_OUT = 0, 97, 98, 99
"""What is acknowledged, by an id's last two digits; from 1 on, actions by number.  Those before say which of them."""

KINDS = 100


@dataclass(frozen=True)
class SocketIOWire(TemplateWire):
    """Events of a Socket.IO application, by templates as in `JsonWire`.

    ``auth`` goes with the connect packet.  ``first`` lists events, each ``(name, argument)``, sent once the namespace
    is connected (joining a room, say); ``to_user``, ``to_all`` and ``ask`` are the events that emit.  ``join``,
    ``leave`` and ``to_room`` are those of rooms; ``joined`` is the name of the event that answers the first, or it and
    what its argument contains: ``("joined", {"room": "{room}"})``.  ``logout``, or a ``leave`` without ``{room}`` where
    there is no ``join``, logs out without hanging up, and ``logged_out`` is the name of the event that answers it;
    ``rejected`` that of one that turns down what a client has said.  ``placed`` and ``removed`` are those by which the
    server says that it has put the client into a room of its own choice, or taken it out, each with what its argument
    contains.

    ``actions`` are operations of the application's own: of each, ``say`` is an event, and ``answer`` names the one that
    answers it, with what its argument contains: ``Action(("edit", {"text": "{event}"}), answer={"edited": {}})``.

    ``ready`` is the name of the event that says a client is logged in, where the connect packet's answer does not, and
    ``user`` the field of its argument that says as whom.  ``recipient`` is the field of any event's argument that names
    the user it is for, ``sender`` the one that names who said it.  ``before`` is a login over HTTP that comes first;
    ``headers``, and a query in the ``path``, go with the handshake.  ``users`` and ``token`` say what the application
    calls its users, and make their tokens, as `JsonWire`'s do; ``retells`` lists events that tell once more what had
    come before.  ``online`` says by which events clients are told who is online: their names stand beside what their
    arguments contain as ``event``, ``Presence({"event": "users"}, left={"event": "left"})``.

    An event that answers is named alone, or with what its argument contains: ``rejected=("failed", {"code": 403})``.
    Where it is called `SocketIOWire.ACK`, it is the acknowledgement of what was said, for which clients then ask:
    ``joined=(SocketIOWire.ACK, {"ok": True})``.  One of the last of ``first`` that is ``rejected`` refuses the login.
    """

    ACK: ClassVar[str] = "(ack)"
    """Instead of an event's name: the acknowledgement of what the client has said."""

    path: str = "/socket.io/"
    namespace: str = "/"
    auth: Mapping[str, Any] | None = field(default_factory=lambda: {"token": "{token}"})
    first: Sequence[Event] = ()
    to_user: Event | Http | None = ("message", {"to": "{to}", "text": "{event}"})
    to_all: Event | Http | None = None
    ask: Event | None = None
    authenticates: bool = False
    rooms: Sequence[str] | Mapping[str, Sequence[str]] = ()
    join: Event | None = None
    leave: Event | None = None
    to_room: Event | Http | None = None
    joined: Answer | None = None
    logout: Event | None = None
    logged_out: Answer | None = None
    rejected: Answer | None = None
    ready: Answer | None = None
    user: str | None = None
    recipient: str | None = None
    before: HttpLogin | None = None
    placed: tuple[str, Mapping[str, Any]] | None = None
    removed: tuple[str, Mapping[str, Any]] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Naming | None = None
    token: Callable[[Any], str] | None = None
    sender: str | None = None
    retells: Sequence[Answer] = ()
    online: Presence | None = None

    waits_for_ready = True
    has_heartbeats = True

    def __post_init__(self) -> None:
        self._check_events()
        self.check_answers(None if self.placed is None else self.placed[1])
        for name, action in self.actions.items():
            if not isinstance(action.say, Http) and not _is_event(action.say):
                raise WireError(f"the action {name!r} says an event, ('edit', {{'text': '{{event}}'}}), or a request")
            if action.answer is not None and len(action.answer) != 1:
                raise WireError(f"the action {name!r}: its answer= is one event and what its argument contains")

    def _check_events(self) -> None:
        for name in ("to_user", "to_all", "to_room", "ask", "join", "leave", "logout"):
            said = getattr(self, name)
            if said is not None and not _is_event(said) and not isinstance(said, Http):
                raise WireError(f"{name}={said!r}: it is an event, its name first: ('say', {{'text': '{{event}}'}})")
        if not all(map(_is_event, self.first)):
            raise WireError(f"first={self.first!r}: it lists events, each with its name first: [('hello', {{}})]")
        for name in ("joined", "logged_out", "rejected", "ready", "placed", "removed"):
            said = getattr(self, name)
            pair = isinstance(said, tuple) and len(said) == 2 and isinstance(said[0], str) and isinstance(said[1], dict)
            if not (said is None or pair or (isinstance(said, str) and name not in ("placed", "removed"))):
                raise WireError(f"{name}={said!r}: it is an event and what its argument contains: ('done', {{}})")

    def describe(self) -> str:
        return f"Socket.IO at {self.path}" + (f", namespace {self.namespace}" if self.namespace != "/" else "")

    def request(self, login: Login) -> Request:
        asked = super().request(login)
        return replace(asked, path=f"{asked.path}{'&' if '?' in asked.path else '?'}EIO=4&transport=websocket")

    def read(self, frame: Frame, login: Login) -> Reading:
        if not isinstance(frame, str):
            return Reading(markers(frame), kind="attachment")
        kind = frame[:1]
        if kind == "0":
            auth = "" if self.auth is None else json.dumps(fill(self.auth, self.said(login)))
            return Reading(kind="open", answer=f"40{self._prefix()}{auth}")
        if kind == "2":
            return Reading(kind="ping", answer="3", heartbeat=True)
        if frame.startswith("40"):
            said = self.said(login)
            follow = [self._event(event, said, number * KINDS + FIRST) for number, event in enumerate(self.first)]
            return Reading(kind="connected", ready=self.ready is None, follow=follow)
        if frame.startswith(("41", "44")):
            refused = frame.startswith("44")
            return Reading(kind="disconnected", refused=refused, dismissed=not refused)
        acknowledged = ACK.fullmatch(frame)
        return self._read_ack(acknowledged, login) if acknowledged else self._read_event(frame, login)

    def _read_ack(self, said: re.Match[str], login: Login) -> Reading:
        """What an acknowledgement says of what the client had said."""
        which, kind = divmod(int(said[1]), KINDS)
        arguments = read_json(said[2]) if said[2] else []
        objects = in_objects(arguments, self.fields)
        turned_down = self._is(self.rejected, [self.ACK], arguments, login, (f"e{which}",))
        reading = Reading(tuple(objects), kind="ack", said=objects)
        if kind == FIRST:
            if which == len(self.first) - 1:
                reading.refused = turned_down
                reading.ready = not turned_down and self._is(self.ready, [self.ACK], arguments, login)
                reading.user = self._user_in(arguments, self.user)
        elif kind == JOINS:
            reading.joined = self.room_names[which] if self._is(self.joined, [self.ACK], arguments, login) else None
        elif kind == LOGS_OUT:
            reading.logged_out = self._is(self.logged_out, [self.ACK], arguments, login)
        elif turned_down:
            reading.events, reading.rejected = (f"e{which}",), True
        elif kind == EMITS:
            reading.done = f"e{which}"
        else:
            acted = self._acted([self.ACK], arguments, login)
            reading.acted = acted if acted == list(self.actions)[kind - 1] else None
            reading.user = self._user_in(arguments, self.actions[acted].user) if acted else None
        return reading

    @cached_property
    def _asks(self) -> bool:
        """Whether clients ask for acknowledgements."""
        answers = [self.joined, self.logged_out, self.rejected, self.ready]
        answers += [event for action in self.actions.values() for event in action.answer or ()]
        return any((one[0] if isinstance(one, tuple) else one) == self.ACK for one in answers)

    def _read_event(self, frame: str, login: Login) -> Reading:
        try:
            data = read_json(frame[frame.index("[") :])
        except ValueError:
            return Reading(markers(frame), kind="event")
        said = in_objects(data, self.fields) if carries_any(frame) else {}
        arguments = data[1:]
        joined = self._joined(data[:1], arguments, login)
        ready = self._is(self.ready, data[:1], arguments, login)
        acted = self._acted(data[:1], arguments, login)
        return Reading(
            tuple(said),
            self._user_in(arguments, self.recipient),
            ready,
            self._user_in(arguments, self.user if ready else self.actions[acted].user if acted else None),
            kind="event",
            said=said,
            joined=joined,
            placed=self._room_of(self.placed, data[:1], arguments, login),
            removed=self._room_of(self.removed, data[:1], arguments, login),
            acted=acted,
            rejected=self._is(self.rejected, data[:1], arguments, login, tuple(said)),
            retells=any(self._is(one, data[:1], arguments, login) for one in self.retells),
            logged_out=self._is(self.logged_out, data[:1], arguments, login),
            seen=self._seen(data[:1], arguments),
        )

    def _seen(self, name: Sequence[Any], arguments: Sequence[Any]) -> Seen | None:
        """What an event says of who is online: its name stands beside what its argument contains, as ``event``."""
        if self.online is None:
            return None
        for argument in arguments or [{}]:
            said = {"event": name[0]} if name else {}
            if isinstance(argument, dict):
                said = {**argument, **said}
            else:
                said[self.online.users if isinstance(argument, list) else self.online.user] = argument
            seen = self.online.read(said, self.user_named)
            if seen is not None:
                return seen
        return None

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

    def _is(
        self,
        declared: Answer | None,
        name: Sequence[Any],
        arguments: Sequence[Any],
        login: Login,
        events: Sequence[str] = (),
    ) -> bool:
        """Whether an event is the one declared: by its name, or by that and what its argument contains."""
        event, contained = declared if isinstance(declared, tuple) else (declared, {})
        if event is None or name != [event]:
            return False
        objects = [value for value in arguments if isinstance(value, dict)] or [{}]
        return any(quotes(contained, one, events, lambda: self.said(login)) for one in objects)

    def _acted(self, name: Sequence[Any], arguments: Sequence[Any], login: Login) -> str | None:
        """The action that an event answers, if it does."""
        for action, declared in self.actions.items():
            if any(self._is(one, name, arguments, login) for one in (declared.answer or {}).items()):
                return action
        return None

    def _user_in(self, arguments: Sequence[Any], name: str | None) -> str | None:
        """The user whom a field of an event's arguments names."""
        found = [value.get(name) for value in arguments if isinstance(value, dict)] if name is not None else []
        return next((user for user in map(self.user_named, found) if user is not None), None)

    def _prefix(self) -> str:
        return "" if self.namespace == "/" else f"{self.namespace},"

    def _event(self, event: Event | None, said: Mapping[str, Any], ack: int | None = None) -> Frame:
        assert event is not None
        asked = ack if ack is not None and self._asks else ""
        return f"42{self._prefix()}{asked}{json.dumps([event[0], *(fill(one, said) for one in event[1:])])}"

    def _say(self, event: Event | Http | None, outgoing: Outgoing, kind: int = EMITS) -> Frame | Http:
        if isinstance(event, Http):
            return event
        marked = MARKER.fullmatch(outgoing.marker)
        return self._event(event, self.told(outgoing), int(marked[1][1:]) * KINDS + kind if marked else None)

    def emit(self, event: Outgoing) -> Frame | Http:
        return self._say(self.to_user, event)

    def broadcast(self, event: Outgoing) -> Frame | Http:
        return self._say(self.to_all, event)

    def run_agent(self, event: Outgoing) -> Frame:
        return self._event(self.ask, self.told(event))

    def emit_to_room(self, event: Outgoing) -> Frame | Http:
        return self._say(self.to_room, event)

    def act(self, name: str, event: Outgoing) -> Frame | Http:
        say = self.actions[name].say
        return self._say(say if isinstance(say, Http) else tuple(say), event, 1 + list(self.actions).index(name))

    def log_out(self, login: Login) -> Sequence[Frame]:
        return [self._event(self.leave if self.logout is None else self.logout, self.said(login), LOGS_OUT)]

    def join_room(self, login: Login, room: str) -> Sequence[Frame]:
        ack = self.room_names.index(room) * KINDS + JOINS if room in self.room_names else None
        return [self._event(self.join, {**self.said(login), "room": room}, ack)]

    def leave_room(self, login: Login, room: str) -> Sequence[Frame]:
        return [self._event(self.leave, {**self.said(login), "room": room})]


def _is_event(said: Any) -> bool:
    return isinstance(said, tuple | list) and len(said) > 0 and isinstance(said[0], str)
