"""A set-up of the user's own at the beginning of each execution, in its world: tables, users, tokens."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable

from ..clients.http import Heard
from ..clients.link import Link, Peer
from ..core.http import HttpRequest
from ..core.program import Pace
from .serving import Service

__all__ = ("Prepared",)


class Prepared(Service):
    """A service that starts once ``prepare`` has been called, and awaited where it is a coroutine function."""

    def __init__(self, service: Service, prepare: Callable[[], Awaitable[object] | object]) -> None:
        self.service = service
        self.prepare = prepare

    async def __aenter__(self) -> Service:
        result = _as_it_is_now(self.prepare)()
        if inspect.isawaitable(result):
            await result
        await self.service.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.service.__aexit__(*exc_info)

    def connect(self, name: str, number: int, peer: Peer, pace: Pace | None) -> Link:
        return self.service.connect(name, number, peer, pace)

    def ask(self, name: str, number: int, request: HttpRequest, heard: Heard) -> None:
        self.service.ask(name, number, request, heard)


def _as_it_is_now(prepare: Callable[[], Awaitable[object] | object]) -> Callable[[], Awaitable[object] | object]:
    """The function as its module has it now: the application's modules may have been executed anew since."""
    found: object = sys.modules.get(getattr(prepare, "__module__", ""))
    for name in getattr(prepare, "__qualname__", "<none>").split("."):
        found = getattr(found, name, None)
    return found if callable(found) else prepare
