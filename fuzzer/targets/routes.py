"""Where an application takes WebSocket connections, as far as its framework tells.

Every framework keeps its routes in a shape of its own; what they have in common is a path with parameters, and the
function or class that answers there.
"""

from __future__ import annotations

import inspect
import re
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

__all__ = (
    "ParameterKind",
    "Route",
    "events_of",
    "handlers_of",
    "namespace_of",
    "post_routes",
    "takes_auth",
    "websocket_routes",
)

ParameterKind = Literal["text", "integer", "uuid", "path"]
"""What a parameter of a path takes: a word, a number, a UUID, or all that is left."""

PARAMETER = re.compile(
    r"\{(?P<braces>[^}]*)\}|<(?P<angles>[^>]*)>|\(\?P<(?P<group>\w+)>[^)]*\)|(?P<anonymous>\([^)]*\))"
)

KINDS: dict[str, ParameterKind] = {"int": "integer", "uuid": "uuid", "path": "path"}

PATTERNS: dict[ParameterKind, str] = {
    "text": "[^/]+",
    "integer": "-?[0-9]+",
    "uuid": "[0-9a-fA-F-]{32,36}",
    "path": ".+",
}

WANTED: dict[ParameterKind, str] = {"integer": "an integer", "uuid": "a UUID"}

WRAPPED = ("app", "inner", "other_asgi_app", "application", "_app")
"""Attributes in which middleware keeps the application it stands before."""

DEPTH = 12


@dataclass(frozen=True)
class Route:
    """One place at which clients can connect.

    ``path`` is as the framework shows it; ``parameters`` says what each of its parameters takes; ``endpoint`` answers.
    ``wanted``: the types that the endpoint, and what it depends on, declare for them.  ``socketio``: clients speak
    Socket.IO there.
    """

    path: str
    endpoint: Any = None
    parameters: Mapping[str, ParameterKind] = field(default_factory=dict)
    wanted: Mapping[str, Any] = field(default_factory=dict)
    socketio: bool = False

    def template(self, value: Callable[[str], str]) -> str:
        """The path with ``value(name)`` for each of its parameters."""
        return PARAMETER.sub(lambda found: value(_named(found)[0]), self.path)

    def __str__(self) -> str:
        """The path, and what its parameters take where that is not any word."""
        kinds = [f"{name} {WANTED[kind]}" for name, kind in self.parameters.items() if kind in WANTED]
        return f"{self.path} ({', '.join(kinds)})" if kinds else self.path

    def matches(self, path: str, *, typed: bool = True) -> bool:
        """Whether a request for this path comes here; where not ``typed``, whatever stands for its parameters."""
        at, pattern = 0, ""
        route = self.path.replace("\\/", "/").rstrip("$")
        route = route.removesuffix("?") if route.endswith("/?") else route  # a pattern's slash, or none
        for found in PARAMETER.finditer(route):
            name, kind = _named(found)
            kind = self.parameters.get(name, kind)
            pattern += re.escape(route[at : found.start()])
            pattern += PATTERNS[kind if typed or kind == "path" else "text"]
            at = found.end()
        pattern += re.escape(route[at:])
        return re.fullmatch(pattern.rstrip("/") + "/?", path.partition("?")[0]) is not None


def _named(found: re.Match[str]) -> tuple[str, ParameterKind]:
    """A parameter's name and kind: ``{name:int}``, ``<int:name>``, ``<name:int>``, ``{name}``, a group of a pattern."""
    words = (found["braces"] or found["angles"] or found["group"] or "parameter").split(":")
    kinds = [KINDS[word] for word in words if word in KINDS]
    named = [word for word in words if word not in KINDS and word not in ("str", "string")]
    return (named or words)[0], kinds[0] if kinds else "text"


def websocket_routes(app: Any) -> list[Route]:
    """The WebSocket routes of an application, through the middleware around it; empty where nobody can tell.

    Understands Starlette and FastAPI (mounts, included routers), Litestar, Quart, Sanic, BlackSheep, aiohttp, Tornado,
    Django Channels and Socket.IO.
    """
    seen: set[int] = set()
    for _ in range(DEPTH):
        found = [route for reader in READERS for route in reader(app, "")]
        if found:
            return list({route.path: _typed(route) for route in found}.values())
        seen.add(id(app))
        app = next(
            (
                inner
                for name in WRAPPED
                if (inner := getattr(app, name, None)) is not None and callable(inner) and id(inner) not in seen
            ),
            None,
        )
        if app is None:
            break
    return []


def _typed(route: Route) -> Route:
    """The route with what its parameters take: as its path says, or as its endpoint's annotations do."""
    said = dict(_named(found) for found in PARAMETER.finditer(route.path))
    for name, annotation in {**_annotations(route.endpoint), **route.wanted}.items():
        if said.get(name) == "text":
            said[name] = "integer" if annotation is int else "uuid" if annotation is uuid.UUID else "text"
    return replace(route, parameters=said, wanted={})


