"""``crosswire init``: a commented file to begin with."""

from __future__ import annotations

from pathlib import Path

from ..targets.applications import WIRES
from ..targets.resolve import UnknownTargetError, resolve
from ..targets.traits import WireTraits
from ..targets.wire import JsonWire

__all__ = ("write_beginning",)

ADAPTER = '''"""How Crosswire reaches your connection manager.  Complete it, then: crosswire run {module}:Manager"""

from crosswire.fuzzer.targets import Adapter, Limits

# from mychat import ConnectionManager


class Manager(Adapter):
    """Made anew, without arguments, for every execution."""

    # What you promise; times in seconds.
    limits = Limits(delay=1.0, connections_per_user=None)

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

from crosswire.fuzzer.targets import {wire}, Limits, application

{spoken}

target = application(
    "{target}",
    wire=wire,
    # What you promise: nobody waits longer than ``delay`` seconds for somebody else's slow client, and a user may
    # have any number of connections.
    limits=Limits(delay=1.0, connections_per_user=None),
    # via="uvicorn",  # for an ASGI application: behind the real server, byte for byte; slower
    # prepare=set_up,  # called at the beginning of each execution: a function that makes tables, users, tokens
    # environment={{"DATABASE_URL": "sqlite+aiosqlite://"}},  # variables that the application reads
)
'''

JSON = """\
# {{user}}, {{token}}: the client\'s.  {{event}}: a marker to pass through.  {{to}}: the user an event is for.
wire = JsonWire(
    path="{path}",
    # headers={{"Authorization": "Bearer {{token}}"}},
    # first=[{{"type": "login", "token": "{{token}}"}}],  # sent once connected
    # ready={{"type": "welcome"}},  # what the answer contains that says a client is logged in ...
    # user="user",  # ... and its field that says as whom
    to_user={to_user},
    to_all={to_all},
    # ask={{"type": "ask", "run_id": "{{event}}"}},  # an agent\'s run: five events, with this marker in each
    # recipient="user",  # the field of any frame that says whom it is for
    # authenticates=True,  # also try tokens that are invalid, expired or somebody else\'s
)"""

SOCKETIO = """\
# {{user}}, {{token}}: the client\'s.  {{event}}: a marker to pass through.  {{to}}: the user an event is for.
wire = SocketIOWire(
    auth={{"token": "{{token}}"}},
    # first=[("join", {{"room": "{{user}}"}})],  # events sent once connected
    to_user=("message", {{"to": "{{to}}", "text": "{{event}}"}}),
    to_all=None,
)"""


def write_beginning(target: str | None, wire: str, out: Path) -> None:
    """Write the file and say what comes next; raises `UnknownTargetError`, and leaves an existing file alone."""
    if out.exists():
        raise UnknownTargetError(f"{out} exists; name another file with --out")
    if wire not in WIRES:
        raise UnknownTargetError(f"unknown wire {wire!r}: name one of {', '.join(WIRES)}")
    name = out.stem
    if target is None:
        out.write_text(ADAPTER.format(module=name), encoding="utf-8")
        print(f"wrote {out}: fill in connect, emit and disconnect, then: crosswire run {name}:Manager")
        return
    found = resolve(f"{target}{'' if '?' in target else f'?wire={wire}'}")
    traits = found.traits
    if not isinstance(traits, WireTraits):
        raise UnknownTargetError(f"{target} is an adapter already; run it: crosswire run {target}")
    title, _, spoken = found.description.partition("; ")
    known = traits.wire
    if isinstance(known, JsonWire):
        wording = JSON.format(path=known.path, to_user=_source(known.to_user), to_all=_source(known.to_all))
    else:
        wording = SOCKETIO.format()
    text = APPLICATION.format(
        target=target,
        title=title,
        module=name,
        spoken=wording,
        wire="JsonWire" if wire != "socketio" else "SocketIOWire",
    )
    out.write_text(text, encoding="utf-8")
    print(f"{target} is {title}; {spoken}")
    print(f"wrote {out}: make it speak your protocol, then: crosswire run {name}:target")


def _source(template: object) -> str:
    return repr(template).replace("'", '"')
