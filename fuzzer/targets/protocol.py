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
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from ..core.stacks import is_library
from .routes import Route, takes_auth
from .socketio import SocketIOWire
from .users import integer_users, uuid_users
from .wire import DEFAULT_ROOMS, TEXT, JsonWire, Wire

__all__ = ("asked_at", "guesses", "plain_wire", "plainly")

RECEIVES_TEXT = frozenset({"receive_text", "iter_text"})
RECEIVES_OBJECTS = frozenset({"receive_json", "iter_json"})
RECEIVES_JSON = RECEIVES_OBJECTS | {"loads", "receive_data"}
SENDS_JSON = frozenset({"send_json", "send_data"})

RECIPIENTS = (
    "to",
    "recipient",
    "receiver",
    "to_user",
    "to_id",
    "target",
    "recipient_id",
    "user",
    "user_id",
    "username",
)
TEXTS = ("text", "message", "content", "body", "msg", "data", "payload")
KINDS = ("type", "action", "event", "kind", "op", "cmd", "command")
TOKENS = ("token", "access_token", "jwt", "auth", "key", "api_key")
USERS = ("user", "user_id", "username", "client_id", "name", "uid")
ROOMS = ("room", "room_id", "room_name", "channel", "channel_id", "chat_id", "group", "group_id", "topic")
SAYS = ("message", "chat", "send", "say", "direct", "dm", "post", "emit", "broadcast", "msg")

GREETINGS = ("ready", "welcome", "connected", "hello")

FOUND_ELSEWHERE = re.compile(r"Depends|Cookie|Header|Body")
"""In an argument's annotation or default: the framework does not take it out of the query."""

DEPTH = 3
"""Calls from the handler into other functions of its module that are read."""


FOR_WHOM = frozenset(RECIPIENTS) - frozenset(USERS)

Plain = Literal["text", "json for everybody", "json for one"]


@dataclass
class _Seen:
    """What was found in the source of a handler, in the order in which it stands there."""

    receives_json: bool = False
    keys: dict[str, None] = field(default_factory=dict)
    needed: dict[str, None] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    user: str | None = None
    query: dict[str, None] = field(default_factory=dict)
    bearer: bool = False


def plainly(route: Route) -> Plain | None:
    """What a route's handler plainly speaks; None where its source does not tell.

    Text, where it is seen to receive that, and no module whose code it runs speaks of JSON; JSON for everybody, where
    it is seen to receive objects, and no such module has a name for the one whom a message is for; JSON for one, where
    it looks such a name up in what it receives.
    """
    sources = list(_sources(route.endpoint))
    called = {_name(node.func) for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.Call)}
    try:
        modules = {inspect.getsource(sys.modules[name]) for name in {s.function.__module__ for s in sources}}
    except (OSError, TypeError, KeyError):
        return None
    if called & RECEIVES_TEXT and not any("json" in module.lower() for module in modules):
        return "text"
    if called & RECEIVES_OBJECTS and not any(map(_addresses, modules)):
        return "json for everybody"
    return "json for one" if _recipients(sources) else None


def _recipients(sources: Iterable[_Source]) -> frozenset[str]:
    """The names of the one whom a message is for that are looked up in what is received."""
    seen = _Seen()
    for source in sources:
        _read(source, seen)
    return FOR_WHOM & seen.keys.keys()


NAMED: dict[type[ast.AST], str] = {ast.Constant: "value", ast.Attribute: "attr", ast.Name: "id", ast.arg: "arg"}
"""Where in the source a name may stand, and as what."""


@cache
def _addresses(module: str) -> bool:
    """Whether a name for a recipient stands anywhere in a module's code."""
    return any(getattr(node, NAMED.get(type(node), ""), None) in FOR_WHOM for node in ast.walk(ast.parse(module)))


def guesses(route: Route) -> list[JsonWire]:
    """Wires that a route's handler may speak, the likeliest first; text and JSON where its source says nothing."""
    seen = _Seen()
    for source in _sources(route.endpoint):
        _read(source, seen)
        if source.asked:
            _arguments(source.tree, seen, set(route.parameters))
    common: dict[str, Any] = {
        **_asking(route, seen),
        "headers": {"Authorization": "Bearer {token}"} if seen.bearer else {},
        "ready": seen.ready or None,
        "user": seen.user,
    }
    everybody = "to_room" if "rooms" in common else "to_all"
    said = [{"to_user": to_user, everybody: to_all} for to_user, to_all in _messages(seen)]
    return [JsonWire(**{**common, **one}) for one in said]


