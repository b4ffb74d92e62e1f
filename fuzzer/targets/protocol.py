"""What a handler's source tells of the protocol it speaks: guesses at a wire, the likeliest first.

What it receives (text or JSON, which keys, which kinds of message), what it says first, and where it looks for who a
client is.  Guesses are for a file that a user completes, and are tried before they are written.  What a
handler plainly speaks decides, besides, which wire an application has of which nothing is said.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from .handlers import (
    KINDS,
    RECEIVES_OBJECTS,
    TOKENS,
    USERS,
    Seen,
    Source,
    called_name,
    read_arguments,
    read_source,
    sources_of,
)
from .json_wire import TEXT, JsonWire
from .routes import Route, namespace_of, takes_auth
from .socketio import SocketIOWire
from .users import integer_users, uuid_users
from .wire import DEFAULT_ROOMS, Wire

__all__ = ("asked_at", "guesses", "placeholder_for", "plain_wire", "plainly")

RECEIVES_TEXT = frozenset({"receive_text", "iter_text"})
FOR_WHOM = re.compile(r"(to|recipient|receiver|target)(_?(user|client))?(_?(id|name))?", re.IGNORECASE)
"""What the one is called whom a message is for."""

TEXTS = ("text", "message", "content", "body", "msg", "data", "payload")
ROOMS = ("room", "room_id", "room_name", "channel", "channel_id", "chat_id", "group", "group_id", "topic")
SAYS = ("message", "chat", "send", "say", "direct", "dm", "post", "emit", "broadcast", "msg")


Plain = Literal["text", "json for everybody", "json for one"]


def plainly(route: Route) -> Plain | None:
    """What a route's handler plainly speaks; None where its source does not tell.

    Text, where it is seen to receive that, and no module whose code it runs speaks of JSON; JSON for everybody, where
    it is seen to receive objects, and no such module has a name for the one whom a message is for; JSON for one, where
    it looks such a name up in what it receives.
    """
    sources = list(sources_of(route.endpoint))
    called = {
        called_name(node.func) for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.Call)
    }
    try:
        modules = {inspect.getsource(sys.modules[name]) for name in {s.function.__module__ for s in sources}}
    except (OSError, TypeError, KeyError):
        return None
    if called & RECEIVES_TEXT and not any("json" in module.lower() for module in modules):
        return "text"
    if called & RECEIVES_OBJECTS and not any(map(_addresses, modules)):
        return "json for everybody"
    return "json for one" if _recipients(sources) else None


def _recipients(sources: Iterable[Source]) -> frozenset[str]:
    """The names of the one whom a message is for that are looked up in what is received."""
    seen = Seen()
    for source in sources:
        read_source(source, seen)
    return frozenset(filter(FOR_WHOM.fullmatch, seen.keys))


NAMED: dict[type[ast.AST], str] = {ast.Constant: "value", ast.Attribute: "attr", ast.Name: "id", ast.arg: "arg"}
"""Where in the source a name may stand, and as what."""


@cache
def _addresses(module: str) -> bool:
    """Whether a name for a recipient stands anywhere in a module's code."""
    names = (getattr(node, NAMED.get(type(node), ""), None) for node in ast.walk(ast.parse(module)))
    return any(isinstance(name, str) and FOR_WHOM.fullmatch(name) for name in names)


def guesses(route: Route) -> list[JsonWire]:
    """Wires that a route's handler may speak, the likeliest first; text and JSON where its source says nothing."""
    seen = Seen()
    for source in sources_of(route.endpoint):
        read_source(source, seen)
        if source.asked:
            read_arguments(source.tree, seen, set(route.parameters))
    common: dict[str, Any] = {
        **_asking(route, seen),
        "headers": {"Authorization": "Bearer {token}"} if seen.bearer else {},
        "ready": seen.ready or None,
        "user": seen.user,
    }
    everybody = "to_room" if "rooms" in common else "to_all"
    said = [{"to_user": to_user, everybody: to_all} for to_user, to_all in _messages(seen)]
    return [JsonWire(**{**common, **one}) for one in said]


