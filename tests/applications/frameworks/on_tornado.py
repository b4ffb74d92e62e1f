"""Tornado: an application, and one that listens in ``main``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

peers: list[Chat] = []


async def deliver(sending: Any) -> None:
    with suppress(WebSocketClosedError, asyncio.CancelledError):
        await sending


class Chat(WebSocketHandler):
    def open(self, user: str) -> None:
        peers.append(self)

    async def on_message(self, message: str | bytes) -> None:
        for peer in list(peers):
            with suppress(WebSocketClosedError):
                await deliver(peer.write_message(message))

    def on_close(self) -> None:
        peers.remove(self)

    def data_received(self, chunk: bytes) -> None:
        raise NotImplementedError


app = Application([(r"/live/(\w+)", Chat)])


async def main() -> None:
    app.listen(8080)
    await asyncio.Event().wait()
