"""From ``package.module:name`` to a target: what kind of application it is, and how it will be run and spoken to.

`application` finds out whether a name stands for an ASGI application, a handler for `websockets`, an aiohttp
application, a coroutine that starts a server, or a factory of one of these.
"""

from __future__ import annotations

import functools
import inspect
import logging.config  # noqa: F401 - uvicorn has imported it before an application is, and applications rely on that
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from ..core.choices import WAYS, Backend, Way
from ..core.program import Kind as OperationKind
from ..core.stacks import raised_at
from ..core.text import cut, said
from ..world import WorldLoop, world_here
from .adapter import Target
from .backends import backends_for
from .embedding import sanic_serving, tornado_serving
from .fresh import Before, FreshModule, taking_up
from .json_wire import TEXT, JsonWire
from .kinds import OWN, Kind, kind_of, needed
from .places import UnknownTargetError, is_ours, load_module, module_and_name
from .policy import Limits, Policy
from .preparing import Prepared
from .protocol import asked_at, plain_wire
from .routes import Route, post_routes, websocket_routes
from .scripts import class_given, start_in
from .serving import (
    PORT,
    AsgiService,
    ListeningService,
    Service,
    Surrounded,
    aiohttp_serving,
    listening,
    uvicorn_serving,
    websockets_serving,
)
from .socketio import SocketIOWire
from .standins import StandIn
from .state import Keeping
from .traits import AUDIENCES, WireTraits
from .wire import Wire

__all__ = ("VIA", "WIRES", "Kind", "application", "kind_of")

WORDS: dict[Kind, str] = {
    "asgi": "an ASGI application",
    "aiohttp": "an aiohttp application, behind its own server",
    "sanic": "a Sanic application, behind its own server",
    "tornado": "a Tornado application, behind its own server",
    "handler": "a handler for websockets.serve",
    "server": "a coroutine that starts a server",
    "serving": "an async context manager that runs a server",
}

VIA: dict[str, str] = {
    "direct": "",
    "uvicorn": "auto",
    "uvicorn-websockets": "websockets",
    "uvicorn-sansio": "websockets-sansio",
    "uvicorn-wsproto": "wsproto",
}
"""How an ASGI application is reached: called directly, or behind uvicorn with one of its WebSocket implementations."""

WIRES: dict[str, Wire] = {"json": JsonWire(), "text": TEXT, "socketio": SocketIOWire()}
"""Wires there are without saying more."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a name turned out to be, and how to get it anew; ``makes``: an application as the coroutine makes it."""

    kind: Kind
    title: str
    anew: Callable[[], Any]
    example: Any
    makes: Any = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """Where clients can connect, as far as that can be told before it runs."""
        return tuple(websocket_routes(self.made))

    @property
    def made(self) -> Any:
        """The application, as far as it is there before it runs."""
        return self.example if self.makes is None else self.makes


