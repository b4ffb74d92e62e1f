"""Wires: how clients speak an application's own protocol over WebSocket.

A wire says how to ask for a connection, how to log in, how to emit, and how to read a frame that came in.  Every event
a simulated user emits carries a marker, ``cw-e5``; whatever frame it comes back in, on whatever connection, the marker
is found again, so an application need not be changed to be watched.

`JsonWire` is for applications whose frames are JSON objects, or text: its fields are templates, in which

* ``{user}`` is the client's user, ``{token}`` what it shows at login, ``{connection}`` its own name,
* ``{event}`` is the marker of the event being emitted, ``{to}`` the user it is for,
* ``{room}`` is the room that is joined, left or spoken in; in the path, the one that is entered on connecting,
* ``{identity}`` is whose the token is: the name that goes with a password.

Derive from `Wire` where templates are not enough.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Any
from urllib.parse import quote

from ..core.errors import UsageError
from ..core.handshake import Frame, Request
from ..core.jsons import read_json
from .frames import FIELDS, Fields, Said, carries_any, in_objects, markers
from .login import Http, HttpLogin, fill
from .own import Action
from .presence import Presence, Seen
from .templates import USER, Template, contains, frame_of, joined_room, names, names_room
from .users import Naming, known_as

__all__ = (
    "DEFAULT_ROOMS",
    "TEXT",
    "Frame",
    "JsonWire",
    "Login",
    "Outgoing",
    "Reading",
    "Request",
    "Template",
    "Wire",
    "WireError",
    "fill",
    "markers",
    "words",
)


class WireError(UsageError):
    """The wire cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client asks to be, what it shows (``token-u0``, ``invalid``, ``expired-u0``), and whose that is.

    ``room``: which room it connects to, where rooms are entered so.  ``issued``: the token is one that the application
    itself has handed out.
    """

    connection: str
    user: str
    token: str
    identity: str | None
    room: str | None = None
    issued: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to emit: pass ``marker`` through the application, to the user ``to``, the ``room``, or everybody."""

    marker: str
    to: str | None
    login: Login
    room: str | None = None

    @property
    def words(self) -> dict[str, Any]:
        """What the placeholders stand for."""
        said = {**words(self.login), "event": self.marker, "to": self.to or ""}
        return said if self.room is None else {**said, "room": self.room}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a frame that came in says.

    ``events``: the events it carries, as in the markers; ``said``: for each of them, where the wire can tell, the
    object it is in.  ``recipient``: the user it says it is for.  ``ready``: the login is done, as ``user`` where it
    says who.  ``refused``: the login failed.  ``joined``: the room that was joined ("" where it does not say which).
    ``done``: the event whose emitting the server confirms.  ``acted``: the action of the wire's own that is done, and
    ``user`` whom the server then takes the client for.  ``seen``: who is online.  ``answer``: a frame to send back at
    once, which is no sign of life where it is the answer to a ``heartbeat``.  ``follow``: frames that belong to the
    login and come next.  ``kind``: a word for it in traces.
    """

    events: tuple[str, ...] = ()
    recipient: str | None = None
    ready: bool = False
    user: str | None = None
    refused: bool = False
    done: str | None = None
    answer: Frame | None = None
    heartbeat: bool = False
    follow: Sequence[Frame] = ()
    kind: str = "text"
    said: Mapping[str, Said] = field(default_factory=dict)
    joined: str | None = None
    acted: str | None = None
    seen: Seen | None = None


DEFAULT_ROOMS = ("r0", "r1")
"""What rooms are called where nobody says it."""


class Wire:
    """Base of wires: a connection at ``/``, nothing to log in with, and no way to emit."""

    before: HttpLogin | None = None
    """What each client asks over HTTP before its handshake."""

    waits_for_ready = False
    """The server says when a login is done; otherwise it counts as done once everything has come to rest."""

    authenticates = False
    """Programs also try tokens that are invalid, expired or somebody else's."""

    logs_in_again = False
    """Clients may log in again over an open connection, also as another user: what `login` sends is sent anew."""

    rooms: Sequence[str] | Mapping[str, Sequence[str]] = ()
    """The rooms there are; or for each user those that the user's connections are in from login on."""

    answers_heartbeats = False
    """Clients answer the application's own heartbeats at once."""

    has_heartbeats = False
    """The application sends heartbeats of its own, and may give up whoever is late to answer."""

    actions: Mapping[str, Action] = {}
    """What clients can do besides, each with a name."""

    confirms_joins = False
    """The server says when a room is joined; otherwise it counts as joined once everything has come to rest."""

    def describe(self) -> str:
        """The wire in a few words."""
        return type(self).__name__

    def offers(self, operation: str) -> bool:
        """Which of emit, broadcast, run_agent, log_out, expire, join, leave and emit_to_room clients can do."""
        return False

    @property
    def room_names(self) -> tuple[str, ...]:
        """What `rooms` are called, each once; `DEFAULT_ROOMS` where nobody says it."""
        named = chain.from_iterable(self.rooms.values()) if isinstance(self.rooms, Mapping) else self.rooms
        return tuple(dict.fromkeys(named)) or DEFAULT_ROOMS

    @property
    def rooms_at_connect(self) -> bool:
        """Whether a client says on connecting which room it is in, and stays there."""
        return False

    def enters(self, login: Login) -> tuple[str, ...]:
        """The rooms a connection is in from its login on."""
        return _entered(self, login)

    def request(self, login: Login) -> Request:
        """The opening handshake."""
        return Request()

    def login(self, login: Login) -> Sequence[Frame]:
        """What to send once the connection is open."""
        return ()

    def said(self, login: Login) -> Mapping[str, Any]:
        """What placeholders stand for in requests over HTTP, as far as a login tells."""
        return words(login)

    def told(self, event: Outgoing) -> Mapping[str, Any]:
        """What they stand for where an event is made by such a request."""
        room = {} if event.room is None else {"room": event.room}
        return {**self.said(event.login), **room, "event": event.marker, "to": event.to or ""}

    def emit(self, event: Outgoing) -> Frame | Http:
        """Send an event to one user: a frame, or a request over HTTP."""
        raise NotImplementedError

    def broadcast(self, event: Outgoing) -> Frame | Http:
        """Send an event to everybody."""
        raise NotImplementedError

    def run_agent(self, event: Outgoing) -> Frame:
        """Ask for an agent's run, which answers with its five events, each with the marker and its own name."""
        raise NotImplementedError

    def log_out(self, login: Login) -> Sequence[Frame]:
        """End the login and leave the connection open."""
        raise NotImplementedError

    def expire(self, login: Login) -> Frame | Http:
        """End the token that the client showed, as when its time is up: a frame, or a request over HTTP."""
        raise NotImplementedError

    def act(self, name: str, event: Outgoing) -> Frame | Http:
        """Do what the `actions` call so: a frame, or a request over HTTP."""
        say = self.actions[name].say
        return say if isinstance(say, Http) else frame_of(say, self.told(event))

    def malformed(self, which: int) -> Frame | None:
        """A message that means nothing, of several kinds by number; None where each means something, as text does."""
        return None

    def join_room(self, login: Login, room: str) -> Sequence[Frame]:
        """Become a member of a room."""
        raise NotImplementedError

    def leave_room(self, login: Login, room: str) -> Sequence[Frame]:
        """Be a member no more."""
        raise NotImplementedError

    def emit_to_room(self, event: Outgoing) -> Frame | Http:
        """Send an event to the members of a room."""
        raise NotImplementedError

    def spoken_in(self, login: Login, room: str | None) -> tuple[str, ...]:
        """The rooms that `emit_to_room` reaches, if the program says ``room``."""
        return self.enters(login) if room is None else (room,)

    def read(self, frame: Frame, login: Login) -> Reading:
        """Read a frame that the client ``login`` received."""
        return Reading(events=markers(frame), kind="text" if isinstance(frame, str) else "bytes")


