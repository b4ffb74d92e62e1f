"""How an application is run inside a world: served by its real server over the network in memory, or called directly.

A *service* is an async context manager that starts the application and ends it, and makes simulated clients' links to
it.  `AsgiService` calls an ASGI application; `ListeningService` runs anything that listens through the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

from ..clients.asgi import Application, AsgiLink
from ..clients.http import Heard, ask_asgi, ask_server
from ..clients.link import Link, Peer
from ..clients.websocket import WebSocketLink
from ..core.http import HttpRequest
from ..core.program import Pace
from ..core.stacks import unwrapped
from ..core.text import gist
from ..world import Outer, world_here
from .standins import StandIn

__all__ = (
    "PORT",
    "AsgiService",
    "ListeningService",
    "Service",
    "Surrounded",
    "aiohttp_serving",
    "listening",
    "uvicorn_serving",
    "websockets_serving",
)

PORT = 8000
"""Where the servers that are started here listen."""

FIRST_REQUEST = 1000
"""Clients' HTTP requests come from ports of their own, counted from here."""


class Service(ABC):
    """An application that can be started, connected to, and ended."""

    @abstractmethod
    async def __aenter__(self) -> Service: ...

    @abstractmethod
    async def __aexit__(self, *exc_info: object) -> None: ...

    @abstractmethod
    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        """A link for a new client; ``number`` counts them."""

    @abstractmethod
    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        """Send the HTTP request of a client called ``name``; ``number`` counts them."""