def application(
    name: str,
    *,
    wire: Wire | str | None = None,
    via: str | None = None,
    limits: Limits | Policy | None = None,
    policy: Policy | None = None,
    offline_delivery: bool = False,
    compression: bool = False,
    port: int | None = None,
    state: Way | None = None,
    prepare: Callable[[], Awaitable[object] | object] | None = None,
    environment: Mapping[str, str] | None = None,
    stand_ins: Sequence[StandIn] = (),
    backends: Sequence[Backend] = (),
) -> Target:
    """The target for an application that clients reach over WebSocket, by ``package.module:name``.

    ``wire`` says how they speak to it (an object, or a name as on the command line); without it, a `Wire` named
    ``wire`` in the application's module, else text where its handlers are seen to receive that, else JSON.  ``via``
    puts an ASGI application behind a server (`VIA`).
    ``policy`` is what the application does on purpose (``limits``: the part of it that came first; without either, a
    ``policy`` or ``limits`` in its module).  ``compression`` offers permessage-deflate.  ``port`` is where clients
    connect to an application that starts several servers of its own (a database's stand-in, say).

    ``prepare`` is called at the beginning of each execution, before the application starts: it makes tables, users,
    tokens, and may be a coroutine function.  ``environment``: variables that are set when the application is taken up
    and while it runs.  ``stand_ins`` answer for the machines that it talks to (`Redis`, `HttpService`, `LineServer`),
    each anew in every execution, and before ``prepare`` is called.  ``state`` says how executions are kept apart
    (`WAYS`); without it, the first way that is proven.  ``backends`` are the libraries whose tasks the application can
    be run as, the first where nobody chooses; without them, ``backends`` in its module, else what that imports.
    Raises `UnknownTargetError`.
    """
    if "?" in name:
        said = ", ".join(f"{key}={value!r}" for key, value in parse_qsl(name.partition("?")[2]))
        raise UnknownTargetError(
            f"target {name!r}: settings follow a question mark on the command line alone; "
            f"here they are arguments: application({name.partition('?')[0]!r}, {said})"
        )
    module_name, attribute = module_and_name(name)
    if state is not None and state not in WAYS:
        raise UnknownTargetError(f"target {name!r}: unknown state {state!r}; it is one of {', '.join(WAYS)}")
    keeping = Keeping(state, environment=environment)
    before = Before()
    with keeping.set_up():
        load_module(name, module_name)
        fresh = FreshModule(module_name)
        _have_under(name, fresh, keeping, before)
        value = getattr(fresh.module, attribute, None)
        if value is None:
            raise UnknownTargetError(f"target {name!r}: module {module_name!r} has no {attribute!r}")
        found = _found(name, value, fresh, attribute)
    keeping.anew, keeping.roots = found.anew, ((f"{module_name}.{attribute}", found.example),)
    if via is not None and via not in VIA:
        raise UnknownTargetError(f"target {name!r}: unknown via {via!r}; it is one of {', '.join(VIA)}")
    if port is not None and found.kind not in ("server", "serving"):
        raise UnknownTargetError(f"target {name!r}: only an application that starts its servers itself has a port")
    if via is not None and found.kind != "asgi":
        done = "called directly" if via == "direct" else f"put behind {via}"
        raise UnknownTargetError(f"target {name!r}: only an ASGI application can be {done}; this is {found.title}")
    routes = found.routes
    spoken, guessed = _wire(name, wire, fresh, routes)
    direct = found.kind == "asgi" and via in (None, "direct")

    def create() -> Service:
        thing = found.anew() if keeping.way == "modules" else found.example
        service: Service
        if direct:
            service = AsgiService(thing)
        else:
            own = found.kind in ("server", "serving")
            service = ListeningService(
                _serving(found.kind, thing, via, port), port=port if own else PORT, compression=compression
            )
        if prepare is not None:
            service = Prepared(service, prepare)
        return Surrounded(service, stand_ins) if stand_ins else service

    traits = WireTraits(
        spoken,
        policy or limits or getattr(fresh.module, "policy", None) or getattr(fresh.module, "limits", None) or Policy(),
        offline_delivery,
        by_bytes=not direct,
        routes=routes,
        guessed=guessed,
        posts=functools.partial(post_routes, found.made),
    )
    how = ", called directly" if direct else f", behind {via}" if found.kind == "asgi" else ""
    if state is not None:
        how += f", its executions kept apart by {state}"
    title = f"{found.title}{how}; clients speak {spoken.describe()}"
    servers = "" if direct or found.kind in OWN else f"{found.title}{how}, is served by"
    if stand_ins:
        servers = "it has stand-ins, which are"
    known = backends_for(name, fresh.module, backends, servers)
    behind = functools.partial(
        application,
        name,
        wire=wire,
        limits=limits,
        policy=policy,
        offline_delivery=offline_delivery,
        compression=compression,
        port=port,
        state=state,
        prepare=prepare,
        environment=environment,
        stand_ins=stand_ins,
        backends=backends,
    )
    return Target(name, create, traits, title, keeping, known[0], known, behind, servers)


