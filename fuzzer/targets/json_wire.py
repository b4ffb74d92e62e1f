"""The wire of most applications: JSON objects, or plain text, by templates.

The fields of a `JsonWire` are templates, in which

* ``{user}`` is the client's user, ``{token}`` what it shows at login, ``{connection}`` its own name,
* ``{event}`` is the marker of the event being emitted, ``{to}`` the user it is for,
* ``{room}`` is the room that is joined, left or spoken in; in the path, the one that is entered on connecting,
* ``{identity}`` is whose the token is: the name that goes with a password.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ..core.handshake import Frame, Request
from ..core.jsons import read_json
from .frames import Said, carries_any, in_objects, markers
from .login import Http, HttpLogin, fill
from .own import Action
from .presence import Presence
from .template_wire import TemplateWire
from .templates import USER, Shape, Template, contains, frame_of, joined_room, names_room, quotes
from .users import Naming
from .wire import Login, Outgoing, Reading, WireError

__all__ = ("TEXT", "JsonWire")


ANSWERS = ("ready", "refused", "rejected", "joined", "placed", "removed", "logged_out", "ping")
"""Fields that say what a frame contains by which something is known."""


@dataclass(frozen=True)
class JsonWire(TemplateWire):
    """JSON objects, or plain text, by templates; see the module's docstring for the placeholders.

    ``path``, ``headers``, ``subprotocols`` make the handshake; ``first`` lists what is sent once it is done.  ``ready``
    and ``refused`` are what a frame must contain to say how the login ended, ``user`` the field in which it says who.
    ``to_user``, ``to_all``, ``ask`` (an agent's run) and ``logout`` are what clients can send.  ``recipient`` is the
    field of any frame that names the user it is for, ``sender`` the one that names who said it.  ``ping`` is what a
    heartbeat contains, ``pong`` the answer to it.

    ``rejected`` is what an answer contains that turns down what a client has said: a move out of turn, say.

    ``logout`` logs out without hanging up; ``logged_out`` is what its answer contains.

    ``logs_in_again``: ``first`` may be sent again over the same connection, also by another user, and after a log-out;
    ``ready`` answers it, and ends the login before.

    ``join``, ``leave`` and ``to_room`` are what clients send of rooms, ``joined`` what an answer to the first contains.
    ``rooms`` names the rooms there are, or says for each user which ones the user's connections are in from login on;
    a path with ``{room}`` puts each connection into the one it asks for.  A ``leave`` without ``{room}`` leaves
    the one that the client is in, and logs out where there is no ``join``.

    ``placed`` is what a frame contains by which the server says that it has put the client into a room of its own
    choice (``{"type": "matched", "game": "{room}"}``), ``removed`` that it has taken it out (a kick, the end of a
    game); without ``{room}``, out of all.  With ``placed``, a ``join`` without ``{room}`` asks for some room, and
    ``to_room`` and ``leave`` are about the one that the client is in, whether they name it or not.

    ``expire_by`` is how a client's token is made to end, a frame or a request; ``online`` how frames say who is online;
    ``actions`` are operations of the application's own, each with a name.

    ``batch`` is the field of a frame that holds several messages, each of which is read as a frame of its own; a frame
    that is a list of objects is so without it.

    ``retells`` lists what frames contain that tell once more what had come before, and deliver only what had not: a
    list of conversations with the last message of each, say.

    ``users`` says what the application calls its users (`integer_users`, or any function from ``u0`` to a name or a
    number); ``token`` makes the token of one of them, so called, as the application itself would (sign a JWT);
    ``before`` is a login over HTTP that comes first.  ``to_user``, ``to_all``, ``to_room``, ``join``, and a ``leave``
    with ``{room}``, may be requests over HTTP (`Http`).
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
    rejected: Mapping[str, Any] | None = None
    ask: Template | None = None
    leave: Template | Http | None = None
    recipient: str | None = None
    sender: str | None = None
    logout: Template | None = None
    logged_out: Mapping[str, Any] | None = None
    rooms: Sequence[str] | Mapping[str, Sequence[str]] = ()
    join: Template | Http | None = None
    joined: Mapping[str, Any] | None = None
    to_room: Template | Http | None = None
    placed: Mapping[str, Any] | None = None
    removed: Mapping[str, Any] | None = None
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
    retells: Sequence[Mapping[str, Any]] = ()
    batch: str | None = None

    def __post_init__(self) -> None:
        for name in (*ANSWERS, "retells"):
            said = getattr(self, name)
            parts = () if said is None else said if name == "retells" else (said,)
            if any(not isinstance(part, Mapping) for part in parts):
                raise WireError(f"{name}={said!r}: it is what an answer contains, as {{'type': 'ready'}} is")
        for name in ("user", "recipient", "sender", "batch"):
            if not isinstance(getattr(self, name), str | None):
                raise WireError(f"{name}={getattr(self, name)!r}: it is the name of a field")
        for name in ("ask", "logout", "pong"):
            if isinstance(getattr(self, name), Http):
                raise WireError(f"{name}={getattr(self, name)!r}: it goes over the connection, so it is no Http(...)")
        if isinstance(self.leave, Http) and not names_room(self.leave):
            raise WireError("leave= as an Http(...) names a {room}: nobody knows which is left without one")
        if isinstance(self.join, Http) and self.joined is not None:
            raise WireError("joined= is a frame that says so: where join= is a request, its answer does, without it")
        if not self.actions and all(one is None for one in (self.to_user, self.to_all, self.to_room, self.ask)):
            raise WireError(
                "a JsonWire needs to_user, to_all, to_room, ask, or an action: without one, clients have nothing to say"
            )
        if self.logs_in_again and (not self.first or self.ready is None or self.before is not None):
            raise WireError(
                "logs_in_again=True needs first=, which is sent again, and ready=, which answers it; and no login over "
                "HTTP (before=)"
            )
        self.check_answers(self.placed)
        if not self.path.startswith("/"):
            raise WireError(f"the path {self.path!r} must begin with /")

    @property
    def waits_for_ready(self) -> bool:  # type: ignore[override]
        return self.ready is not None

    @property
    def answers_heartbeats(self) -> bool:  # type: ignore[override]
        return self.ping is not None and self.pong is not None

    @property
    def has_heartbeats(self) -> bool:  # type: ignore[override]
        return self.ping is not None

    @property
    def rooms_at_connect(self) -> bool:
        return "{room}" in self.path

    def describe(self) -> str:
        ways = (self.to_user, self.to_all, self.to_room, self.ask, *(action.say for action in self.actions.values()))
        templates = [one for one in ways if one is not None]
        return f"{'text' if all(isinstance(one, str) for one in templates) else 'JSON'} at {self.path}"

    def request(self, login: Login) -> Request:
        subprotocols = tuple(str(fill(name, self.said(login))) for name in self.subprotocols)
        return replace(super().request(login), subprotocols=subprotocols)

    def login(self, login: Login) -> Sequence[Frame]:
        return [frame_of(template, self.said(login)) for template in self.first]

    def emit(self, event: Outgoing) -> Frame | Http:
        return self.to_user if isinstance(self.to_user, Http) else self._to_user.frame(self.told(event))

    def broadcast(self, event: Outgoing) -> Frame | Http:
        return self.to_all if isinstance(self.to_all, Http) else self._to_all.frame(self.told(event))

    def run_agent(self, event: Outgoing) -> Frame:
        return frame_of(self.ask, self.told(event))

    def log_out(self, login: Login) -> Sequence[Frame]:
        said = self.leave if self.logout is None else self.logout
        return [] if isinstance(said, Http) else [frame_of(said, self.said(login))]

    def malformed(self, which: int) -> Frame | None:
        said = [one for one in (self.to_user, self.to_all, self.to_room, self.ask, *self.first) if one is not None]
        frames = [one for one in said if not isinstance(one, Http)]
        if not frames or any(isinstance(one, str) for one in frames):
            return None
        half = json.dumps(frames[0])
        return (half[: len(half) // 2], "[]", "{}")[which % 3]

    def expire(self, login: Login) -> Frame | Http:
        return self.expire_by if isinstance(self.expire_by, Http) else frame_of(self.expire_by, self.said(login))

    def join_room(self, login: Login, room: str) -> Sequence[Frame] | Http:
        return self._moving(self.join, login, room)

    def leave_room(self, login: Login, room: str) -> Sequence[Frame] | Http:
        return self._moving(self.leave, login, room)

    def _moving(self, say: Template | Http | None, login: Login, room: str) -> Sequence[Frame] | Http:
        return say if isinstance(say, Http) else [frame_of(say, {**self.said(login), "room": room})]

    def emit_to_room(self, event: Outgoing) -> Frame | Http:
        return self.to_room if isinstance(self.to_room, Http) else self._to_room.frame(self.told(event))

    def spoken_in(self, login: Login, room: str | None) -> tuple[str, ...]:
        return (room,) if room is not None and self.names_rooms else self.enters(login)

    @cached_property
    def _to_user(self) -> Shape:
        return Shape(None if isinstance(self.to_user, Http) else self.to_user)

    @cached_property
    def _to_all(self) -> Shape:
        return Shape(None if isinstance(self.to_all, Http) else self.to_all)

    @cached_property
    def _to_room(self) -> Shape:
        return Shape(None if isinstance(self.to_room, Http) else self.to_room)

    @cached_property
    def _says_no_more(self) -> bool:
        """Whether nothing is declared that a frame may say besides the events in it."""
        declared = (self.ready, self.recipient, self.refused, self.pong, self.joined, self.placed, self.removed)
        further = (self.rejected, self.logged_out, self.online)
        return not (self.actions or self.retells) and all(one is None for one in (*declared, *further))

    @cached_property
    def _user_field(self) -> str | None:
        """The field in which the answer to a login says whom the server takes the client for."""
        if self.user is not None or self.ready is None:
            return self.user
        return next((field for field, wanted in self.ready.items() if wanted == USER), None)

    def read(self, frame: Frame, login: Login) -> Reading:
        carries = carries_any(frame)
        data: Any = None
        if frame[:1] in ("{", b"{", "[", b"["):
            try:
                data = read_json(frame)
            except ValueError:
                data = None
        said = in_objects(data, self.fields) if carries and data is not None else {}
        events = tuple(said) or markers(frame)
        several = data.get(self.batch) if isinstance(data, dict) and self.batch is not None else data
        if isinstance(several, list) and several and all(isinstance(one, dict) for one in several):
            around = [{key: value for key, value in data.items() if key != self.batch}] if data is not several else []
            parts = [self._read(one, tuple(in_objects(one, self.fields)), said, login) for one in (*around, *several)]
            return Reading(events, kind=parts[0].kind, said=said, parts=parts)
        if not isinstance(data, dict):
            return Reading(events, kind="text" if isinstance(frame, str) else "bytes", said=said)
        return self._read(data, events, said, login)

    def _read(self, data: Mapping[str, Any], events: tuple[str, ...], said: dict[str, Said], login: Login) -> Reading:
        """What one message says."""
        reading = Reading(events, kind=_kind(data), said=said)
        if self._says_no_more:
            return reading
        named = None
        if self.ready is not None and contains(self.ready, data, lambda: self.said(login)):
            reading.ready = True
            named = data.get(self._user_field) if self._user_field is not None else None
        for name, action in self.actions.items():
            if contains(action.answer, data, lambda: self.said(login)):
                reading.acted = name
                named = data.get(action.user) if action.user is not None else named
        if named is not None:
            reading.user = self.user_named(named)
        reading.retells = any(contains(some, data, lambda: self.said(login)) for some in self.retells)
        if self.recipient is not None:
            reading.recipient = self.user_named(data.get(self.recipient))
        if self.refused is not None:
            reading.refused = contains(self.refused, data, lambda: self.said(login))
        if self.pong is not None and contains(self.ping, data, lambda: self.said(login)):
            reading.answer = frame_of(self.pong, self.said(login))
            reading.heartbeat = True
        if self.joined is not None:
            reading.joined = joined_room(self.joined, data, lambda: self.said(login))
        if self.placed is not None:
            reading.placed = joined_room(self.placed, data, lambda: self.said(login))
        if self.removed is not None:
            reading.removed = joined_room(self.removed, data, lambda: self.said(login))
        if self.rejected is not None:
            reading.rejected = quotes(self.rejected, data, events, lambda: self.said(login))
        if self.logged_out is not None:
            reading.logged_out = contains(self.logged_out, data, lambda: self.said(login))
        if self.online is not None:
            reading.seen = self.online.read(data, self.user_named)
        return reading


TEXT = JsonWire(path="/ws", to_user=None, to_all="{event}")
"""Plain text: whatever a client sends is meant for everybody."""


KIND_FIELDS = ("type", "event", "kind", "action", "op", "ev", "cmd", "t", "k")
"""What the field is called in which a frame says what it is."""


def _kind(data: Mapping[str, Any]) -> str:
    """A word for what a frame is: what it says itself, else that it is JSON."""
    for name in KIND_FIELDS:
        if name in data:
            word = data[name]
            if isinstance(word, str) and not carries_any(word):
                return word
    return "json"
