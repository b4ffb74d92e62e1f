"""A chat on Quart-Trio: at fault, and repaired."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import trio

from crosswire.fuzzer import JsonWire

QuartTrio: Any = import_module("quart_trio").QuartTrio
websocket: Any = import_module("quart").websocket

wire = JsonWire(path="/{user}", to_user=None, to_all="{event}")

walks, repaired = QuartTrio("walks"), QuartTrio("repaired")

online: list[Any] = []
mailboxes: list[trio.MemorySendChannel[str]] = []


@walks.websocket("/<user>")  # type: ignore[untyped-decorator]
async def talk_in_turn(user: str) -> None:
    me = websocket._get_current_object()
    await websocket.accept()
    online.append(me)
    try:
        while True:
            text = await me.receive()
            for other in list(online):
                await other.send(text)
    finally:
        online.remove(me)


@repaired.websocket("/<user>")  # type: ignore[untyped-decorator]
async def talk(user: str) -> None:
    await websocket.accept()
    outgoing, mailbox = trio.open_memory_channel[str](100)
    mailboxes.append(outgoing)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, mailbox)
            while True:
                text = await websocket.receive()
                for other in mailboxes:
                    with suppress(trio.BrokenResourceError):
                        other.send_nowait(text)
    finally:
        mailboxes.remove(outgoing)


async def write(mailbox: trio.MemoryReceiveChannel[str]) -> None:
    async with mailbox:
        async for text in mailbox:
            await websocket.send(text)
