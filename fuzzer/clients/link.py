"""What every simulated client's connection can do, however it reaches the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from ..core.handshake import Frame, Request
from ..core.history import Farewell
from ..core.program import Pace

__all__ = ("Link", "Peer", "Unconnected", "refusal")

SHOWN = 300
"""Characters of a server's own words that are passed on."""


def refusal(status: int, said: str) -> str:
    """What a server answered instead of opening a connection, with what it says about it."""
    words = " ".join(said.split()).removeprefix(f"{status}: ")[:SHOWN]
    return f"HTTP {status}: {words}" if words else f"HTTP {status}"


class Peer(Protocol):
    """Who is told what happens to a link."""

    def opened(self) -> None:
        """The server has accepted the connection."""

    def refused(self, why: str) -> None:
        """The server has turned the connection down."""

    def written(self, frame: Frame) -> bool:
        """The server has written a frame; gives whether it is no more than a heartbeat."""

    def received(self, frame: Frame) -> None:
        """The client has read it."""

    def unheard(self, frame: Frame) -> None:
        """The server has written a frame, and nothing told it yet that the client is gone."""

    def closed(self, why: Farewell) -> None:
        """The server has closed the connection, or it broke."""

    def served(self) -> None:
        """The server has finished with this connection."""


class Link(ABC):
    """One simulated connection.  Nothing it does reaches the server but as an external event."""

    def __init__(self, name: str, peer: Peer, pace: Pace | None) -> None:
        self.name = name
        self.peer = peer
        self.pace = pace
        self.stalled = False
        self.told = False
        """Whether the application has been handed the message that the client is gone."""

    @abstractmethod
    def open(self, request: Request) -> None:
        """Begin to connect."""

    @abstractmethod
    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        """Send a message; ``heartbeat``: as the answer to one, which is no sign of life."""

    @abstractmethod
    def close(self) -> None:
        """Leave as a well-behaved client does."""

    @abstractmethod
    def abort(self) -> None:
        """Vanish: a reset, without a word."""

    def misbehave(self, how: str) -> None:
        """Send what no well-behaved client sends; ``how`` is the operation's kind."""
        self.abort()

    @abstractmethod
    def stall(self) -> None:
        """Stop reading."""

    @abstractmethod
    def resume(self) -> None:
        """Read again."""

    @property
    def ends(self) -> tuple[object, ...]:
        """The objects that stand for this connection at the server's end."""
        return (self,)

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether the server has let go of the connection."""

    @property
    def unread(self) -> bool:
        """Whether the server has left something lying that the client sent; False where nobody can tell."""
        return False


class Unconnected(Link):
    """The link of a client that has not begun its handshake: it logs in over HTTP first."""

    over = True

    def open(self, request: Request) -> None:
        raise AssertionError("it has no connection to open")

    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        pass

    def close(self) -> None:
        self.peer.served()

    def abort(self) -> None:
        self.peer.served()

    def stall(self) -> None:
        self.stalled = True

    def resume(self) -> None:
        self.stalled = False
