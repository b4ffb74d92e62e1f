"""The Starlette chat behind servers that a coroutine of the application's own starts: hypercorn, uvicorn, daphne."""

from __future__ import annotations

import asyncio
from typing import Any

from .on_starlette import app


async def hypercorn() -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = ["127.0.0.1:8080"]
    over: Any = asyncio.Event().wait
    await serve(app, config, shutdown_trigger=over)  # type: ignore[arg-type]


async def uvicorn() -> None:
    import uvicorn

    await uvicorn.Server(uvicorn.Config(app, port=8080, log_level="warning")).serve()


async def daphne() -> None:
    """daphne's factories on the running loop, as its ``Server.run`` starts them, without ``reactor.run``."""
    import sys

    import twisted.internet

    for name in [name for name in sys.modules if name == "twisted.internet.reactor" or name.startswith("daphne")]:
        del sys.modules[name]  # a reactor belongs to one loop
    vars(twisted.internet).pop("reactor", None)
    from twisted.internet import asyncioreactor

    asyncioreactor.install(asyncio.get_running_loop())  # type: ignore[no-untyped-call]
    from daphne.http_protocol import HTTPFactory
    from daphne.server import Server
    from daphne.ws_protocol import WebSocketFactory
    from twisted.internet import reactor

    running: Any = reactor
    server = Server(app, endpoints=["tcp:8080"])
    server.connections = {}
    server.http_factory = HTTPFactory(server)
    server.ws_factory = WebSocketFactory(server, server="Daphne")
    server.ws_factory.setProtocolOptions(autoPingTimeout=30, allowNullOrigin=True, openHandshakeTimeout=5)
    running.listenTCP(8080, server.http_factory, interface="127.0.0.1")
    running.startRunning(installSignalHandlers=False)
    await asyncio.Event().wait()
