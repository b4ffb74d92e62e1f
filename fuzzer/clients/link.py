"""What every simulated client's connection can do, however it reaches the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol

from ..core.handshake import Frame, Request
from ..core.program import Pace

__all__ = ("Link", "Peer")


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

    def closed(self, why: str) -> None:
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
