"""The promises of the reference manager, kept in another style: an outbox and a writer task for every connection."""

from __future__ import annotations

import asyncio
import contextlib

from .records import Message, WebSocket

__all__ = ("OutboxWebSocketManager",)


class _Writer:
    """Owns one websocket: whatever is put into its outbox is sent, in order, until it is stopped."""

    def __init__(self, user_id: str, websocket: WebSocket, first: list[Message]) -> None:
        self.user_id = user_id
        self.websocket = websocket
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()
        self.first = len(first)
        """so many of those to come no other writer has"""
        for message in first:
            self.outbox.put_nowait(message)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                message = await self.outbox.get()
                self.first -= self.first > 0
                await self.websocket.send_json(message)

    def stop(self) -> list[Message]:
        """Send nothing more; gives what was not sent."""
        self._task.cancel()
        unsent = []
        while not self.outbox.empty():
            unsent.append(self.outbox.get_nowait())
        return unsent


class OutboxWebSocketManager:
    """Connections of all users, each behind a writer of its own."""

    def __init__(self) -> None:
        self._writers: list[_Writer] = []
        self._missed: list[tuple[str, Message]] = []
        self._owners: dict[str, str] = {}

    def _of(self, user_id: str) -> list[_Writer]:
        return [writer for writer in self._writers if writer.user_id == user_id]

    async def connect_user(self, user_id: str, websocket: WebSocket) -> None:
        """Serve one more connection, starting with what the user missed."""
        first = [message for owner, message in self._missed if owner == user_id]
        self._missed = [entry for entry in self._missed if entry[0] != user_id]
        self._writers.append(_Writer(user_id, websocket, first))

    async def disconnect_user(self, user_id: str, websocket: WebSocket, code: int = 1000, reason: str = "") -> None:
        """Stop serving a connection; nothing is sent to it once this has returned."""
        for writer in self._of(user_id):
            if writer.websocket is websocket:
                self._retire(writer)

    def _retire(self, writer: _Writer) -> None:
        self._writers.remove(writer)
        unsent = writer.stop()
        if self._of(writer.user_id):
            unsent = unsent[: writer.first]
        self._missed.extend((writer.user_id, message) for message in unsent)

    async def send_to_user(self, user_id: str, message: Message) -> bool:
        """Hand a message to each writer of the user, or keep it; True: it will arrive."""
        writers = self._of(user_id)
        for writer in writers:
            writer.outbox.put_nowait(message)
        if not writers:
            self._missed.append((user_id, message))
        return True

    async def emit_critical_event(self, user_id: str, event_type: str, data: Message) -> bool:
        return await self.send_to_user(user_id, {"type": event_type, "data": data})

    def bind_thread(self, thread_id: str, user_id: str) -> None:
        """Say whose thread it is."""
        self._owners[thread_id] = user_id

    async def send_to_thread(self, thread_id: str, message: Message) -> bool:
        """Hand a message to the thread's owner; False for a thread nobody owns."""
        owner = self._owners.get(thread_id)
        return owner is not None and await self.send_to_user(owner, message)

    async def broadcast(self, message: Message) -> None:
        """Hand a message to every writer."""
        for writer in self._writers:
            writer.outbox.put_nowait(message)

    async def clean_up_user(self, user_id: str) -> None:
        """Close every connection of a user."""
        for writer in self._of(user_id):
            self._retire(writer)
            with contextlib.suppress(ConnectionError):
                await writer.websocket.close(1001)

    async def shutdown(self) -> None:
        """Close every connection."""
        for user_id in {writer.user_id: None for writer in self._writers}:
            await self.clean_up_user(user_id)

    def connections(self) -> list[WebSocket]:
        return [writer.websocket for writer in self._writers]

    def is_connection_active(self, user_id: str) -> bool:
        return bool(self._of(user_id))