def _asking(route: Route, seen: Seen | None = None) -> dict[str, Any]:
    """How a wire asks for a route: its path, what users are called there, and which rooms it leads to, if any."""
    path = _path(route, seen if seen is not None else Seen())
    kinds = [kind for name, kind in route.parameters.items() if name not in ROOMS]
    asked = " ".join(written for name, written in seen.query.items() if name in USERS) if seen is not None else ""
    integer, uuid = (re.search(rf"\b{name}\b", asked) for name in ("int", "UUID"))
    users = integer_users if integer or "integer" in kinds else uuid_users if uuid or "uuid" in kinds else None
    said: dict[str, Any] = {"path": path, "users": users}
    if "{room}" in path:
        numbered = any(kind == "integer" for name, kind in route.parameters.items() if name in ROOMS)
        said["rooms"] = ["1", "2"] if numbered else [*DEFAULT_ROOMS]
    return said


FOR_ALL: dict[str, str] = {"type": "message", "text": "{event}"}
"""What a client says to everybody in JSON, where nobody says more."""


def asked_at(routes: Sequence[Route], known: Wire) -> Wire:
    """A wire as the first of an application's routes for it asks; what is for everybody may be for a room's members."""
    route = next((route for route in routes if route.socketio == isinstance(known, SocketIOWire)), None)
    if isinstance(known, SocketIOWire) and route is not None:
        auth = known.auth if takes_auth(route.endpoint) else None
        return replace(known, path=route.path, auth=auth, namespace=namespace_of(route.endpoint))
    if not isinstance(known, JsonWire) or route is None:
        return known
    asked = _asking(route)
    return replace(known, **asked, to_room=known.to_all if "rooms" in asked else None)


def plain_wire(routes: Sequence[Route]) -> tuple[Wire, bool]:
    """The wire of an application of which nothing is said, and whether a guess is in it: to whom clients speak.

    It is what all of its handlers plainly speak, or else JSON.  That it is for one is said only where they look up what
    this wire calls that one: whoever is sent another name has been sent none.
    """
    if routes and routes[0].socketio:
        return SocketIOWire(to_all=("message", {"text": "{event}"})), True
    spoken = {plainly(route) for route in routes}
    if spoken == {"json for one"} and all("to" in _recipients(sources_of(route.endpoint)) for route in routes):
        return JsonWire(), False
    if spoken == {"text"}:
        return TEXT, True
    if spoken == {"json for everybody"}:
        return JsonWire(to_user=None, to_all=FOR_ALL), True
    return JsonWire(to_all=FOR_ALL), True


def _messages(seen: Seen) -> Iterator[tuple[Any, Any]]:
    """What clients may say: to one user, to everybody."""
    if seen.receives_json:
        to = next((key for key in (*filter(FOR_WHOM.fullmatch, seen.keys), *USERS[:3]) if key in seen.keys), None)
        text = next((key for key in TEXTS if key in seen.keys and key != to), "text")
        named = {key: "{user}" if key in USERS else "x" for key in seen.needed if key not in (to, text, *KINDS)}
        for kind in _by_likelihood(seen):
            if to is not None:
                yield {**kind, **named, to: "{to}", text: "{event}"}, None
        named |= {to: "{user}"} if to in seen.needed else {}
        for kind in _by_likelihood(seen):
            yield None, {**kind, **named, text: "{event}"}
    yield None, "{event}"
    if not seen.receives_json:
        yield {"type": "message", "to": "{to}", "text": "{event}"}, None


def placeholder_for(name: str) -> str | None:
    """What stands for something that is called so; None where the name does not tell."""
    if FOR_WHOM.fullmatch(name):
        return "{to}"
    known = {"{room}": ROOMS, "{token}": TOKENS, "{user}": USERS, "{event}": TEXTS}
    return next((placeholder for placeholder, names in known.items() if name in names), None)


def _by_likelihood(seen: Seen) -> list[dict[str, str]]:
    """The ways to say what kind of message it is; none where the handler does not ask."""
    found = [{key: value} for key, values in seen.kinds.items() for value in values]
    likely = sorted(found, key=lambda kind: not any(word in next(iter(kind.values())).lower() for word in SAYS))
    other = [{key: "message"} for key, values in seen.kinds.items() if "message" not in values]  # for an ``else``
    return [*likely, *other] or [{}]


def _path(route: Route, seen: Seen) -> str:
    asked = []
    for name in seen.query:
        placeholder = "{token}" if name in TOKENS else "{user}" if name in USERS else None
        if placeholder is not None:
            asked.append(f"{name}={placeholder}")
    path = route.template(lambda name: "{room}" if name in ROOMS else "{user}")
    if not asked and "{user}" not in path and not seen.bearer:
        asked.append("token={token}")
    return f"{path}?{'&'.join(asked)}" if asked else path