@dataclass(frozen=True)
class JsonWire(Wire):
    """JSON objects, or plain text, by templates; see the module's docstring for the placeholders.

    ``path``, ``headers``, ``subprotocols`` make the handshake; ``first`` lists what is sent once it is done.  ``ready``
    and ``refused`` are what a frame must contain to say how the login ended, ``user`` the field in which it says who.
    ``to_user``, ``to_all``, ``ask`` (an agent's run) and ``logout`` are what clients can send.  ``recipient`` is the
    field of any frame that names the user it is for, ``sender`` the one that names who said it.  ``ping`` is what a
    heartbeat contains, ``pong`` the answer to it.

    ``logs_in_again``: ``first`` may be sent again over the same connection, also by another user, and after a log-out;
    ``ready`` answers it, and ends the login before.

    ``join``, ``leave`` and ``to_room`` are what clients send of rooms, ``joined`` what an answer to the first contains.
    ``rooms`` names the rooms there are, or says for each user which ones the user's connections are in from login on;
    a path with ``{room}`` puts each connection into the one it asks for.  A ``leave`` without ``{room}`` logs out.

    ``expire_by`` is how a client's token is made to end, a frame or a request; ``online`` how frames say who is online;
    ``actions`` are operations of the application's own, each with a name.

    ``users`` says what the application calls its users (`integer_users`, or any function from ``u0`` to a name or a
    number); ``token`` makes the token of one of them, so called, as the application itself would (sign a JWT);
    ``before`` is a login over HTTP that comes first.  ``to_user``, ``to_all`` and ``to_room`` may be requests over HTTP
    (`Http`).
    """

    path: str = "/ws?token={token}"
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    first: Sequence[Template] = ()
    ready: Mapping[str, Any] | None = None
    refused: Mapping[str, Any] | None = None
    user: str | None = None
    to_user: Template | Http | None = field(
        default_factory=lambda: {"type": "message", "to": "{to}", "text": "{event}"}
    )
    to_all: Template | Http | None = None
    ask: Template | None = None
    leave: Template | None = None
    recipient: str | None = None
    sender: str | None = None
    logout: Template | None = None
    rooms: Sequence[str] | Mapping[str, Sequence[str]] = ()
    join: Template | None = None
    joined: Mapping[str, Any] | None = None
    to_room: Template | Http | None = None
    ping: Mapping[str, Any] | None = None
    pong: Template | None = None
    authenticates: bool = False
    logs_in_again: bool = False
    users: Naming | None = None
    token: Callable[[Any], str] | None = None
    before: HttpLogin | None = None
    expire_by: Template | Http | None = None
    online: Presence | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = any(action.audience is not None for action in self.actions.values())
        if not told and all(one is None for one in (self.to_user, self.to_all, self.to_room, self.ask)):
            raise WireError(
                "a JsonWire needs to_user, to_all, to_room, ask, or an action with an audience: without one, clients "
                "have nothing to say"
            )
        if self.logs_in_again and (not self.first or self.ready is None or self.before is not None):
            raise WireError(
                "logs_in_again=True needs first=, which is sent again, and ready=, which answers it; and no login over "
                "HTTP (before=)"
            )
        for name, action in self.actions.items():
            if action.audience != "user" and names("{to}", action.say):
                raise WireError(f'the action {name!r} says {{to}}, which is nobody without audience="user"')
        if not self.path.startswith("/"):
            raise WireError(f"the path {self.path!r} must begin with /")

    @property
    def waits_for_ready(self) -> bool:  # type: ignore[override]
        return self.ready is not None

    @property
    def confirms_joins(self) -> bool:  # type: ignore[override]
        return self.joined is not None

    @property
    def answers_heartbeats(self) -> bool:  # type: ignore[override]
        return self.ping is not None and self.pong is not None

    @property
    def has_heartbeats(self) -> bool:  # type: ignore[override]
        return self.ping is not None

    @property
    def rooms_at_connect(self) -> bool:
        return "{room}" in self.path

    def offers(self, operation: str) -> bool:
        leaves_rooms = names_room(self.leave)
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

    def describe(self) -> str:
        ways = (self.to_user, self.to_all, self.to_room, self.ask, *(action.say for action in self.actions.values()))
        templates = [one for one in ways if one is not None]
        return f"{'text' if all(isinstance(one, str) for one in templates) else 'JSON'} at {self.path}"

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

    def request(self, login: Login) -> Request:
        said = self.said(login)
        return Request(
            str(fill(self.path, {key: quote(str(value)) for key, value in said.items()})),
            tuple((name, str(fill(value, said))) for name, value in self.headers.items()),
            tuple(str(fill(name, said)) for name in self.subprotocols),
        )

    def login(self, login: Login) -> Sequence[Frame]:
        return [frame_of(template, self.said(login)) for template in self.first]

    def emit(self, event: Outgoing) -> Frame | Http:
        return self.to_user if isinstance(self.to_user, Http) else frame_of(self.to_user, self.told(event))

    def broadcast(self, event: Outgoing) -> Frame | Http:
        return self.to_all if isinstance(self.to_all, Http) else frame_of(self.to_all, self.told(event))

    def run_agent(self, event: Outgoing) -> Frame:
        return frame_of(self.ask, self.told(event))

    def log_out(self, login: Login) -> Sequence[Frame]:
        return [frame_of(self.leave if self.logout is None else self.logout, self.said(login))]

    def malformed(self, which: int) -> Frame | None:
        said = [one for one in (self.to_user, self.to_all, self.to_room, self.ask, *self.first) if one is not None]
        frames = [one for one in said if not isinstance(one, Http)]
        if not frames or any(isinstance(one, str) for one in frames):
            return None
        half = json.dumps(frames[0])
        return (half[: len(half) // 2], "[]", "{}")[which % 3]

    def expire(self, login: Login) -> Frame | Http:
        return self.expire_by if isinstance(self.expire_by, Http) else frame_of(self.expire_by, self.said(login))

    def join_room(self, login: Login, room: str) -> Sequence[Frame]:
        return [frame_of(self.join, {**self.said(login), "room": room})]

    def leave_room(self, login: Login, room: str) -> Sequence[Frame]:
        return [frame_of(self.leave, {**self.said(login), "room": room})]

    def emit_to_room(self, event: Outgoing) -> Frame | Http:
        return self.to_room if isinstance(self.to_room, Http) else frame_of(self.to_room, self.told(event))

    def spoken_in(self, login: Login, room: str | None) -> tuple[str, ...]:
        return (room,) if room is not None and names_room(self.to_room) else self.enters(login)

    @property
    def fields(self) -> Fields:
        """The fields that say whose an event is: those that are declared, and the usual ones."""
        sender = FIELDS.sender if self.sender is None else (self.sender,)
        recipient = FIELDS.recipient if self.recipient is None else (self.recipient,)
        return Fields(sender, recipient, FIELDS.room, FIELDS.run, self.user_named)

    @cached_property
    def _user_field(self) -> str | None:
        """The field in which the answer to a login says whom the server takes the client for."""
        if self.user is not None or self.ready is None:
            return self.user
        return next((field for field, wanted in self.ready.items() if wanted == USER), None)

    def user_named(self, value: Any) -> str | None:
        """The user whom a frame calls so."""
        if self.users is not None:
            return known_as(self.users).get(str(value), str(value)) if isinstance(value, str | int) else None
        return value if isinstance(value, str) else None

    def read(self, frame: Frame, login: Login) -> Reading:
        carries = carries_any(frame)
        data: Any = None
        if frame[:1] in ("{", b"{") or (carries and frame[:1] in ("[", b"[")):
            try:
                data = read_json(frame)
            except ValueError:
                data = None
        said = in_objects(data, self.fields) if carries and data is not None else {}
        events = tuple(said) or markers(frame)
        if not isinstance(data, dict):
            return Reading(events, kind="text" if isinstance(frame, str) else "bytes", said=said)
        ready = contains(self.ready, data, lambda: self.said(login))
        named = data.get(self._user_field) if ready and self._user_field is not None else None
        recipient = data.get(self.recipient) if self.recipient is not None else None
        answer = None
        acted = None
        for name, action in self.actions.items():
            if contains(action.answer, data, lambda: self.said(login)):
                acted = name
                named = data.get(action.user) if action.user is not None else named
        if self.pong is not None and contains(self.ping, data, lambda: self.said(login)):
            answer = frame_of(self.pong, self.said(login))
        return Reading(
            events,
            self.user_named(recipient),
            ready,
            self.user_named(named),
            contains(self.refused, data, lambda: self.said(login)),
            answer=answer,
            heartbeat=answer is not None,
            kind=str(data.get("type", "json")),
            said=said,
            joined=joined_room(self.joined, data),
            acted=acted,
            seen=self.online.read(data, self.user_named) if self.online is not None else None,
        )


TEXT = JsonWire(path="/ws", to_user=None, to_all="{event}")
"""Plain text: whatever a client sends is meant for everybody."""


def words(login: Login) -> dict[str, Any]:
    """What the placeholders stand for, as far as a login tells."""
    said = {
        "user": login.user,
        "token": login.token,
        "connection": login.connection,
        "identity": login.identity or login.user,
    }
    return said if login.room is None else {**said, "room": login.room}


def _entered(wire: Wire, login: Login) -> tuple[str, ...]:
    if login.room is not None:
        return (login.room,)
    return tuple(wire.rooms.get(login.user, ())) if isinstance(wire.rooms, Mapping) else ()
