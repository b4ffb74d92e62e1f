"""Starlette: log in with the first message, in five ways of which one is right; whoever was refused may try again."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from crosswire.fuzzer import Policy, latency

policy = Policy(rate=(10, 10.0))


async def frames(socket: WebSocket) -> AsyncIterator[dict[str, Any]]:
    """JSON objects until the client leaves."""
    async for text in socket.iter_text():
        frame = json.loads(text)
        if isinstance(frame, dict):
            yield frame


class Door:
    """Where clients log in; a user may say ten things within ten seconds."""

    def __init__(self) -> None:
        self.tabs: dict[str, list[WebSocket]] = {}
        self.open: list[WebSocket] = []
        self.said: dict[str, list[float]] = {}

    async def check(self, socket: WebSocket, token: str) -> str | None:
        """The user whose token that is, who is in then; None where it is worth nothing."""
        kind, _, user = token.partition("-")
        await latency("db")
        if kind != "token":
            return None
        self.tabs.setdefault(user, []).append(socket)
        return user

    def key(self, user: str) -> str:
        """Whose account of what was said it goes to."""
        return user

    def may_speak(self, user: str) -> bool:
        now = time.monotonic()
        said = self.said[self.key(user)] = [at for at in self.said.get(self.key(user), ()) if at > now - 10.0]
        if len(said) < 10:
            said.append(now)
            return True
        return False

    def everybody(self) -> list[WebSocket]:
        """Who hears what is said to all."""
        return [tab for tabs in self.tabs.values() for tab in tabs]

    def leave(self, socket: WebSocket) -> None:
        for tabs in self.tabs.values():
            if socket in tabs:
                tabs.remove(socket)

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        self.open.append(socket)
        user = None
        try:
            async for frame in frames(socket):
                if frame.get("type") == "login":
                    user = await self.check(socket, str(frame.get("token")))
                    await socket.send_json({"type": "ready", "user": user} if user else {"type": "error"})
                elif user is not None and self.may_speak(user):
                    tabs = self.tabs.get(str(frame["to"]), ()) if "to" in frame else self.everybody()
                    for tab in list(tabs):
                        await self.tell(tab, {"from": user, "text": frame.get("text")})
        except WebSocketDisconnect:
            pass
        finally:
            self.open.remove(socket)
            self.leave(socket)

    async def tell(self, tab: WebSocket, frame: dict[str, Any]) -> None:
        try:
            await tab.send_json(frame)
        except (WebSocketDisconnect, RuntimeError):
            self.leave(tab)


class Before(Door):
    """Lets in whoever says who it is, and checks then."""

    async def check(self, socket: WebSocket, token: str) -> str | None:
        kind, _, user = token.partition("-")
        if user:
            self.tabs.setdefault(user, []).append(socket)
        await latency("db")
        return user if kind == "token" else None


class Hall(Door):
    """Tells those too what is said to all who have only come to the door."""

    def everybody(self) -> list[WebSocket]:
        return list(self.open)


class Once(Door):
    """Lets in whose user is there already, without a look at whether the token has expired."""

    async def check(self, socket: WebSocket, token: str) -> str | None:
        user = token.partition("-")[2]
        if self.tabs.get(user):
            self.tabs[user].append(socket)
            return user
        return await super().check(socket, token)


class Shared(Door):
    """Has one account for everybody."""

    def key(self, user: str) -> str:
        return "everybody"


def chat(door: Door) -> Starlette:
    return Starlette(routes=[WebSocketRoute("/ws", door.serve)])


right, before, hall, once, shared = chat(Door()), chat(Before()), chat(Hall()), chat(Once()), chat(Shared())