def _annotations(endpoint: Any) -> Mapping[str, Any]:
    try:
        return inspect.get_annotations(inspect.unwrap(endpoint), eval_str=True)
    except Exception:  # whatever evaluating somebody's annotations raises
        return {}


def takes_auth(endpoint: Any) -> bool:
    """Whether a Socket.IO application's handler of ``connect`` takes what clients show there; True where none tells.

    The library gives it the session, the environment, and the third only where a client shows something.
    """
    handler: Any = handlers_of(endpoint).get("connect")
    try:
        inspect.signature(handler).bind("session", {}, {})
    except TypeError:
        return handler is None
    return True


def events_of(endpoint: Any) -> list[str]:
    """The events that a Socket.IO application has handlers for, in its namespace."""
    return [name for name in handlers_of(endpoint) if name not in ("connect", "disconnect")]


def namespace_of(endpoint: Any) -> str:
    """The namespace in which a Socket.IO application has handlers: ``/``, unless it has them elsewhere alone."""
    return next(iter(_namespaces(endpoint)), "/")


def handlers_of(endpoint: Any) -> Mapping[str, Any]:
    """A Socket.IO application's handlers in its namespace, by event."""
    return _namespaces(endpoint).get(namespace_of(endpoint), {})


def _namespaces(endpoint: Any) -> Mapping[str, Mapping[str, Any]]:
    """Handlers by event, by namespace, ``/`` first; a namespace may be a class with methods ``on_...``."""
    server = getattr(endpoint, "engineio_server", endpoint)
    found: dict[str, dict[str, Any]] = {}
    for name, handlers in getattr(server, "handlers", {}).items():
        found.setdefault(name, {}).update(handlers)
    for name, namespace in getattr(server, "namespace_handlers", {}).items():
        methods = {key: getattr(namespace, key) for key in dir(namespace) if key.startswith("on_")}
        found.setdefault(name, {}).update((key.removeprefix("on_"), method) for key, method in methods.items())
    return dict(sorted(found.items(), key=lambda item: item[0] != "/"))


# -- one for each framework ------------------------------


def _starlette(app: Any, prefix: str) -> Iterator[Route]:
    """Starlette, FastAPI and Litestar: a list of routes, mounts and routers among them."""
    for path, route, original in _listed(app, prefix):
        if "WebSocketRoute" in type(original).__name__:
            handler = getattr(route, "route_handler", None)
            endpoint = getattr(handler, "fn", None) or getattr(route, "endpoint", None)
            yield Route(path, endpoint, wanted=_depended_on(getattr(route, "dependant", None)))
        elif _is_mount(original):
            for inner in websocket_routes(original.app):
                whole = inner.socketio and inner.path != "/" and inner.path.startswith(path)
                yield inner if whole else replace(inner, path=path.rstrip("/") + inner.path)


