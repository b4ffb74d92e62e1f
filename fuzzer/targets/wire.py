"""Wires: how clients speak an application's own protocol over WebSocket.

A wire says how to ask for a connection, how to log in, how to emit, and how to read a frame that came in.  Every event
a simulated user emits carries a marker, ``cw-e5``; whatever frame it comes back in, on whatever connection, the marker
is found again, so an application need not be changed to be watched.

`JsonWire` is for applications whose frames are JSON objects, or text: its fields are templates, in which

* ``{user}`` is the client's user, ``{token}`` what it shows at login, ``{connection}`` its own name,
* ``{event}`` is the marker of the event being emitted, ``{to}`` the user it is for.

Derive from `Wire` where templates are not enough.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..core.errors import UsageError
from ..core.handshake import Frame, Request
from ..core.program import CRITICAL_EVENTS

__all__ = (
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

Template = str | Mapping[str, Any] | Sequence[Any]
"""A text, or something JSON-able that becomes one; placeholders in any string of it."""

MARKER = re.compile(r"cw-(e\d+)")
MARKER_IN_BYTES = re.compile(rb"cw-(e\d+)")


class WireError(UsageError):
    """The wire cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client asks to be, what it shows (``token-u0``, ``invalid``, ``expired-u0``), and whose that is."""

    connection: str
    user: str
    token: str
    identity: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to emit: pass ``marker`` through the application, to the user ``to``, or to all where that is None."""

    marker: str
    to: str | None
    login: Login

    @property
    def words(self) -> dict[str, str]:
        """What the placeholders stand for."""
        return {**words(self.login), "event": self.marker, "to": self.to or ""}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a frame that came in says.

    ``events``: the events it carries, as in the markers.  ``recipient``: the user it says it is for.  ``ready``: the
    login is done, as ``user`` where it says who.  ``refused``: the login failed.  ``done``: the event whose emitting
    the server confirms.  ``answer``: a frame to send back at once, which is no sign of life where it is the answer to a
    ``heartbeat``.  ``follow``: frames that belong to the login and come next.  ``kind``: a word for it in traces.
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


class Wire:
    """Base of wires: a connection at ``/``, nothing to log in with, and no way to emit."""

    waits_for_ready = False
    """The server says when a login is done; otherwise it counts as done once everything has come to rest."""

    authenticates = False
    """Programs also try tokens that are invalid, expired or somebody else's."""

    def describe(self) -> str:
        """The wire in a few words."""
        return type(self).__name__

    def offers(self, operation: str) -> bool:
        """Which of ``emit``, ``broadcast``, ``run_agent`` and ``log_out`` clients can do."""
        return False

    def request(self, login: Login) -> Request:
        """The opening handshake."""
        return Request()

    def login(self, login: Login) -> Sequence[Frame]:
        """What to send once the connection is open."""
        return ()

    def emit(self, event: Outgoing) -> Frame:
        """Send an event to one user."""
        raise NotImplementedError

    def broadcast(self, event: Outgoing) -> Frame:
        """Send an event to everybody."""
        raise NotImplementedError

    def run_agent(self, event: Outgoing) -> Frame:
        """Ask for an agent's run, which answers with its five events, each with the marker and its own name."""
        raise NotImplementedError

    def log_out(self, login: Login) -> Sequence[Frame]:
        """End the login and leave the connection open."""
        raise NotImplementedError

    def read(self, frame: Frame, login: Login) -> Reading:
        """Read a frame that the client ``login`` received."""
        return Reading(events=markers(frame), kind="text" if isinstance(frame, str) else "bytes")


def markers(frame: Frame) -> tuple[str, ...]:
    """The events a frame carries, wherever in it; an agent's event is told by its name beside the marker."""
    if isinstance(frame, str):
        if "cw-e" not in frame:
            return ()
        found: Iterable[str] = MARKER.findall(frame)
        text = frame
    else:
        if b"cw-e" not in frame:
            return ()
        found = (match.decode() for match in MARKER_IN_BYTES.findall(frame))
        text = frame.decode("utf-8", "replace")
    events = tuple(dict.fromkeys(found))
    step = next((name for name in CRITICAL_EVENTS if name in text), None)
    return tuple(f"{event}.{step}" for event in events) if step is not None else events


