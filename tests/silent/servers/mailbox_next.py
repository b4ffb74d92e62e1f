"""Offline mailbox: what is sent to an absent user is kept and given to the next tab, and to no other.

A tab that vanishes before its share was written gives it back. "Delivered" means handed to the
socket: a frame whose send was under way when its client vanished is not sent again.
"""

import asyncio
import itertools
import logging

logger = logging.getLogger(__name__)

CAPACITY = 500  # letters for one absent user; more are refused, see post()


class Letter:
    __slots__ = ("handed_over", "holders", "number", "payload")

    def __init__(self, number, payload):
        self.number = number
        self.payload = payload
        self.holders = 0  # tabs that have it and have not handed it over
        self.handed_over = 0  # tabs whose socket has taken it


class Tab:
    def __init__(self, websocket, user):
        self.websocket = websocket
        self.user = user
        self.returned = []
        self._letters = asyncio.Queue()
        self.carrier = asyncio.create_task(self._carry())

    def put(self, letter):
        letter.holders += 1
        self._letters.put_nowait(letter)

    async def _carry(self):
        while True:
            letter = await self._letters.get()
            letter.holders -= 1
            letter.handed_over += 1
            try:
                await self.websocket.send_json(letter.payload)
            except Exception as exc:
                logger.info("tab of %s: %r", self.user, exc)
                letter.handed_over -= 1
                letter.holders += 1
                self.returned.append(letter)
                return

    def give_up(self):
        """What nobody has handed over, and nobody else is going to."""
        left, self.returned = self.returned, []
        while not self._letters.empty():
            left.append(self._letters.get_nowait())
        for letter in left:
            letter.holders -= 1
        return [letter for letter in left if not letter.holders and not letter.handed_over]


class PostOffice:
    def __init__(self):
        self._tabs = {}  # user -> {websocket: Tab}
        self._mailboxes = {}  # user -> letters, by number
        self._numbers = itertools.count()

    async def connect(self, websocket, user):
        await websocket.accept()
        tab = Tab(websocket, user)
        for letter in self._mailboxes.pop(user, []):
            tab.put(letter)
        self._tabs.setdefault(user, {})[websocket] = tab

    async def disconnect(self, websocket, user):
        tabs = self._tabs.get(user, {})
        tab = tabs.pop(websocket, None)
        if not tabs:
            self._tabs.pop(user, None)
        if tab is None:
            return
        left = tab.give_up()
        if left:
            merged = self._mailboxes.get(user, []) + left
            self._mailboxes[user] = sorted(merged, key=lambda letter: letter.number)
        tab.carrier.cancel()
        await asyncio.gather(tab.carrier, return_exceptions=True)

    def post(self, user, payload):
        """False if the mailbox of an absent user is full."""
        tabs = self._tabs.get(user, {})
        letter = Letter(next(self._numbers), payload)
        for tab in tabs.values():
            tab.put(letter)
        if not tabs:
            mailbox = self._mailboxes.setdefault(user, [])
            if len(mailbox) >= CAPACITY:
                return False
            mailbox.append(letter)
        return True