def _asking(route: Route, seen: _Seen | None = None) -> dict[str, Any]:
    """How a wire asks for a route: its path, what users are called there, and which rooms it leads to, if any."""
    path = _path(route, seen if seen is not None else _Seen())
    kinds = [kind for name, kind in route.parameters.items() if name not in ROOMS]
    users = integer_users if "integer" in kinds else uuid_users if "uuid" in kinds else None
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
        return replace(known, path=route.path, auth=known.auth if takes_auth(route.endpoint) else None)
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
    if spoken == {"json for one"} and all("to" in _recipients(_sources(route.endpoint)) for route in routes):
        return JsonWire(), False
    if spoken == {"text"}:
        return TEXT, True
    if spoken == {"json for everybody"}:
        return JsonWire(to_user=None, to_all=FOR_ALL), True
    return JsonWire(to_all=FOR_ALL), True


def _messages(seen: _Seen) -> Iterator[tuple[Any, Any]]:
    """What clients may say: to one user, to everybody."""
    if seen.receives_json:
        to = next((key for key in RECIPIENTS if key in seen.keys), None)
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


def _by_likelihood(seen: _Seen) -> list[dict[str, str]]:
    """The ways to say what kind of message it is; none where the handler does not ask."""
    found = [{key: value} for key, values in seen.kinds.items() for value in values]
    likely = sorted(found, key=lambda kind: not any(word in next(iter(kind.values())).lower() for word in SAYS))
    other = [{key: "message"} for key, values in seen.kinds.items() if "message" not in values]  # for an ``else``
    return [*likely, *other] or [{}]


def _path(route: Route, seen: _Seen) -> str:
    asked = []
    for name in seen.query:
        placeholder = "{token}" if name in TOKENS else "{user}" if name in USERS else None
        if placeholder is not None:
            asked.append(f"{name}={placeholder}")
    path = route.template(lambda name: "{room}" if name in ROOMS else "{user}")
    if not asked and "{user}" not in path and not seen.bearer:
        asked.append("token={token}")
    return f"{path}?{'&'.join(asked)}" if asked else path


# -- reading ------------------------------


@dataclass
class _Source:
    """A function that is read: whether a framework gives it its arguments, and which of them were received."""

    function: Any
    tree: ast.AST
    asked: bool
    received: set[str]


def _sources(endpoint: Any) -> Iterator[_Source]:
    """A handler, its dependencies, and the functions and methods of its own project that it calls."""
    first = inspect.unwrap(endpoint) if callable(endpoint) else endpoint
    waiting: list[tuple[Any, int, bool, set[str]]] = [(first, 0, True, set())]
    seen: set[int] = set()
    while waiting:
        function, depth, asked, given = waiting.pop(0)
        if id(function) in seen:
            continue
        seen.add(id(function))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):
            continue
        received = given | _received(tree)
        yield _Source(function, tree, asked, received)
        if depth == DEPTH:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called, depends = _called(node, function)
                if called is not None:
                    waiting.append((called, depth + 1, depends, _given(node, called, received)))


def _called(node: ast.Call, function: Any) -> tuple[Any, bool]:
    """What is called, or depended on, where it is a function of the caller's project; whether it is the latter."""
    names = getattr(function, "__globals__", {})
    said: ast.expr = node.func
    depends = isinstance(said, ast.Name) and said.id == "Depends" and bool(node.args)
    if depends:
        said = node.args[0]
    called = None
    if isinstance(said, ast.Name):
        called = names.get(said.id)
    elif isinstance(said, ast.Attribute) and isinstance(said.value, ast.Name):
        called = inspect.getattr_static(names.get(said.value.id), said.attr, None)
        called = getattr(type(names.get(said.value.id)), said.attr, None) if called is None else called
    if not inspect.isfunction(called) or is_library(called.__code__.co_filename):
        return None, False
    return called, depends


