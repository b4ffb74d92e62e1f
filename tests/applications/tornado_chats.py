"""Tornado handlers that await what they write, or do not, and what a client that has gone makes of that."""

from __future__ import annotations

import asyncio

from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

__all__ = ("broken", "greets", "loose")


class Chat(WebSocketHandler):
    """Tornado's own example: nobody awaits what ``write_message`` gives back."""

    peers: set[Chat]

    def initialize(self, peers: set[Chat]) -> None:
        self.peers = peers

    def open(self, user: str) -> None:
        self.peers.add(self)

    def on_message(self, message: str | bytes) -> None:
        for peer in list(self.peers):
            try:
                peer.write_message(message)
            except WebSocketClosedError:
                continue

    def on_close(self) -> None:
        self.peers.discard(self)

    def data_received(self, chunk: bytes) -> None:
        raise NotImplementedError


class Greets(Chat):
    """A client that leaves at once is not there to be greeted."""

    async def open(self, user: str) -> None:  # type: ignore[override]
        self.peers.add(self)
        await asyncio.sleep(0.01)
        await self.write_message("welcome")


class Broken(Chat):
    """Whoever speaks is hung up on for who has gone."""

    async def on_message(self, message: str | bytes) -> None:  # type: ignore[override]
        for peer in list(self.peers):
            await peer.write_message(message)


def loose() -> Application:
    return Application([(r"/live/(\w+)", Chat, {"peers": set()})])


def greets() -> Application:
    return Application([(r"/live/(\w+)", Greets, {"peers": set()})])


def broken() -> Application:
    return Application([(r"/live/(\w+)", Broken, {"peers": set()})])