def _have_under(name: str, fresh: FreshModule, keeping: Keeping, before: Before) -> None:
    """Have a target's modules as they are under its environment variables; raises `UnknownTargetError`."""
    listed = ", ".join(keeping.environment)
    try:
        anew = fresh.under(keeping.environment, before)
    except Exception as error:
        raise UnknownTargetError(
            f"target {name!r}: its modules were imported before its environment variables were set ({listed}), and "
            f"executing them anew failed with {cut(type(error).__name__, 100)}: {said(error)}; "
            "import them inside functions"
        ) from error
    if anew:
        others = ", ".join(anew)
        keeping.note(f"its modules were imported with other environment variables ({others}), and are executed anew")
    keeping.modules = fresh.loaded


def _found(name: str, value: Any, fresh: FreshModule, attribute: str) -> _Found:
    def anew() -> Any:
        return getattr(fresh.again(), attribute)

    kind = kind_of(value)
    if kind == "server" and attribute != "main" and _says_what_it_makes(value):
        with taking_up(), suppress(UnknownTargetError):  # it may need what there is in executions only: stand-ins, say
            made = _made(name, value, attribute)
            makes = kind_of(made)
            if makes is not None:
                return _Found(kind, f"a coroutine that makes {_title(makes, made)}", anew, value, made)
    if kind is not None:
        return _Found(kind, _title(kind, value), anew, value)
    if callable(value) and needed(value) == 0:
        with taking_up():
            made = _made(name, value, attribute)
        kind = kind_of(made)
        if kind is not None:
            return _Found(kind, f"a factory of {_title(kind, made)}", lambda: anew()(), made)
    raise UnknownTargetError(
        f"target {name!r}: {attribute} is a {type(value).__name__}, which is neither an ASGI or aiohttp application, "
        "nor a handler for websockets.serve (a connection, and its path where it wants that), nor a coroutine function "
        "that starts a server (no argument), nor a factory of one of these, nor a subclass of "
        "crosswire.fuzzer.targets.Adapter"
    )


def _says_what_it_makes(factory: Callable[[], Any]) -> bool:
    """Whether a coroutine function says, or shows, that it gives an application back, rather than run one."""
    written = inspect.unwrap(factory)
    try:
        given = inspect.get_annotations(written, eval_str=True).get("return") or class_given(written)
    except Exception:  # whatever evaluating somebody's annotations raises
        return False
    web = sys.modules.get("aiohttp.web")
    if not isinstance(given, type):
        return False
    return (web is not None and issubclass(given, web.Application)) or inspect.iscoroutinefunction(given.__call__)


def _made(name: str, factory: Callable[[], Any], attribute: str) -> Any:
    """What a factory makes, called in a world of its own, where nothing it does reaches the machine's network.

    A script's start is no factory, and is not called.
    """
    start = start_in(factory)
    if start is not None or attribute == "main":
        does = f"calls {start.call}()" if start is not None else "is called as a script's start is"
        inner = start.runs if start is not None and start.runs is not None else None
        place = name.partition(":")[0]
        better = (
            inner
            if inner is not None and ":" in inner
            else f"{place}:{inner}"
            if inner is not None
            else "the application, a factory that returns it, or a coroutine function that starts the server"
        )
        raise UnknownTargetError(
            f"target {name!r}: {attribute} is a plain function that {does}, so it was not called; name {better} instead"
        )

    async def call() -> Any:
        made = factory()
        return await made if inspect.iscoroutine(made) else made

    try:
        return WorldLoop().run_coroutine(call())
    except BaseException as error:
        if is_ours(error):
            raise
        raise UnknownTargetError(
            f"target {name!r}: calling {attribute}() failed with {cut(type(error).__name__, 100)}: {said(error)}"
            f", in {raised_at(error)}"
        ) from error


