"""Wires: how clients speak an application's own protocol over WebSocket.

A wire says how to ask for a connection, how to log in, how to emit, and how to read a frame that came in.  Every event
a simulated user emits carries a marker, ``cw-e5``; whatever frame it comes back in, on whatever connection, the marker
is found again, so an application need not be changed to be watched.

`JsonWire` serves most applications; derive from `Wire` where its templates are not enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from ..core.errors import UsageError
from ..core.handshake import Frame, Request
from .frames import Said, markers
from .login import Http, HttpLogin, fill
from .own import FOR_A_USER, Action
from .presence import Seen
from .templates import Template, frame_of, names

__all__ = (
    "DEFAULT_ROOMS",
    "Frame",
    "Login",
    "Outgoing",
    "Reading",
    "Request",
    "Template",
    "UNASKED",
    "Wire",
    "WireError",
    "check_actions",
    "fill",
    "markers",
    "words",
)


UNASKED = "logged_out= is what answers a log-out, and clients have none to send: say logout="


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


@dataclass(slots=True)  # one for each frame, and frozen ones take three times as long to make
class Reading:
    """What a frame that came in says.

    ``events``: the events it carries, as in the markers; ``said``: for each of them, where the wire can tell, the
    object it is in. ``recipient``: the user it says it is for. ``ready``: the login is done, as ``user`` where it says
    who. ``refused``: the login failed. ``joined``: the room that was joined ("" where it does not say which).
    ``logged_out``: the log-out is done. ``rejected``: something that the client said is turned down. ``done``: the
    event whose emitting the server confirms. ``acted``: the action of the wire's own that is done, and ``user`` whom
    the server then takes the client for. ``placed``: the room that the server has put the client into, of its own
    choice; ``removed``: the one it has taken the client out of ("" for all of them). ``seen``: who is online.
    ``answer``: a frame to send back at once, which is no sign of life where it is the answer to a ``heartbeat``.
    ``follow``: frames that belong to the login and come next. ``retells``: of the events that it carries, those that
    had come before are no second delivery. ``dismissed``: the server has done with the client, who hangs up when it
    reads it.
    ``kind``: a word for it in traces.  ``parts``: what each of the messages says that come in one frame.
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
    placed: str | None = None
    removed: str | None = None
    logged_out: bool = False
    rejected: bool = False
    acted: str | None = None
    seen: Seen | None = None
    retells: bool = False
    dismissed: bool = False
    parts: Sequence[Reading] = ()


DEFAULT_ROOMS = ("r0", "r1")
"""What rooms are called where nobody says it."""

CHOSEN = ("any",)
"""What programs call the room that the server chooses."""


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

    retells: Sequence[object] = ()
    """What frames contain that tell once more what had come before; where there are none, no reading `retells`."""

    rejects = False
    """Some frames turn down what a client has said; where there are none, no reading is `rejected`."""

    confirms_log_out = False
    """The server says when a log-out is done; otherwise it counts as done once everything has come to rest."""

    confirms_joins = False
    """The server says when a room is joined; otherwise it counts as joined once everything has come to rest."""

    chooses_rooms = False
    """The server chooses the rooms: clients ask for some room, and speak in whichever they are in."""

    names_rooms = True
    """Where clients speak in a room, they say which; otherwise they speak in the one that they have joined last."""

    leaves_where_it_is = False
    """Who leaves a room does not say which: it is the one that the client is in."""

    def describe(self) -> str:
        """The wire in a few words."""
        return type(self).__name__

    def offers(self, operation: str) -> bool:
        """Which of emit, broadcast, run_agent, log_out, expire, join, leave and emit_to_room clients can do."""
        return False

    @property
    def room_names(self) -> tuple[str, ...]:
        """What `rooms` are called, each once; `DEFAULT_ROOMS` where nobody says it, and none where the server does."""
        if self.chooses_rooms:
            return CHOSEN
        named = chain.from_iterable(self.rooms.values()) if isinstance(self.rooms, Mapping) else self.rooms
        return tuple(dict.fromkeys(named)) or DEFAULT_ROOMS

    @property
    def rooms_at_connect(self) -> bool:
        """Whether a client says on connecting which room it is in, and stays there."""
        return False

    def enters(self, login: Login) -> tuple[str, ...]:
        """The rooms a connection is in from its login on."""
        return _entered(self, login)

    def called(self, user: str) -> str:
        """What the application calls a user."""
        return user

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

    def join_room(self, login: Login, room: str) -> Sequence[Frame] | Http:
        """Become a member of a room."""
        raise NotImplementedError

    def leave_room(self, login: Login, room: str) -> Sequence[Frame] | Http:
        """Be a member no more."""
        raise NotImplementedError

    def emit_to_room(self, event: Outgoing) -> Frame | Http:
        """Send an event to the members of a room."""
        raise NotImplementedError

    def spoken_in(self, login: Login, room: str | None) -> tuple[str, ...]:
        """The rooms that `emit_to_room` reaches, if the program says ``room``.

        Where clients connect to a room, that one; a wire whose frames name another all the same says so here.  None,
        where clients join rooms and frames name none: what is said is for the room that the client is in by then.
        """
        return (room,) if room is not None and self.names_rooms and not self.rooms_at_connect else self.enters(login)

    def read(self, frame: Frame, login: Login) -> Reading:
        """Read a frame that the client ``login`` received."""
        return Reading(events=markers(frame), kind="text" if isinstance(frame, str) else "bytes")


def check_actions(actions: Mapping[str, Action]) -> None:
    """See whether what actions say can be meant; raises `WireError`."""
    for name, action in actions.items():
        tells = action.audience is not None or names("{event}", action.say)
        if tells and action.audience not in FOR_A_USER and names("{to}", action.say):
            raise WireError(f'the action {name!r} says {{to}}, which is nobody without audience="user"')
        if any(names(said, action.answer) for said in ("{to}", "{event}")):
            raise WireError(f"the action {name!r}: answer= may not name {{to}} or {{event}}")
        if action.removes and (action.audience is not None or not names("{to}", action.say)):
            raise WireError(f"the action {name!r} removes somebody: it says whom, by {{to}}, and has no audience")


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
    if not isinstance(wire.rooms, Mapping):
        return ()
    users = dict.fromkeys((login.user, login.identity or login.user))  # of another's token: whom a server goes by
    return tuple(dict.fromkeys(chain.from_iterable(wire.rooms.get(user, ()) for user in users)))
