"""A simulated client of an application with a wire: what its link tells it, told to the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..clients.link import Link
from ..core.handshake import Frame, Sent
from ..core.history import Content, Detail, EventId, Farewell, Mention, Row, RowKind
from ..core.program import Operation
from ..targets.wire import Login, Reading, Wire
from .base import Lane

__all__ = ("Listener", "WireClient")

SENT_AWAY = Farewell("sent away")
"""The server has done with a client without closing the connection, as Socket.IO's ``disconnect`` does."""
SENT_AWAY.code = 1000


class Listener(Protocol):
    """Who is told what a client sees of an operation's end."""

    history: list[Row]
    frames: list[Sent]
    made: dict[str, EventId]
    operations: list[Operation]

    def record(self, kind: RowKind, number: int | None, connection: str | None, detail: Detail) -> None: ...

    def connected(self, client: WireClient, kind: RowKind, detail: Detail) -> None:
        """The login has ended, in this way."""

    def go_on(self, client: WireClient) -> None:
        """The client may do what comes next."""

    def done(self, text: str) -> None:
        """The server confirms that an event was emitted."""

    def joined(self, client: WireClient, room: str) -> None:
        """The server confirms that a room was joined."""

    def placed(self, client: WireClient, room: str) -> None:
        """The server says that it has put the client into a room."""

    def removed(self, client: WireClient, room: str) -> None:
        """The server says that it has taken the client out of a room, or out of all."""

    def logged_out(self, client: WireClient) -> None:
        """The server confirms that the client is logged out."""

    def rejected(self, client: WireClient, quoted: Sequence[str]) -> None:
        """The server turns down something that the client said."""

    def acted(self, client: WireClient, name: str, user: str | None) -> None:
        """The server confirms that an action is done, and says whom it takes the client for."""

    def served(self, client: WireClient) -> None:
        """The server has finished with the connection."""

    def misread(self, what: str, error: Exception) -> None:
        """The wire cannot read a frame, and raises this."""