class AsgiService(Service):
    """An ASGI application without a server: lifespan and websocket scopes (ASGI 3.0).

    Raises `RuntimeError` where the application's start-up fails.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self._state: dict[str, Any] = {}
        self._loop: Outer
        self._events: deque[dict[str, Any]] = deque()
        self._asked: Any = None
        """What the application waits for that has asked for an event."""
        self._said: Any
        """Set when the application has answered an event."""
        self._trouble: str | None = None
        self._lifespan: Any

    async def __aenter__(self) -> AsgiService:
        self._loop = loop = world_here()
        self._said = loop.create_future()
        self._lifespan = loop.serve(self._live)
        await self._tell("startup")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if not self._lifespan.done():
            self._said = self._loop.create_future()
            await self._tell("shutdown")
            await self._lifespan

    async def _tell(self, event: str) -> None:
        self._events.append({"type": f"lifespan.{event}"})
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)
        await self._said
        if self._trouble is not None:
            raise RuntimeError(f"lifespan {event} failed: {self._trouble}")

    async def _live(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        as_io = self._loop.as_io
        try:
            await self.app(scope, as_io(self._event), as_io(self._hear))
        except Exception as error:
            if self._said.done():
                raise
            if not self._unsupported():
                single = unwrapped(error)
                self._trouble = f"{type(single).__name__}: {single}"
            self._said.set_result(None)
        else:
            if not self._said.done():
                self._said.set_result(None)

    def _unsupported(self) -> bool:
        """An application that knows no lifespan raises at once, before it has taken the event."""
        return bool(self._events)

    async def _event(self) -> dict[str, Any]:
        while not self._events:
            self._asked = self._loop.create_future()
            await self._asked
        return self._events.popleft()

    async def _hear(self, message: Any) -> None:
        if not self._said.done():
            if message["type"].endswith(".failed"):
                self._trouble = gist(str(message.get("message") or "no reason given"))
            self._said.set_result(None)

    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        return AsgiLink(name, peer, pace, self._loop, self.app, number, self._state)

    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        ask_asgi(self._loop, name, FIRST_REQUEST + number, self.app, self._state, request, heard)


class Surrounded(Service):
    """A service with the stand-ins that it talks to, which answer before it starts."""

    def __init__(self, service: Service, stand_ins: Sequence[StandIn]) -> None:
        self.service = service
        self.stand_ins = stand_ins

    async def __aenter__(self) -> Service:
        for stand_in in self.stand_ins:
            stand_in.start(world_here())
        return await self.service.__aenter__()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.service.__aexit__(*exc_info)

    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        return self.service.connect(name, number, peer, pace)

    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        self.service.ask(name, number, request, heard)


class ListeningService(Service):
    """A server that listens through the event loop.  ``serving`` starts it on entry and ends it on exit.

    Clients connect to ``port``; without it, to the only one there is.  Raises `RuntimeError` where there are several.
    """

    def __init__(
        self, serving: AbstractAsyncContextManager[Any], *, port: int | None = None, compression: bool = False
    ) -> None:
        self._serving = serving
        self.port = port
        self.compression = compression

    async def __aenter__(self) -> ListeningService:
        await self._serving.__aenter__()
        ports = world_here().listeners
        if self.port is None and len(ports) > 1:
            listed = ", ".join(map(str, sorted(ports)))
            await self._serving.__aexit__(None, None, None)
            raise RuntimeError(f"it listens on ports {listed}: say to which clients connect, with ?port=N")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._serving.__aexit__(None, None, None)

    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        loop = world_here()

        def dial(link: WebSocketLink) -> None:
            loop.dial(name, link, self.port, number)

        return WebSocketLink(name, peer, pace, dial, compression=self.compression)

    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        ask_server(world_here(), f"{name}-http{number}", FIRST_REQUEST + number, self.port, request, heard)


@asynccontextmanager
async def listening(
    main: Callable[[], Awaitable[Any]], stop: Callable[[], None] | None = None, *, port: int | None = None
) -> AsyncIterator[None]:
    """Run ``main()`` until a server listens; in the end ``stop()``, or cancel it, and wait for it.

    Where ``port`` is known, a server there: others may be there before.  ``main`` may also return once it listens; what
    it returns is then closed in the end, by ``cleanup``, ``aclose`` or ``close`` and ``wait_closed``.
    """
    loop = cast(Outer, asyncio.get_running_loop())
    task: asyncio.Task[Any] = loop.create_task(_awaited(main))
    listens = asyncio.ensure_future(loop.wait_listening(port))
    await asyncio.wait({task, listens}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        listens.cancel()
        task.result()
        if not loop.listeners:
            raise RuntimeError("it returned and nothing listens")
    yield
    if not task.done():
        if stop is not None:
            stop()
        else:
            task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()
    else:
        await _close(task.result())


async def _awaited(main: Callable[[], Awaitable[Any]]) -> Any:
    return await main()


async def _close(server: Any) -> None:
    for name in ("cleanup", "aclose", "close", "wait_closed"):
        method = getattr(server, name, None)
        if method is not None:
            result = method()
            if asyncio.iscoroutine(result):
                await result
            if name in ("cleanup", "aclose"):
                return


def uvicorn_serving(app: Any, *, ws: str = "auto", **options: Any) -> AbstractAsyncContextManager[None]:
    """An ASGI application behind uvicorn; ``ws`` names its WebSocket implementation."""
    import uvicorn

    class Server(uvicorn.Server):
        """As one embeds it: told to end, rather than asking itself ten times a second, and without signals."""

        @contextlib.contextmanager
        def capture_signals(self) -> Any:
            yield

        async def main_loop(self) -> None:
            await self.on_tick(0)
            await over.wait()

    over = asyncio.Event()
    settings: dict[str, Any] = {"lifespan": "auto", "access_log": False, **options}
    server = Server(uvicorn.Config(app, port=PORT, ws=cast(Any, ws), log_config=None, **settings))

    def stop() -> None:
        server.should_exit = True
        over.set()

    return listening(server.serve, stop, port=PORT)


@asynccontextmanager
async def websockets_serving(handler: Callable[[Any], Awaitable[None]], **options: Any) -> AsyncIterator[None]:
    """A handler behind the asyncio server of `websockets`."""
    from websockets.asyncio.server import serve

    async with serve(handler, "127.0.0.1", PORT, **options):
        yield


@asynccontextmanager
async def aiohttp_serving(app: Any, **options: Any) -> AsyncIterator[None]:
    """An aiohttp application behind its own server."""
    from aiohttp import web

    runner = web.AppRunner(app, handle_signals=False, access_log=None, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", PORT).start()
        yield
    finally:
        await runner.cleanup()