@dataclass(frozen=True)
class JsonWire(Wire):
    """JSON objects, or plain text, by templates; see the module's docstring for the placeholders.

    ``path``, ``headers``, ``subprotocols`` make the handshake; ``first`` lists what is sent once it is done.  ``ready``
    and ``refused`` are what a frame must contain to say how the login ended, ``user`` the field in which it says who.
    ``to_user``, ``to_all``, ``ask`` (an agent's run) and ``leave`` (log-out) are what clients can send.  ``recipient``
    is the field of any frame that names the user it is for.  ``ping`` is what a heartbeat contains, ``pong`` the
    answer to it.
    """

    path: str = "/ws?token={token}"
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: Sequence[str] = ()
    first: Sequence[Template] = ()
    ready: Mapping[str, Any] | None = None
    refused: Mapping[str, Any] | None = None
    user: str | None = None
    to_user: Template | None = field(default_factory=lambda: {"type": "message", "to": "{to}", "text": "{event}"})
    to_all: Template | None = None
    ask: Template | None = None
    leave: Template | None = None
    recipient: str | None = None
    ping: Mapping[str, Any] | None = None
    pong: Template | None = None
    authenticates: bool = False

    def __post_init__(self) -> None:
        if self.to_user is None and self.to_all is None and self.ask is None:
            raise WireError("a JsonWire needs to_user, to_all or ask: without one, clients have nothing to say")
        if not self.path.startswith("/"):
            raise WireError(f"the path {self.path!r} must begin with /")

    @property
    def waits_for_ready(self) -> bool:  # type: ignore[override]
        return self.ready is not None

    def offers(self, operation: str) -> bool:
        templates = {"emit": self.to_user, "broadcast": self.to_all, "run_agent": self.ask, "log_out": self.leave}
        return templates.get(operation) is not None

    def describe(self) -> str:
        templates = [template for template in (self.to_user, self.to_all, self.ask) if template is not None]
        return f"{'text' if all(isinstance(one, str) for one in templates) else 'JSON'} at {self.path}"

    def request(self, login: Login) -> Request:
        said = words(login)
        return Request(
            fill(self.path, {key: quote(value) for key, value in said.items()}),
            tuple((name, fill(value, said)) for name, value in self.headers.items()),
            tuple(fill(name, said) for name in self.subprotocols),
        )

    def login(self, login: Login) -> Sequence[Frame]:
        return [_frame(template, words(login)) for template in self.first]

    def emit(self, event: Outgoing) -> Frame:
        return _frame(self.to_user, event.words)

    def broadcast(self, event: Outgoing) -> Frame:
        return _frame(self.to_all, event.words)

    def run_agent(self, event: Outgoing) -> Frame:
        return _frame(self.ask, event.words)

    def log_out(self, login: Login) -> Sequence[Frame]:
        return [_frame(self.leave, words(login))]

    def read(self, frame: Frame, login: Login) -> Reading:
        events = markers(frame)
        data: Any = None
        if frame[:1] in ("{", b"{"):
            try:
                data = json.loads(frame)
            except ValueError:
                data = None
        if not isinstance(data, dict):
            return Reading(events, kind="text" if isinstance(frame, str) else "bytes")
        ready = self.ready is not None and self.ready.items() <= data.items()
        said = data.get(self.user) if ready and self.user is not None else None
        recipient = data.get(self.recipient) if self.recipient is not None else None
        answer = None
        if self.ping is not None and self.pong is not None and self.ping.items() <= data.items():
            answer = _frame(self.pong, words(login))
        return Reading(
            events,
            recipient if isinstance(recipient, str) else None,
            ready,
            said if isinstance(said, str) else None,
            self.refused is not None and self.refused.items() <= data.items(),
            answer=answer,
            heartbeat=answer is not None,
            kind=str(data.get("type", "json")),
        )


TEXT = JsonWire(path="/ws", to_user=None, to_all="{event}")
"""Plain text: whatever a client sends is meant for everybody."""


def words(login: Login) -> dict[str, str]:
    """What the placeholders stand for, as far as a login tells."""
    return {"user": login.user, "token": login.token, "connection": login.connection}


def fill(template: Any, said: Mapping[str, str]) -> Any:
    """A template with its placeholders replaced, in every string of it."""
    if isinstance(template, str):
        for name, value in said.items():
            template = template.replace(f"{{{name}}}", value)
        return template
    if isinstance(template, Mapping):
        return {key: fill(value, said) for key, value in template.items()}
    if isinstance(template, Sequence):
        return [fill(value, said) for value in template]
    return template


def _frame(template: Template | None, said: Mapping[str, str]) -> Frame:
    filled = fill(template, said)
    return filled if isinstance(filled, str) else json.dumps(filled)
