"""Applications of frameworks that bring a server of their own: Sanic and Tornado."""

from __future__ import annotations

import platform
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from .serving import PORT

__all__ = ("is_sanic", "is_tornado", "sanic_serving", "tornado_serving")


def is_tornado(value: Any) -> bool:
    """Whether a value is a `tornado.web.Application`."""
    web = sys.modules.get("tornado.web")
    return web is not None and isinstance(value, web.Application)


def is_sanic(value: Any) -> bool:
    """Whether a value is a `sanic.Sanic`.

    Starting one asks which processor this is; the first answer takes a process, and is remembered, so it is got here.
    """
    app = sys.modules.get("sanic.app")
    found = app is not None and isinstance(value, app.Sanic)
    if found:
        platform.processor()
    return found


@asynccontextmanager
async def tornado_serving(app: Any) -> AsyncIterator[None]:
    """A Tornado application that listens through Tornado's own HTTP server."""
    server = app.listen(PORT)
    try:
        yield
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def sanic_serving(app: Any) -> AsyncIterator[None]:
    """A Sanic application behind Sanic's own server; called over ASGI its WebSockets lack half of their methods.

    Sanic rewrites some of its own methods when it starts, so that signals without handlers cost nothing: unless the
    application asks for that (``TOUCHUP``) it does not, as in debug mode, since it takes longer than an execution.  In
    its test mode it can do so more than once.  That the application is being served it learns from ``app.run`` alone,
    which this stands for: otherwise `add_task` puts tasks off to a start that is over.
    """
    type(app).test_mode = True
    if not isinstance(app.config.TOUCHUP, bool):
        app.config.TOUCHUP = False
    serving = import_module("sanic.application.constants").ServerStage.SERVING
    app.state.server_info.append(import_module("sanic.application.state").ApplicationServerInfo({}, serving))
    server = await app.create_server(host="127.0.0.1", port=PORT, return_asyncio_server=True, access_log=False)
    assert server is not None
    await server.startup()
    await server.before_start()
    await server.after_start()
    await server.start_serving()
    try:
        yield
    finally:
        await server.before_stop()
        server.close()
        for connection in list(server.connections):
            connection.close()
        await server.after_stop()