def _given(node: ast.Call, called: Any, received: set[str]) -> set[str]:
    """The called function's arguments for which something received is given."""
    names = [name for name in inspect.signature(called).parameters if name != "self"]
    passed = dict(zip(names, node.args, strict=False)) | {word.arg: word.value for word in node.keywords if word.arg}
    return {name for name, value in passed.items() if isinstance(value, ast.Name) and value.id in received}


def _received(tree: ast.AST) -> set[str]:
    """The variables to which what was received is assigned."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AsyncFor) and _is_json(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def _read(source: _Source, seen: _Seen) -> None:
    tree, received = source.tree, source.received
    kinds: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _call(node, seen)
        elif isinstance(node, ast.Subscript):
            _looked_up(node.value, node.slice, seen)
    for node in ast.walk(tree):
        key = _key(node, received)
        if key is not None:
            seen.keys[key] = None
            if isinstance(node, ast.Subscript):
                seen.needed[key] = None
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named = _key(node.value, received)
            if named is not None:
                kinds[node.targets[0].id] = named
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.In):
            key = kinds.get(node.left.id) if isinstance(node.left, ast.Name) else _key(node.left, received)
            values = ast.walk(node.comparators[0])
        elif isinstance(node, ast.Match):
            key = kinds.get(node.subject.id) if isinstance(node.subject, ast.Name) else _key(node.subject, received)
            values = (part for case in node.cases for part in ast.walk(case.pattern))
        else:
            continue
        if key in KINDS:
            said = [v.value for v in values if isinstance(v, ast.Constant) and isinstance(v.value, str)]
            seen.kinds.setdefault(str(key), []).extend(said)


def _is_json(node: Any) -> bool:
    value = node.iter if isinstance(node, ast.AsyncFor) else node.value
    while isinstance(value, ast.Await):
        value = value.value
    return isinstance(value, ast.Call) and _name(value.func) in RECEIVES_JSON


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _key(node: ast.AST, received: set[str]) -> str | None:
    """The key that an expression looks up in something that was received."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in received:
        return node.slice.value if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) else None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        owner, first = node.func.value, node.args[0]
        if isinstance(owner, ast.Name) and owner.id in received and isinstance(first, ast.Constant):
            return first.value if isinstance(first.value, str) else None
    return None


def _call(node: ast.Call, seen: _Seen) -> None:
    name = _name(node.func)
    if name in RECEIVES_JSON:
        seen.receives_json = True
    elif name in SENDS_JSON and node.args and isinstance(node.args[0], ast.Dict) and not seen.ready:
        said, user = _constants(node.args[0])
        if any(word in str(value).lower() for value in said.values() for word in GREETINGS):
            seen.ready, seen.user = said, user
    elif name == "get" and isinstance(node.func, ast.Attribute) and node.args:
        _looked_up(node.func.value, node.args[0], seen)


def _constants(said: ast.Dict) -> tuple[dict[str, Any], str | None]:
    """What is constant in a frame, and the field in which it says who is logged in."""
    constants: dict[str, Any] = {}
    user = None
    for key, value in zip(said.keys, said.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            if isinstance(value, ast.Constant):
                constants[key.value] = value.value
            elif key.value in USERS and user is None:
                user = key.value
    return constants, user


def _looked_up(owner: ast.expr, key: ast.expr, seen: _Seen) -> None:
    """``websocket.query_params.get("token")``, ``websocket.headers.get("authorization")``."""
    if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
        return
    where = _name(owner)
    if where in ("query_params", "query", "args"):
        seen.query[key.value] = None
    elif where == "headers" and key.value.lower() == "authorization":
        seen.bearer = True


def _arguments(tree: ast.AST, seen: _Seen, path: set[str]) -> None:
    """Arguments that a framework takes out of the query: those that are called as tokens and users are."""
    function = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if function is None:
        return
    said = function.args
    arguments = [*said.posonlyargs, *said.args, *said.kwonlyargs]
    filled = [None] * (len(said.posonlyargs) + len(said.args) - len(said.defaults)) + [
        *said.defaults,
        *said.kw_defaults,
    ]
    for argument, default in zip(arguments, filled, strict=False):
        about = " ".join(ast.unparse(part) for part in (argument.annotation, default) if part is not None)
        if argument.arg in (*TOKENS, *USERS) and argument.arg not in path and not FOUND_ELSEWHERE.search(about):
            seen.query[argument.arg] = None
