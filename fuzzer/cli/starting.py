"""``crosswire init``: a commented file to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..campaigns.audience import overheard
from ..campaigns.preflight import preflight
from ..engine.execution import TargetError, Worker
from ..targets.adapter import Target
from ..targets.applications import WIRES
from ..targets.http_guesses import requests
from ..targets.json_wire import JsonWire
from ..targets.login import Http
from ..targets.protocol import guesses, plainly
from ..targets.resolve import UnknownTargetError, resolve
from ..targets.routes import Route, events_of
from ..targets.socketio import SocketIOWire
from ..targets.socketio_guesses import socketio_guesses
from ..targets.traits import WireTraits
from ..targets.users import integer_users, uuid_users
from ..targets.wire import Wire

__all__ = ("write_beginning",)

ROUTES = 5
"""Routes whose handlers are read, where an application has more."""

ADAPTER = '''"""How Crosswire reaches your connection manager.  Complete it, then: crosswire run {module}:Manager"""

from crosswire.fuzzer import Adapter, Policy

# from mychat import ConnectionManager


class Manager(Adapter):
    """Made anew, without arguments, for every execution."""

    # What the manager does on purpose: limits, what is kept, how often it delivers; times in seconds.
    # policy = Policy(per_user=1, at_limit="close", delay=5.0)

    def __init__(self):
        self.manager = ...  # ConnectionManager()

    async def connect(self, client):
        """A client arrives, asking to be client.user; client.websocket has accept, send_json, send_text, close."""
        raise NotImplementedError("await self.manager.connect(client.user, client.websocket)")

    async def emit(self, event):
        """Send event.payload to every connection of the user event.to."""
        raise NotImplementedError("await self.manager.send(event.to, event.payload)")

    async def disconnect(self, client):
        """The server has noticed that this client is gone."""
        raise NotImplementedError("await self.manager.disconnect(client.user, client.websocket)")

    # Each of these, where you have it, adds programs or checks:
    # async def authenticate(self, client, token): return the user it is now
    # async def broadcast(self, event): ...
    # def registry(self): return the websockets you believe connected
    # async def shut_down(self): ...
'''

APPLICATION = '''"""How Crosswire reaches {target}, which is {title}.

    crosswire run {module}:target
