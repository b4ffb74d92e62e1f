"""The correct managers, plugged in."""

from __future__ import annotations

import asyncio

from crosswire.fuzzer import Adapter, Client, Event, Policy

from .servers.actor import Hub
from .servers.copy_and_guard import Announcer
from .servers.drop_slow import BACKLOG, Fanout
from .servers.locked_rooms import RoomManager
from .servers.mailbox_each import CAPACITY, Inbox
from .servers.mailbox_next import PostOffice
from .servers.newest_wins import SingleSeat
from .servers.queue_writer import ConnectionManager
from .servers.task_group import Feed
from .servers.user_lock import SEND_TIMEOUT, Notifier


class QueueWriter(Adapter):
    def __init__(self) -> None:
        self.manager = ConnectionManager()

    async def connect(self, client: Client) -> None:
        await self.manager.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        self.manager.send_to_user(event.to, event.payload)

    async def broadcast(self, event: Event) -> None:
        self.manager.broadcast(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.manager.disconnect(client.websocket, client.user)

    def is_active(self, user: str) -> bool:
        return user in self.manager.online()


class Actor(Adapter):
    def __init__(self) -> None:
        self.hub = Hub()

    async def connect(self, client: Client) -> None:
        await self.hub.join(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        await self.hub.direct(event.to, event.payload)

    async def broadcast(self, event: Event) -> None:
        await self.hub.broadcast(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.hub.leave(client.websocket)


class UserLock(Adapter):
    policy = Policy(delay=SEND_TIMEOUT)

    def __init__(self) -> None:
        self.notifier = Notifier()

    async def connect(self, client: Client) -> None:
        await self.notifier.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        await self.notifier.notify(event.to, event.payload)

    async def broadcast(self, event: Event) -> None:
        await self.notifier.notify_all(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.notifier.disconnect(client.websocket, client.user)


class TaskGroup(Adapter):
    policy = Policy(delay=2 * Feed.send_timeout)

    def __init__(self) -> None:
        self.feed = Feed()

    async def connect(self, client: Client) -> None:
        await self.feed.subscribe(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        await self.feed.publish(event.payload, to=event.to)

    async def broadcast(self, event: Event) -> None:
        await self.feed.publish(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.feed.unsubscribe(client.websocket)


class CopyAndGuard(Adapter):
    def __init__(self) -> None:
        self.announcer = Announcer(self.wants_messages)

    async def wants_messages(self, user: str) -> bool:
        await asyncio.sleep(0.01)
        return True

    async def connect(self, client: Client) -> None:
        await self.announcer.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        await self.announcer.announce(event.payload, to=event.to)

    async def broadcast(self, event: Event) -> None:
        await self.announcer.announce(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.announcer.disconnect(client.websocket)


class NewestWins(Adapter):
    policy = Policy(per_user=1, at_limit="close")

    def __init__(self) -> None:
        self.seats = SingleSeat()

    async def connect(self, client: Client) -> None:
        await self.seats.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        self.seats.send(event.to, event.payload)

    async def broadcast(self, event: Event) -> None:
        self.seats.broadcast(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.seats.disconnect(client.websocket)


class MailboxNext(Adapter):
    policy = Policy(kept="next")

    def __init__(self) -> None:
        self.office = PostOffice()

    async def connect(self, client: Client) -> None:
        await self.office.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        self.office.post(event.to, event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.office.disconnect(client.websocket, client.user)


class MailboxEach(Adapter):
    policy = Policy(kept="each", backlog=CAPACITY)

    def __init__(self) -> None:
        self.inbox = Inbox()

    async def connect(self, client: Client) -> None:
        await self.inbox.open_tab(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        self.inbox.post(event.to, event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.inbox.close_tab(client.websocket, client.user)


class DropSlow(Adapter):
    policy = Policy(backlog=BACKLOG)

    def __init__(self) -> None:
        self.fanout = Fanout()

    async def connect(self, client: Client) -> None:
        await self.fanout.connect(client.websocket, client.user)

    async def emit(self, event: Event) -> None:
        self.fanout.send(event.payload, to=event.to)

    async def broadcast(self, event: Event) -> None:
        self.fanout.send(event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.fanout.disconnect(client.websocket)


class LockedRooms(Adapter):
    """Users have a room of their own, and there are others."""

    def __init__(self) -> None:
        self.rooms = RoomManager()

    async def connect(self, client: Client) -> None:
        await self.rooms.connect(client.websocket, client.user, [f"user:{client.user}", "lobby"])

    async def join(self, client: Client, room: str) -> None:
        self.rooms.directory.join(client.websocket, client.user, room)

    async def leave(self, client: Client, room: str) -> None:
        self.rooms.directory.leave(client.websocket, room)

    async def emit(self, event: Event) -> None:
        self.rooms.say([f"user:{event.to}"], event.payload)

    async def emit_to_room(self, event: Event) -> None:
        self.rooms.say([event.room], event.payload)

    async def broadcast(self, event: Event) -> None:
        self.rooms.say(["lobby"], event.payload)

    async def disconnect(self, client: Client) -> None:
        await self.rooms.disconnect(client.websocket)
