"""A Redis of the world's own: fakeredis is the engine, the wire and its delays are ours.

Strings, hashes, lists, sets, sorted sets, streams with groups, transactions, expiry by the virtual clock, blocking
commands and pub/sub, in RESP 2 and 3; scripts need `lupa` beside fakeredis.  One instance stands for one server, which
is empty, but for what it ``holds``, at the beginning of each execution.

The one place that uses what fakeredis calls private: its sessions, and how it writes a reply (fakeredis 2.40).
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from ...core.errors import UsageError
from .base import DELAY, StandIn

__all__ = ("Redis",)

PUSHED = frozenset(
    f"{prefix}{kind}".encode() for prefix in ("", "p", "s") for kind in ("message", "subscribe", "unsubscribe")
)
"""Replies that RESP 3 sends out of turn (its push type)."""

NO_SCRIPTS = re.compile(rb"-ERR unknown command .(eval|evalsha|script)\b", re.IGNORECASE)
"""How fakeredis answers where it cannot run Lua."""

WITH_SCRIPTS = b" (Redis as a stand-in runs scripts where lupa is installed: pip install 'fakeredis[lua]')\r\n"

UNORDERED = frozenset({"smembers", "sinter", "sunion", "sdiff"})
"""Commands whose reply Redis promises no order, and fakeredis has that of hashes, which differs between processes."""


class _Subscribers(dict[Any, None]):
    """A set in order of entry: whom a message goes to first depends on who came first, and on no address."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    def remove(self, item: Any) -> None:
        del self[item]


class _Ordered(set[Any]):
    """A set that is read in order."""

    def __iter__(self) -> Any:
        return iter(sorted(super().__iter__()))


@cache
def _engine() -> tuple[Any, Any]:
    """fakeredis' server, and our session; raises `UsageError` where there is none that we know."""
    try:
        fake = import_module("fakeredis")
        encode = import_module("fakeredis._clients._tcp_server").encode_reply
        base: Any = import_module("fakeredis._socket._async").AsyncFakeSocket
        client = import_module("redis").Redis
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"Redis as a stand-in needs fakeredis, 2.40 or a little later: pip install 'crosswire[redis]' ({error})"
        ) from error

    class Session(base):  # type: ignore[misc]
        """fakeredis' side of one connection; its replies go on the wire at once, in order."""

        def __init__(self, server: Any, write: Callable[[bytes], None]) -> None:
            super().__init__(server, 0, client_class=client, client_info={"protocol_version": 2})
            self._write = write

        def _run_command(self, func: Any, sig: Any, args: Any, from_script: bool) -> Any:
            result = super()._run_command(func, sig, args, from_script)
            if isinstance(result, set | frozenset):
                return _Ordered(result)
            if sig.name in UNORDERED and isinstance(result, list):
                result.sort()
            return result

        def put_response(self, msg: Any) -> None:
            protocol = self._client_info.protocol_version
            data = encode(msg, protocol)
            if protocol == 3 and isinstance(msg, list) and msg and isinstance(msg[0], bytes) and msg[0] in PUSHED:
                data = b">" + data[1:]
            elif NO_SCRIPTS.match(data):
                data = data.rstrip() + WITH_SCRIPTS
            self._write(data)

        def over(self) -> None:
            """The connection has ended."""
            self._cleanup(self._server)
            if self in self._server.sockets:
                self._server.sockets.remove(self)

    return fake.FakeServer, Session


class _Protocol(asyncio.Protocol):
    """One connection of a client library's."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._session: Any = None
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._session = _engine()[1](self._server, self._write)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        try:
            self._session.sendall(data)
        except Exception as error:  # a client that speaks no RESP
            self._write(f"-ERR {error}\r\n".encode())
            self._transport.close()

    def connection_lost(self, error: BaseException | None) -> None:
        self._session.over()


class Redis(StandIn):
    """``Redis("redis")`` answers at ``redis:6379``; ``holds`` are strings that are there from the start."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 6379,
        *,
        holds: Mapping[str, str] | None = None,
        delay: float = DELAY,
    ) -> None:
        super().__init__(host, port, delay)
        self._holds = dict(holds or {})
        _engine()

    def serving(self) -> Callable[[], asyncio.BaseProtocol]:
        make, session = _engine()
        server = make(version=(7,))
        for name in ("subscribers", "psubscribers", "ssubscribers"):
            setattr(server, name, defaultdict(_Subscribers))
        for key, value in self._holds.items():
            session(server, lambda data: None).sendall(_command("SET", key, value))
        return lambda: _Protocol(server)


def _command(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w.encode()), w.encode()) for w in words)
