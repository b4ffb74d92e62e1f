"""TLS to stand-ins: accepted without certificates, and without a byte of handshake.

asyncio, anyio (and so httpx), aiohttp and redis-py all make their TLS with `ssl.SSLContext.wrap_bio`.  Inside a world,
for a name that a stand-in answers to, it gives an object that passes what it is given through, in the clear.  Trusted
certificates, which cost an execution twenty milliseconds to load, are loaded in a world when they are needed first.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ("Clear", "gate_tls")


class Clear:
    """What code uses of an `ssl.SSLObject`, encrypting nothing."""

    def __init__(self, context: ssl.SSLContext, incoming: Any, outgoing: Any, side: bool, name: Any) -> None:
        self.context = context
        self.server_side = side
        self.server_hostname = name
        self.session = None
        self.session_reused = False
        self._incoming = incoming
        self._outgoing = outgoing

    def do_handshake(self) -> None:
        pass

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        if not self._incoming.pending:
            if self._incoming.eof:
                return b"" if buffer is None else 0
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come in")
        if buffer is None:
            return self._incoming.read(size)
        data = self._incoming.read(min(size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return int(self._outgoing.write(data))

    def unwrap(self) -> None:
        if not self._outgoing.eof:
            self._outgoing.write_eof()

    def pending(self) -> int:
        return int(self._incoming.pending)

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"" if binary_form else {}

    def nothing(self) -> None:
        """No protocol was agreed on, nothing is compressed."""

    selected_alpn_protocol = selected_npn_protocol = compression = shared_ciphers = nothing

    def cipher(self) -> tuple[str, str, int]:
        return "TLS_AES_256_GCM_SHA384", "TLSv1.3", 256

    def version(self) -> str:
        return "TLSv1.3"

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return None


def gate_tls(here: Callable[[], Any]) -> None:
    """Put the gated methods in place, once for the life of the process; outside a world they only pass through."""
    cls: Any = ssl.SSLContext
    put_off: WeakKeyDictionary[Any, list[Callable[[], None]]] = WeakKeyDictionary()

    def loaded(context: Any) -> None:
        for load in put_off.pop(context, ()):
            load()

    def later(outside: Any) -> Any:
        def load(self: Any, *args: Any, **options: Any) -> None:
            if here() is None:
                outside(self, *args, **options)
            else:
                put_off.setdefault(self, []).append(partial(outside, self, *args, **options))

        return load

    def needing(outside: Any) -> Any:
        def method(self: Any, *args: Any, **options: Any) -> Any:
            if self in put_off:
                loaded(self)
            return outside(self, *args, **options)

        return method

    wrap_outside = needing(cls.wrap_bio)

    def wrap_bio(
        self: Any,
        incoming: Any,
        outgoing: Any,
        server_side: bool = False,
        server_hostname: Any = None,
        session: Any = None,
    ) -> Any:
        world = here()
        name = server_hostname.decode() if isinstance(server_hostname, bytes) else server_hostname
        if world is not None and name in getattr(world, "hosts", ()):
            return Clear(self, incoming, outgoing, server_side, server_hostname)
        return wrap_outside(self, incoming, outgoing, server_side, server_hostname, session)

    cls.wrap_bio = wrap_bio
    for name in ("load_verify_locations", "load_default_certs"):
        setattr(cls, name, later(getattr(cls, name)))
    for name in ("wrap_socket", "cert_store_stats", "get_ca_certs"):
        setattr(cls, name, needing(getattr(cls, name)))
