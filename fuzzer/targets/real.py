"""Applications as their clients reach them over real sockets: what `serving` starts, and no network in memory."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ..clients.asgi import Application
from ..clients.asking import LoopbackRequest
from ..clients.http import Heard
from ..clients.link import Link, Peer
from ..clients.loopback import LoopbackLink
from ..core.http import HttpRequest
from ..core.program import Pace
from ..world.stock import StockLoop
from .preparing import Prepared
from .serving import PORT, AsgiService, ListeningService, Service, Surrounded, uvicorn_serving

__all__ = ("RealService", "real")


class RealService(Service):
    """A service whose clients reach it over real sockets; an ASGI application is put behind uvicorn."""

    def __init__(self, service: Service) -> None:
        self._whole = isinstance(service, AsgiService)
        self.told: set[int] = set()
        """the ports of clients of whom an ASGI application has been handed the message that they are gone"""
        if isinstance(service, AsgiService):
            service = ListeningService(uvicorn_serving(self._hearing(service.app)), port=PORT)
        if not isinstance(service, ListeningService):
            raise TypeError(f"a {type(service).__name__} cannot be served over real sockets")
        self._service = service

    def _hearing(self, app: Application) -> Application:
        """The application, with an ear for what the server tells it."""

        async def heard(scope: Any, receive: Any, send: Any) -> None:
            async def hear() -> Any:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    self.told.add(scope["client"][1])
                return message

            await app(scope, hear, send)

        return heard

    async def __aenter__(self) -> RealService:
        await self._service.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._service.__aexit__(*exc_info)

    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        loop = cast(StockLoop, asyncio.get_running_loop())
        port, compression = self._service.port, self._service.compression
        return LoopbackLink(name, peer, pace, loop, port, whole=self._whole, compression=compression)

    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        loop = cast(StockLoop, asyncio.get_running_loop())
        called = name if self._whole else f"{name}-http{number}"
        LoopbackRequest(loop, called, self._service.port, request, heard, whole=self._whole).send()


def real(service: Service) -> Service:
    """The same service over real sockets, with what surrounds it and what is done before it starts."""
    if isinstance(service, Prepared):
        return Prepared(real(service.service), service.prepare)
    if isinstance(service, Surrounded):
        return Surrounded(real(service.service), service.stand_ins)
    return RealService(service)
