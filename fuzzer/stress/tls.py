"""TLS between a client's bytes and its socket: enciphered on their way out, deciphered on their way in.

The socket stays as it is, in the same readiness loop: all of TLS happens in memory (`ssl.MemoryBIO`).
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from ..core.errors import UsageError

__all__ = ("Cipher", "context_for", "trusted")

PATIENCE = 5.0
"""Seconds that the first handshake may take."""

CHUNK = 1 << 16


def context_for(insecure: bool) -> ssl.SSLContext:
    """What clients trust: what this machine trusts (``SSL_CERT_FILE``, too); anybody, where that is asked for."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def trusted(context: ssl.SSLContext, family: socket.AddressFamily, sockaddr: tuple[object, ...], name: str) -> None:
    """See that whoever listens there speaks TLS, with a certificate that is trusted; raises `UsageError`."""
    with socket.socket(family) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.connect(sockaddr)
            context.wrap_socket(sock, server_hostname=name).close()
        except ssl.SSLCertVerificationError as error:
            raise UsageError(
                f"the certificate of {name} is not trusted ({error.verify_message}): name its authority's in "
                "SSL_CERT_FILE, or say --insecure"
            ) from None
        except OSError as error:
            raise UsageError(f"{name} does not speak TLS ({error.strerror or error})") from None


class Cipher:
    """One connection's TLS: bytes in, bytes out; raises `ssl.SSLError` where the other side breaks it."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._shaken = False
        self._waiting = bytearray()
        """What is to be sent once the handshake is over."""

    def sent(self, data: bytes) -> bytes:
        """Return what goes out where so much is sent: nothing of it before the handshake is over."""
        self._waiting += data
        self._go_on()
        return self._out.read()

    def received(self, data: bytes) -> bytes:
        """Return what was meant by bytes that came in; what goes out for them is what is `sent` next."""
        self._in.write(data)
        self._go_on()
        meant = bytearray()
        if self._shaken:
            with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                while piece := self._object.read(CHUNK):
                    meant += piece
        return bytes(meant)

    def _go_on(self) -> None:
        if not self._shaken:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                return
            self._shaken = True
        if self._waiting:
            self._object.write(self._waiting)
            self._waiting.clear()