"""

from crosswire.fuzzer import {imports}

{spoken}

target = application(
    "{target}",
    wire=wire,
    # policy=Policy(per_user=1, at_limit="close"),  # what the server does on purpose: limits, sessions, delivery
    # via="uvicorn",  # for an ASGI application: behind the real server, byte for byte; slower
    # prepare=set_up,  # called at the beginning of each execution: a function that makes tables, users, tokens
    # environment={{"DATABASE_URL": "sqlite+aiosqlite://"}},  # variables that the application reads
)
'''

JSON = """\
# {{user}}, {{token}}: the client's.  {{event}}: a marker to pass through.  {{to}}: the user an event is for.
wire = JsonWire(
    path="{path}",
    {headers},
    # first=[{{"type": "login", "token": "{{token}}"}}],  # sent once connected
    # before=HttpLogin("POST", "/login", json={{"name": "{{user}}", "password": "{{token}}"}}, token="access_token"),
    {users},  # what the application calls u0, u1, ...
    # token=sign,  # a function from a user to a token, as the application signs it
    {ready},  # what the answer contains that says a client is logged in ...
    {user},  # ... and its field that says as whom
    to_user={to_user},
    to_all={to_all},
    {rooms},
    {to_room},
    # ask={{"type": "ask", "run_id": "{{event}}"}},  # an agent's run: five events, with this marker in each
    # recipient="user",  # the field of any frame that says whom it is for
    # online=Presence(roster={{"type": "online"}}, came={{"type": "came"}}, left={{"type": "left"}}),  # who is online
    # authenticates=True,  # also try tokens that are invalid, expired or somebody else's
)"""

SOCKETIO = """\
# {{user}}, {{token}}: the client\'s.  {{event}}: a marker to pass through.  {{to}}: the user an event is for.
wire = SocketIOWire(
    path="{path}",
    auth={auth},
    {namespace},
    {first},  # events sent once connected
    {ready},  # what says that a client is logged in, where the connection alone does not ...
    # user="user",  # ... and the field of its argument that says as whom
    # What the server has handlers for: {events}.
    to_user={to_user},
    to_all={to_all},
    # rooms=["r0", "r1"],
    {join},
    {joined},  # what answers it
    {leave},
    {to_room},
    {rejected},  # what turns down what a client says (SocketIOWire.ACK: an acknowledgement)
)"""


def write_beginning(target: str | None, wire: str | None, out: Path) -> None:
    """Write the file and say what comes next; raises `UnknownTargetError`, and leaves an existing file alone.

    Without ``wire``, what the routes and handlers of an application say of its protocol is tried, and what works is
    written.
    """
    if out.exists():
        raise UnknownTargetError(f"{out} exists; name another file with --out")
    if wire is not None and wire not in WIRES:
        raise UnknownTargetError(f"unknown wire {wire!r}: name one of {', '.join(WIRES)}")
    name = out.stem
    if target is None:
        out.write_text(ADAPTER.format(module=name), encoding="utf-8")
        print(f"wrote {out}: fill in connect, emit and disconnect, then: crosswire run {name}:Manager")
        return
    found = resolve(target if wire is None or "?" in target else f"{target}?wire={wire}")
    traits = found.traits
    if not isinstance(traits, WireTraits):
        raise UnknownTargetError(f"{target} is an adapter already; run it: crosswire run {target}")
    known, trouble = traits.wire, None
    if wire is None and isinstance(known, JsonWire | SocketIOWire):
        known, trouble = _tried(found, traits)
    title, _, _ = found.description.partition("; ")
    imports = ["application"]
    if isinstance(known, JsonWire):
        wording = _json(known)
        asks = any(isinstance(one, Http) for one in (known.to_user, known.to_all, known.to_room))
        imports += [
            "JsonWire",
            *(["Http"] if asks else []),
            *(["integer_users"] if known.users is integer_users else []),
        ]
        imports += ["uuid_users"] if known.users is uuid_users else []
    else:
        spoken = known if isinstance(known, SocketIOWire) else SocketIOWire()
        events = [name for route in traits.routes if route.socketio for name in events_of(route.endpoint)]
        wording = _socketio(spoken, events)
        if events and isinstance(spoken.to_user, tuple) and spoken.to_user[0] not in events:
            trouble = f"the server has no event {spoken.to_user[0]!r}; it has {', '.join(map(_source, events))}"
        imports.append("SocketIOWire")
    text = APPLICATION.format(
        target=target, title=title, module=name, spoken=wording, imports=", ".join(sorted(imports))
    )
    out.write_text(text, encoding="utf-8")
    print(f"{target} is {title}; clients speak {known.describe()}")
    if trouble is None:
        print(f"wrote {out}: look it over, then: crosswire run {name}:target")
    else:
        print(f"wrote {out}: make it speak your protocol, then: crosswire run {name}:target")
        print(f"as it is, {trouble}")


def _tried(found: Target, traits: WireTraits) -> tuple[Wire, str | None]:
    """Of the wires that the handlers may speak the first with which the plainest program works.

    Where there is none, the likeliest, and what is wrong with it.
    """
    likeliest: tuple[Wire, str] | None = None
    spoken = isinstance(traits.wire, SocketIOWire)
    routes = [route for route in traits.routes if route.socketio == spoken][:ROUTES]
    tried: list[tuple[Wire, bool]] = [
        (guess, not spoken and plainly(route) == "json for one")
        for route in routes
        for guess in (socketio_guesses(route) if spoken else guesses(route))
    ]
    if tried:
        tried += _posting(traits.posts(), tried[0][0])
    for wire, for_one in tried or [(one, False) for one in _ways(traits.wire)]:
        worker = Worker(replace(found, traits=replace(traits, wire=wire, guessed=())))
        try:
            with worker.session():
                preflight(worker)
                if wire.offers("emit") and not for_one and overheard(worker, "emit"):
                    raise TargetError("what c0 says to u1 is heard by u2")
            return wire, None
        except TargetError as error:
            if likeliest is None:
                likeliest = wire, str(error).removeprefix(f"{found.name}: ")
    assert likeliest is not None
    return likeliest


def _posting(posts: Sequence[Route], likeliest: Wire) -> Iterator[tuple[Wire, bool]]:
    """Wires that ask for a connection as the likeliest does, and whose events are made by requests."""
    for way in map(requests, posts):
        if way and isinstance(likeliest, JsonWire):
            ways: dict[str, Any] = {"to_user": None, "to_all": None, "to_room": None, **way}
            yield replace(likeliest, **ways), "to_user" in way


def _ways(wire: Wire) -> list[Wire]:
    """A guess at a wire with one way to speak at a time, for the fewest first."""
    if not isinstance(wire, JsonWire):
        return [wire]
    ways = {"to_user": wire.to_user, "to_room": wire.to_room, "to_all": wire.to_all}
    silent: dict[str, Any] = dict.fromkeys(ways)
    return [replace(wire, **{**silent, name: way}) for name, way in ways.items() if way is not None]


def _json(wire: JsonWire) -> str:
    """The source of a wire; what it does not say stands there as a comment."""
    named = wire.users.__name__ if wire.users is not None else None
    return JSON.format(
        path=wire.path,
        to_user=_source(wire.to_user),
        to_all=_source(wire.to_all),
        headers=_said("headers", wire.headers, {"Authorization": "Bearer {token}"}),
        users=f"users={named}" if named is not None else "# users=integer_users",
        rooms=_said("rooms", wire.rooms, ["r0", "r1"]),
        to_room=_said("to_room", wire.to_room, {"type": "say", "room": "{room}", "text": "{event}"}),
        ready=_said("ready", wire.ready, {"type": "welcome"}),
        user=_said("user", wire.user, "user"),
    )


def _socketio(wire: SocketIOWire, events: Sequence[str]) -> str:
    """The same of a wire that speaks Socket.IO, with what there are handlers for."""
    said = f"namespace={_source(wire.namespace)}"
    return SOCKETIO.format(
        path=wire.path,
        auth=_source(wire.auth),
        namespace=said if wire.namespace != "/" else '# namespace="/chat"',
        events=", ".join(map(_source, events)) or "see its source",
        ready=_said("ready", wire.ready, "welcome"),
        first=_said("first", list(wire.first), [("join", {"room": "{user}"})]),
        to_user=_source(wire.to_user),
        to_all=_source(wire.to_all),
        join=_said("join", wire.join, ("join", {"room": "{room}"})),
        joined=_said("joined", wire.joined, "joined"),
        leave=_said("leave", wire.leave, ("leave", {"room": "{room}"})),
        to_room=_said("to_room", wire.to_room, ("say", {"room": "{room}", "text": "{event}"})),
        rejected=_said("rejected", wire.rejected, "failed"),
    )


def _said(name: str, value: object, example: object) -> str:
    return f"{name}={_source(value)}" if value else f"# {name}={_source(example)}"


def _source(template: object) -> str:
    if isinstance(template, Http):
        given = {name: getattr(template, name) for name in ("json", "form", "headers") if getattr(template, name)}
        said = "".join(f", {name}={_source(value)}" for name, value in given.items())
        return f"Http({_source(template.method)}, {_source(template.path)}{said})"
    return repr(template).replace("'", '"').replace(f'"{SocketIOWire.ACK}"', "SocketIOWire.ACK")
