"""TLS to stand-ins: accepted without certificates, and without a byte of handshake.

asyncio, anyio (and so httpx), aiohttp and redis-py all make their TLS with `ssl.SSLContext.wrap_bio`.  Inside a world,
for a name that a stand-in answers to, it gives an object that passes what it is given through, in the clear.  Loading a
folder of certificates, which costs an execution twenty milliseconds, is left out in a world.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

__all__ = ("Clear", "gate_tls")


class Clear:
    """An `ssl.SSLObject` that encrypts nothing."""

    def __init__(self, context: ssl.SSLContext, incoming: Any, outgoing: Any, side: bool, name: str | None) -> None:
        self.context, self.server_side, self.server_hostname = context, side, name
        self._incoming, self._outgoing = incoming, outgoing
        self.session, self.session_reused = None, False

    def do_handshake(self) -> None:
        pass

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        if not self._incoming.pending:
            if self._incoming.eof:
                if buffer is not None:
                    return 0
                return b""
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "nothing has come in")
        if buffer is None:
            return self._incoming.read(size)
        data = self._incoming.read(min(size, len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return int(self._outgoing.write(data))

    def unwrap(self) -> None:
        self._outgoing.write_eof() if not self._outgoing.eof else None

    def pending(self) -> int:
        return int(self._incoming.pending)

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"" if binary_form else {}

    def selected_alpn_protocol(self) -> None:
        return None

    selected_npn_protocol = compression = shared_ciphers = selected_alpn_protocol

    def cipher(self) -> tuple[str, str, int]:
        return "TLS_AES_256_GCM_SHA384", "TLSv1.3", 256

    def version(self) -> str:
        return "TLSv1.3"

    def get_channel_binding(self, cb_type: str = "tls-unique") -> None:
        return None


def gate_tls(here: Callable[[], Any]) -> None:
    """Put it in place, once for the life of the process."""
    cls: Any = ssl.SSLContext
    real_wrap, real_load, real_default = cls.wrap_bio, cls.load_verify_locations, cls.load_default_certs

    def wrap_bio(self: Any, incoming: Any, outgoing: Any, server_side: bool = False, server_hostname: Any = None,
                 session: Any = None) -> Any:  # fmt: skip
        world = here()
        if world is not None and server_hostname is not None and _stands_in(world, server_hostname):
            return Clear(self, incoming, outgoing, server_side, server_hostname)
        return real_wrap(self, incoming, outgoing, server_side, server_hostname, session)

    def load_verify_locations(self: Any, *args: Any, **options: Any) -> None:
        if here() is None:
            real_load(self, *args, **options)

    def load_default_certs(self: Any, *args: Any, **options: Any) -> None:
        if here() is None:
            real_default(self, *args, **options)

    cls.wrap_bio, cls.load_verify_locations, cls.load_default_certs = (
        wrap_bio,
        load_verify_locations,
        load_default_certs,
    )


def _stands_in(world: Any, name: Any) -> bool:
    return (name.decode() if isinstance(name, bytes) else name) in getattr(world, "hosts", {})
