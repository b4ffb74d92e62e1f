"""A request over HTTP, and its answer, as far as simulated clients look at them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie

__all__ = ("HttpAnswer", "HttpRequest")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request, as it is sent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back; ``status`` is 0 where the connection ended without an answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 400

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies it sets."""
        jar: SimpleCookie = SimpleCookie()
        for name, value in self.headers:
            if name.lower() == "set-cookie":
                jar.load(value)
        return {name: morsel.value for name, morsel in jar.items()}
