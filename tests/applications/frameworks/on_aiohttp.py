"""aiohttp: an application, a runner started in ``main``, and a site on a socket that is bound by hand."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import WSMsgType, web


def create_app() -> web.Application:
    peers: list[web.WebSocketResponse] = []

    async def chat(request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        peers.append(websocket)
        try:
            async for message in websocket:
                if message.type is WSMsgType.TEXT:
                    for peer in list(peers):
                        try:
                            await peer.send_str(message.data)
                        except ConnectionError:
                            continue
        finally:
            peers.remove(websocket)
        return websocket

    app = web.Application()
    app.router.add_get("/live/{user}", chat)
    return app


async def main() -> None:
    runner = web.AppRunner(create_app(), handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8080).start()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


async def by_socket() -> None:
    runner = web.AppRunner(create_app(), handle_signals=False)
    await runner.setup()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 8080))
    await web.SockSite(runner, sock).start()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