def _title(kind: Kind, value: Any) -> str:
    if kind == "asgi" and not inspect.isfunction(value):
        return f"{WORDS[kind]} ({type(value).__name__})"
    return WORDS[kind]


def _serving(kind: Kind, thing: Any, via: str | None, port: int | None) -> AbstractAsyncContextManager[Any]:
    if kind == "asgi":
        return uvicorn_serving(thing, ws=VIA[via or "uvicorn"])
    if kind == "aiohttp":
        return aiohttp_serving(thing)
    if kind == "sanic":
        return sanic_serving(thing)
    if kind == "tornado":
        return tornado_serving(thing)
    if kind == "serving":
        return thing()  # type: ignore[no-any-return]
    if kind == "handler":
        return _on_either(thing if needed(thing) == 1 else _with_path(thing))
    return _started(thing, port)


@asynccontextmanager
async def _on_either(handler: Callable[[Any], Awaitable[None]]) -> Any:
    """A handler behind the server of `websockets` for the library whose tasks run."""
    if world_here().backend == "trio":
        from .structured import websockets_on_trio  # trio is loaded where it is wanted

        async with websockets_on_trio(handler):
            yield
    else:
        async with websockets_serving(handler):
            yield


def _with_path(handler: Callable[[Any, str], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """A handler of the older kind, which is given the path beside the connection."""

    @functools.wraps(handler)
    def handle(socket: Any) -> Awaitable[None]:
        return handler(socket, socket.request.path)

    return handle


@asynccontextmanager
async def _started(main: Callable[[], Any], port: int | None) -> Any:
    """A coroutine that starts a server; on asyncio, one that makes an application instead has it served."""
    if world_here().backend == "trio":
        from .structured import listening_on_trio

        async with listening_on_trio(main, port=port):
            yield
        return
    made: list[Any] = []

    async def run() -> Any:
        result = await main()
        if result is not None and (kind := kind_of(result)) in ("aiohttp", "asgi"):
            serving = _serving(kind, result, None, None)
            await serving.__aenter__()
            made.append(serving)
        return result

    async with listening(run, port=port):
        yield
        for serving in made:
            await serving.__aexit__(None, None, None)


def _wire(
    name: str, wire: Wire | str | None, fresh: FreshModule, routes: Sequence[Route]
) -> tuple[Wire, tuple[OperationKind, ...]]:
    """How an application is spoken to; and where nobody said to whom that is, the operations of which one may do it."""
    own = getattr(fresh.module, "wire", None) if wire is None else wire
    if isinstance(own, Wire):
        return own, ()
    if not isinstance(wire, str):
        spoken, guessed = plain_wire(routes)
    elif wire in WIRES:
        spoken, guessed = WIRES[wire], False
    else:
        return wire_at(name, wire), ()
    spoken = asked_at(routes, spoken)
    ways = tuple(filter(spoken.offers, AUDIENCES))
    return spoken, ways if guessed or len(ways) > 1 else ()


def wire_at(name: str, wire: str) -> Wire:
    """The wire of that place, ``package.module:name``, for the target of that name."""
    module_name, attribute = module_and_name(wire)
    if not attribute:
        raise UnknownTargetError(
            f"target {name!r}: unknown wire {wire!r}: name one of {', '.join(WIRES)}, or module:name"
        )
    module = load_module(name, module_name)
    found = getattr(module, attribute, None)
    if found is None:
        there = [key for key, value in vars(module).items() if isinstance(value, Wire)]
        hint = f"; it has {', '.join(there)}" if there else ""
        raise UnknownTargetError(f"target {name!r}: module {module_name!r} has no {attribute!r}{hint}")
    if isinstance(found, type) and issubclass(found, Wire):
        found = found()
    if not isinstance(found, Wire):
        raise UnknownTargetError(
            f"target {name!r}: {wire} is no wire; make one with crosswire.fuzzer.targets.JsonWire, or derive from Wire"
        )
    return found
