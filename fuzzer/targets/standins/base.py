"""What a stand-in is: a name and a port at which it answers, anew in every execution."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...world.server import MemoryServer

__all__ = ("DELAY", "StandIn")

DELAY = 0.25
"""Seconds within which each message of a connection to a stand-in arrives, where nobody says otherwise.

Less than the patience of client libraries (5 s of redis-py and httpx): their time-outs are explored on purpose, by a
greater delay, rather than in every second execution.
"""


class StandIn(ABC):
    """A service at ``host`` and ``port``; `serving` makes what answers in one execution."""

    def __init__(self, host: str, port: int, delay: float = DELAY) -> None:
        self.host = host
        self.port = port
        self.delay = delay

    @abstractmethod
    def serving(self) -> Callable[[], asyncio.BaseProtocol]:
        """A new service, without anything of the execution before: it makes a protocol for each connection."""

    def start(self, loop: Any) -> None:
        """Begin to answer in this world."""
        address = (self.host, self.port)
        loop.stand_in(*address, MemoryServer(loop, self.serving(), address, None), self.delay)
