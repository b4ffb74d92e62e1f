"""Litestar: a mailroom with one queue per open tab, kept in the application's state."""

import asyncio
import json
import logging
from dataclasses import dataclass, field

from litestar import Litestar, WebSocket, get, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect, WebSocketException

logger = logging.getLogger("mailroom")


@dataclass
class Mailroom:
    slots: dict[str, list[asyncio.Queue]] = field(default_factory=dict)

    def rent(self, user: str) -> asyncio.Queue:
        slot: asyncio.Queue = asyncio.Queue()
        slot.put_nowait({"type": "ready", "user": user})
        self.slots.setdefault(user, []).append(slot)
        return slot

    def give_back(self, user: str, slot: asyncio.Queue) -> None:
        self.slots[user].remove(slot)
        if not self.slots[user]:
            del self.slots[user]

    def put(self, user: str, letter: dict) -> int:
        slots = self.slots.get(user, [])
        for slot in slots:
            slot.put_nowait(letter)
        return len(slots)


async def carry(socket: WebSocket, slot: asyncio.Queue) -> None:
    try:
        while True:
            await socket.send_text(json.dumps(await slot.get()))
    except (WebSocketException, RuntimeError, OSError) as exc:
        logger.info("not delivered: %r", exc)


def read_letter(raw: str, sender: str) -> tuple[str, dict] | None:
    try:
        letter = json.loads(raw)
        to = letter["to"]
        if not isinstance(to, str):
            return None
        return to, {"type": "letter", "to": to, "from": sender, "text": letter["text"]}
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@websocket("/mail")
async def mail(socket: WebSocket, state: State) -> None:
    user = socket.headers.get("x-user", "")
    if not user:
        await socket.close(code=4401)
        return
    await socket.accept()
    mailroom: Mailroom = state.mailroom
    slot = mailroom.rent(user)
    carrier = asyncio.create_task(carry(socket, slot))
    try:
        while True:
            letter = read_letter(await socket.receive_text(), user)
            if letter is None:
                slot.put_nowait({"type": "error", "reason": "illegible"})
            else:
                mailroom.put(*letter)
    except WebSocketDisconnect:
        logger.debug("%s left", user)
    finally:
        mailroom.give_back(user, slot)
        carrier.cancel()
        await asyncio.gather(carrier, return_exceptions=True)


@get("/present")
async def present(state: State) -> list[str]:
    return sorted(state.mailroom.slots)


app = Litestar(route_handlers=[mail, present], state=State({"mailroom": Mailroom()}))
