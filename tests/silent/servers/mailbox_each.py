"""Offline mailbox, each tab: what came while a user was away is shown in every tab opened from then on.

Letters stay for KEEP seconds, the last CAPACITY of them. What arrives while tabs are open goes to
those tabs only, unless all of them leave before one has written it.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

KEEP = 24 * 3600.0
CAPACITY = 200


@dataclass(eq=False)
class Letter:
    posted: float
    payload: Any
    kept: bool = False  # is, or was, in the mailbox
    waiting: int = 0  # open tabs that have not written it yet
    written: int = 0


@dataclass(eq=False)
class Tab:
    websocket: Any
    queue: asyncio.Queue = field(default_factory=asyncio.Queue)
    failed: list = field(default_factory=list)
    task: asyncio.Task | None = None

    def put(self, letter):
        letter.waiting += 1
        self.queue.put_nowait(letter)

    async def run(self):
        while True:
            letter = await self.queue.get()
            letter.written += 1
            try:
                await self.websocket.send_json(letter.payload)
            except Exception as exc:
                logger.info("tab: %r", exc)
                letter.written -= 1
                self.failed.append(letter)
                return
            finally:
                letter.waiting -= 1


class Inbox:
    def __init__(self):
        self._tabs = {}
        self._letters = {}

    async def open_tab(self, websocket, user):
        await websocket.accept()
        self.clean_up()
        tab = Tab(websocket)
        for letter in self._letters.get(user, ()):
            tab.put(letter)
        self._tabs.setdefault(user, {})[websocket] = tab
        tab.task = asyncio.create_task(tab.run())

    async def close_tab(self, websocket, user):
        tabs = self._tabs.get(user, {})
        tab = tabs.pop(websocket, None)
        if tab is None:
            return
        if not tabs:
            self._tabs.pop(user, None)
        while not tab.queue.empty():
            letter = tab.queue.get_nowait()
            letter.waiting -= 1
            tab.failed.append(letter)
        for letter in tab.failed:
            if not letter.waiting and not letter.written:  # it came for an absent user, as it turns out
                self._keep(user, letter)
        tab.task.cancel()
        await asyncio.gather(tab.task, return_exceptions=True)

    def post(self, user, payload):
        letter = Letter(asyncio.get_running_loop().time(), payload)
        tabs = self._tabs.get(user)
        if tabs:
            for tab in tabs.values():
                tab.put(letter)
        else:
            self._keep(user, letter)

    def _keep(self, user, letter):
        if not letter.kept:
            letter.kept = True
            letters = sorted([*self._letters.get(user, ()), letter], key=lambda letter: letter.posted)
            self._letters[user] = letters[-CAPACITY:]

    def clean_up(self):
        horizon = asyncio.get_running_loop().time() - KEEP
        for user, letters in list(self._letters.items()):
            self._letters[user] = [letter for letter in letters if letter.posted >= horizon]
            if not self._letters[user]:
                del self._letters[user]