class WireClient:
    """One simulated client: its link, its login, and the operation that waits for an answer."""

    def __init__(self, driver: Listener, number: int, lane: Lane, login: Login, wire: Wire) -> None:
        self.driver = driver
        self.login = login
        self.wire = wire
        self.lane = lane
        self.connecting: int | None = number
        self.leaving: int | None = None
        self.open = False
        self.gone = False
        self.hung_up = False
        self.following = False
        """the server says nothing of what the login went on with"""
        self.unclear = False
        """whether the server has turned down something, nobody can say what, since everything came to rest"""
        self.online: tuple[str, ...] | None = None
        """who the server has said is online"""
        self.rooms: dict[str, None] = {}
        """which rooms the server has put it into, as far as it knows, the last one last"""
        self.asked: list[str] = []
        """which rooms it has asked to join and has not left, the last one last"""
        self.cookies: Mapping[str, str] = {}
        self.told: dict[RowKind, set[EventId]] = {RowKind.SENT: set(), RowKind.RECEIVED: set()}
        """what it was sent, and what it has received, on a wire that retells"""
        self.link: Link
        self._last: tuple[Frame, Reading] | None = None

    # -- what the link tells ------------------------------

    def opened(self) -> None:
        self.open = True
        for frame in self.wire.login(self.login):
            self.link.send(frame)
        if not self.wire.waits_for_ready:
            self.driver.go_on(self)

    def refused(self, why: str) -> None:
        self.hung_up = True
        self.driver.record(RowKind.CLOSED, None, self.login.connection, why)
        self.driver.connected(self, RowKind.RETURNED, False)

    def written(self, frame: Frame) -> bool:
        reading = self._read(frame)
        self._last = frame, reading
        row = self._note(RowKind.SENT, reading)
        self.driver.frames.append(Sent(self.login.connection, frame, row))
        if reading.dismissed:
            self.closed(SENT_AWAY)
        return reading.heartbeat

    def _read(self, frame: Frame) -> Reading:
        try:
            return self.wire.read(frame, self.login)
        except Exception as error:
            self.driver.misread(f"the wire's read of {frame!r:.80}", error)
            return Reading()

    def unheard(self, frame: Frame) -> None:
        content = content_of(self._read(frame), self.driver.made)
        if content.mentions:
            self.driver.record(RowKind.REFUSED, content.mentions[0].event.number, self.login.connection, content)

    def _note(self, kind: RowKind, reading: Reading) -> int | None:
        """Record a message, and return its row's number; a heartbeat is none."""
        if reading.parts:
            content = together([self._content(kind, part) for part in reading.parts], reading.kind)
        else:
            content = self._content(kind, reading)
        if reading.heartbeat and not content.mentions:
            return None
        number = content.mentions[0].event.number if content.mentions else None
        self.driver.record(kind, number, self.login.connection, content)
        return len(self.driver.history) - 1

    def _content(self, kind: RowKind, reading: Reading) -> Content:
        """What a message says of events, less what it only quotes, and what it had told before."""
        content = content_of(reading, self.driver.made)
        if reading.rejected:  # what it quotes of what the client itself has said is no delivery of it
            content = content._replace(mentions=tuple(one for one in content.mentions if not self._said(one.event)))
        if self.wire.retells:
            told = self.told[kind]
            if reading.retells:
                content = content._replace(mentions=tuple(one for one in content.mentions if one.event not in told))
            told.update(one.event for one in content.mentions)
        return content

    def _said(self, event: EventId) -> bool:
        return self.driver.operations[event.number].connection == self.login.connection

    def received(self, frame: Frame) -> None:
        last = self._last  # most are read the moment they are written
        reading = last[1] if last is not None and last[0] is frame else self._read(frame)
        self._note(RowKind.RECEIVED, reading)
        for part in reading.parts or (reading,):
            self._told(part)

    def _told(self, reading: Reading) -> None:
        """Go by what a message says."""
        driver = self.driver
        if reading.answer is not None:
            self.link.send(reading.answer, heartbeat=reading.heartbeat)
        for following in reading.follow:
            self.link.send(following)
        if reading.done is not None:
            driver.done(reading.done)
        if reading.joined is not None:
            driver.joined(self, reading.joined)
        if reading.removed is not None:
            driver.removed(self, reading.removed)
        if reading.placed is not None:
            driver.placed(self, reading.placed)
        if reading.rejected:
            driver.rejected(self, reading.events)
        if reading.logged_out:
            driver.logged_out(self)
        if reading.seen is not None:
            self.online = reading.seen.after(self.online)
        if reading.acted is not None:
            driver.acted(self, reading.acted, reading.user)
        if reading.refused:
            driver.connected(self, RowKind.RETURNED, False)
        elif reading.ready and reading.follow:
            self.following = True
            driver.go_on(self)
        elif reading.ready:
            driver.connected(self, RowKind.RETURNED, reading.user)
        if reading.dismissed:
            self.closed(SENT_AWAY)
            self.link.close()

    def closed(self, why: Farewell) -> None:
        if self.hung_up:
            return
        self.hung_up = True
        self.driver.record(RowKind.CLOSED, None, self.login.connection, why)
        if self.connecting is not None:
            self.driver.connected(self, RowKind.RETURNED, False)

    def served(self) -> None:
        self.driver.served(self)


def together(contents: Sequence[Content], kind: str) -> Content:
    """What several messages in one frame say, of each event what the first says."""
    mentions: dict[EventId, Mention] = {}
    for content in contents:
        for mention in content.mentions:
            mentions.setdefault(mention.event, mention)
    return Content(tuple(mentions.values()), None, kind, any(content.retells for content in contents))


def content_of(reading: Reading, made: Mapping[str, EventId]) -> Content:
    """What a frame says of events that were emitted; markers that nobody made say nothing."""
    mentions = []
    for text in reading.events:
        event = made.get(text) or made.get(text.partition(".")[0])  # a step where there is no run
        if event is not None:
            said = reading.said.get(text)
            if said is None:
                mentions.append(Mention(event))
            else:
                mentions.append(Mention(event, said.sender, said.recipient, said.room, said.run))
    return Content(tuple(mentions), reading.recipient, reading.kind, reading.retells)