def _listed(app: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    """The path of each route in such a list, the route, and as it was before it was included in another router."""
    routes = getattr(app, "routes", None)
    if not isinstance(routes, list | tuple):
        return
    fastapi = sys.modules.get("fastapi.routing")
    contexts = getattr(fastapi, "iter_route_contexts", None)  # since included routers are looked up when asked
    for route in contexts(routes) if contexts is not None else routes:
        yield prefix + str(getattr(route, "path", None) or ""), route, getattr(route, "original_route", route)


def _is_mount(original: Any) -> bool:
    return getattr(original, "app", None) is not None and not hasattr(original, "methods")


def _depended_on(dependant: Any) -> dict[str, Any]:
    """The types that FastAPI's dependencies declare for parameters of the path."""
    if dependant is None:
        return {}
    found = {}
    for parameter in getattr(dependant, "path_params", ()):
        info = getattr(parameter, "field_info", None)
        found[str(getattr(parameter, "alias", ""))] = getattr(info, "annotation", None)
    for inner in getattr(dependant, "dependencies", ()):
        found |= _depended_on(inner)
    return found


def _quart(app: Any, prefix: str) -> Iterator[Route]:
    yield from (Route(prefix + path, function) for path, function, rule in _ruled(app) if _takes_websockets(rule))


def _ruled(app: Any) -> Iterator[tuple[str, Any, Any]]:
    """The path of each rule of Quart's, its function, and the rule."""
    rules = getattr(app, "url_map", None)
    if rules is not None and hasattr(rules, "iter_rules"):
        functions = getattr(app, "view_functions", {})
        yield from ((str(rule.rule), functions.get(rule.endpoint), rule) for rule in rules.iter_rules())


def _takes_websockets(rule: Any) -> bool:
    return getattr(rule, "websocket", False)


def _sanic(app: Any, prefix: str) -> Iterator[Route]:
    if type(app).__module__.partition(".")[0] == "sanic":
        for route in app.router.routes:
            attached = _attached(route.handler)
            if attached is not None:
                yield Route(f"{prefix}/{route.path.strip('/')}/", attached, socketio=True)
            elif getattr(route.extra, "websocket", False):
                handler = getattr(route.handler, "args", (None,))[0]
                yield Route(f"{prefix}/{route.path.lstrip('/')}", handler)


def _blacksheep(app: Any, prefix: str) -> Iterator[Route]:
    if type(app).__module__.partition(".")[0] == "blacksheep":
        registered = [route for method, route in app.router.registered_routes if method == "GET_WS"]
        for route in (*registered, *app.router.routes.get(b"GET_WS", ())):
            pattern = route.pattern
            yield Route(prefix + (pattern.decode() if isinstance(pattern, bytes) else str(pattern)), route.handler)


def _aiohttp(app: Any, prefix: str) -> Iterator[Route]:
    """aiohttp tells no WebSocket handler from others: every one that answers GET, first those that name its class."""
    web = sys.modules.get("aiohttp.web")
    if web is not None and isinstance(app, web.Application):
        answers = [
            route for route in app.router.routes() if route.method in ("GET", "*") and route.resource is not None
        ]
        for route in sorted(answers, key=lambda route: not _names_websockets(route.handler)):
            yield _route(prefix + route.resource.canonical, route.handler, route.handler)


def _names_websockets(handler: Any) -> bool:
    """Whether a function, or the one of a class that answers GET, names aiohttp's class of WebSocket connections."""
    call = inspect.unwrap(getattr(handler, "get", handler) if isinstance(handler, type) else handler)
    code = getattr(call, "__code__", None)
    return code is not None and "WebSocketResponse" in code.co_names


def _tornado(app: Any, prefix: str) -> Iterator[Route]:
    web, socket = sys.modules.get("tornado.web"), sys.modules.get("tornado.websocket")
    if web is not None and socket is not None and isinstance(app, web.Application):
        for rule in app.wildcard_router.rules:
            handler = rule.target
            if isinstance(handler, type) and issubclass(handler, socket.WebSocketHandler):
                yield _route(prefix + rule.matcher.regex.pattern.rstrip("$"), handler, getattr(handler, "get", None))


def _channels(app: Any, prefix: str) -> Iterator[Route]:
    by_protocol = getattr(app, "application_mapping", None)
    if isinstance(by_protocol, dict) and "websocket" in by_protocol:
        yield from websocket_routes(by_protocol["websocket"])
    elif type(app).__name__ == "URLRouter":
        for route in app.routes:
            yield Route(prefix + "/" + str(route.pattern).lstrip("^/").rstrip("$"), route.callback)


def _socketio(app: Any, prefix: str) -> Iterator[Route]:
    """Socket.IO's own ASGI application; it hands other requests on."""
    if type(app).__module__.partition(".")[0] in ("socketio", "engineio") and hasattr(app, "engineio_path"):
        yield Route(app.engineio_path or "/", app, socketio=True)
        yield from websocket_routes(app.other_asgi_app)


def _enclosed(function: Any) -> Iterator[Any]:
    """What a function finds in its closure."""
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # nothing has come into it
            yield cell.cell_contents


def _attached(handler: Any) -> Any | None:
    """The Socket.IO server that answers where it was attached to another framework's application; None elsewhere.

    The handler is a method of the Engine.IO server's, or names that server in its closure (Tornado); what comes in
    there is handed on to the Socket.IO server, which has put a method of its own in for it.
    """
    for engine in (getattr(handler, "__self__", None), *_enclosed(handler)):
        if type(engine).__module__.partition(".")[0] == "engineio":
            connected = getattr(engine, "handlers", {}).get("connect")
            return getattr(connected, "__self__", engine)
    return None


def _route(path: str, endpoint: Any, handler: Any) -> Route:
    """The route to an endpoint, whose ``handler`` may be that of a Socket.IO server that was attached."""
    attached = _attached(handler)
    return Route(path, endpoint) if attached is None else Route(path, attached, socketio=True)


READERS = (_starlette, _quart, _sanic, _blacksheep, _aiohttp, _tornado, _channels, _socketio)


# -- where something can be posted ------------------------------


def post_routes(app: Any) -> list[Route]:
    """Where something can be posted to an application of Starlette's, FastAPI's, aiohttp's or Quart's."""
    return [*_starlette_posts(app, ""), *_aiohttp_posts(app), *_quart_posts(app)]


def _starlette_posts(app: Any, prefix: str) -> Iterator[Route]:
    for path, _, original in _listed(app, prefix):
        if _posts(original):
            yield Route(path, getattr(original, "endpoint", None))
        elif _is_mount(original):
            yield from _starlette_posts(original.app, path.rstrip("/"))


def _aiohttp_posts(app: Any) -> Iterator[Route]:
    web = sys.modules.get("aiohttp.web")
    if web is not None and isinstance(app, web.Application):
        for route in app.router.routes():
            if route.method == "POST" and route.resource is not None:
                yield Route(route.resource.canonical, route.handler)


def _quart_posts(app: Any) -> Iterator[Route]:
    yield from (Route(path, function) for path, function, rule in _ruled(app) if _posts(rule))


def _posts(route: Any) -> bool:
    return "POST" in (getattr(route, "methods", None) or ())
