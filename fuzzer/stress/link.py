"""A client's connection over a real, non-blocking socket: its opening handshake, its frames, its manners.

What arrives is told the moment it is read, and what is sent goes out at once as far as the kernel takes it; the rest
waits here.  RFC 6455, sections 4 and 7.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..clients.link import Link, Peer, refusal
from ..core.handshake import Frame, Request
from ..core.history import Farewell, Refusal
from ..core.program import Pace
from .frames import BINARY, CLOSE, PING, PONG, TEXT, FrameError, decode, encode
from .hub import READ, WRITE, Hub
from .tls import Cipher

__all__ = ("PATIENCE", "Address", "SocketLink", "trouble")

State = Literal["new", "dialling", "shaking", "open", "closing", "gone"]

PATIENCE = 20.0
"""Seconds that a handshake may take."""

FAREWELL = 2.0
"""Seconds for which a client that has taken its leave waits for the server's answer."""

NARROW_BUFFER, NARROW_SEGMENT = 4096, 536
"""Bytes of the receive buffer, and of a segment, of a client behind a bad line: a server's send waits after some
128 KB instead of 4 MB (Linux, loopback)."""

LONGEST_ANSWER = 1 << 16
"""Bytes of the answer to a handshake."""

CHUNK = 1 << 16

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

GARBAGE = b"\xff\xfe not a frame \x00" * 4
"""An opcode that does not exist, with reserved bits set (RFC 6455, section 5.2)."""

PINGS = 50


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: the address that was checked, and what it is called in requests.

    ``tls`` is what clients trust where it speaks TLS, in the name that its certificate is for.
    """

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]
    host: str
    tls: ssl.SSLContext | None = None
    name: str = ""

    def cipher(self) -> Cipher | None:
        """The TLS of a new connection; None where there is none."""
        return None if self.tls is None else Cipher(self.tls, self.name)


def trouble(error: OSError) -> str:
    """Return what the system calls an error, ``ECONNRESET``, or what is wrong with TLS."""
    if isinstance(error, ssl.SSLError):
        return error.reason or type(error).__name__
    return errno.errorcode.get(error.errno or 0, type(error).__name__)


class SocketLink(Link):
    """One connection.

    ``told_open`` is told how long the handshake took, ``failed`` why there was no answer to it, which may be anybody's
    fault.
    """

    def __init__(
        self,
        name: str,
        peer: Peer,
        pace: Pace | None,
        hub: Hub,
        address: Address,
        told_open: Callable[[float], None],
        failed: Callable[[str], None],
        *,
        narrow: bool = False,
    ) -> None:
        super().__init__(name, peer, pace)
        self.narrow = narrow
        self.state: State = "new"
        self.opened_at = 0.0
        self.began_at = 0.0
        self.pinged: dict[bytes, float] = {}
        """When each ping went out that has not been answered, by what it carries."""
        self.answer_took = 0.0
        """Seconds that the last answered ping took."""
        self._hub, self._address, self._told_open, self._failed = hub, address, told_open, failed
        self._sock: socket.socket | None = None
        self._cipher = address.cipher()
        self._key = ""
        self._request = Request()
        self._in, self._out, self._parts = bytearray(), bytearray(), bytearray()
        self._text = True
        self._pings = 0
        self._ends_after = False

    # -- what the client does ------------------------------

    def open(self, request: Request) -> None:
        self._request, self.began_at = request, time.perf_counter()
        sock = self._sock = socket.socket(self._address.family)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.narrow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BUFFER)
            if hasattr(socket, "TCP_MAXSEG"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, NARROW_SEGMENT)
        self.state = "dialling"
        code = sock.connect_ex(self._address.sockaddr)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
            self._fail(errno.errorcode.get(code, str(code)))
        else:
            self._hub.watch(sock, self, WRITE)

    def send(self, frame: Frame, *, heartbeat: bool = False) -> None:
        if self.state == "open":
            data = encode(frame.encode(), TEXT) if isinstance(frame, str) else encode(frame, BINARY)
            if self.pace == "split":
                self._write(data[: len(data) // 2])
                data = data[len(data) // 2 :]
            self._write(data)

    def ping(self) -> None:
        """Ask for a sign of life of the server's."""
        if self.state == "open":
            self._pings += 1
            carried = b"cw%d" % self._pings
            self.pinged[carried] = time.perf_counter()
            self._write(encode(carried, PING))

    def waits_since(self, moment: float) -> bool:
        """Whether a ping that went out before a moment has not been answered."""
        return any(sent <= moment for sent in self.pinged.values())

    def close(self) -> None:
        if self.state != "open":
            self.abort()
            return
        self._write(encode(b"\x03\xe8", CLOSE))
        self._takes_leave()

    def abort(self) -> None:
        if self._sock is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut()

    def misbehave(self, how: str) -> None:
        if self.state != "open":
            self.abort()
        elif how == "flood":  # who does that stays
            for number in range(PINGS):
                self._write(encode(b"%d" % number, PING))
        elif how == "garble":
            self._write(GARBAGE)
            self._takes_leave()
        else:
            data = encode(b"cut short" * 8, TEXT)
            self._ends_after = True
            self._write(data[: len(data) // 2])
            self._takes_leave()

    def stall(self) -> None:
        self.stalled = True
        self.pinged.clear()  # what it does not read tells nothing of the server
        self._interest()

    def resume(self) -> None:
        self.stalled = False
        self._interest()

    @property
    def over(self) -> bool:
        return self.state == "gone"

    @property
    def unread(self) -> bool:
        return bool(self._out)

    def late(self, now: float) -> bool:
        """Give up what has taken too long: a handshake nobody answers, a farewell; gives whether that was so."""
        if self.state in ("dialling", "shaking") and now - self.began_at > PATIENCE:
            self._fail("no answer to the handshake")
            return True
        if self.state == "closing" and now - self.began_at > FAREWELL:
            self.shut()
            return True
        return False

    def shut(self) -> None:
        """Close the socket, whatever is on its way."""
        if self.state == "gone":
            return
        self.state = "gone"
        if self._sock is not None:
            self._hub.forget(self._sock)
            self._sock.close()
        self._in.clear()
        self._out.clear()
        self.peer.served()

    def _takes_leave(self) -> None:
        """Wait for the server's farewell, and read no more into what it says."""
        self.state, self.stalled, self.began_at = "closing", False, time.perf_counter()
        self._interest()

    # -- the socket ------------------------------

    def ready(self, events: int) -> None:
        sock = self._sock
        if sock is None or self.state == "gone":
            return
        try:
            if self.state == "dialling":
                self._dialled(sock)
            elif events & WRITE:
                self._flush(sock)
            if events & READ and self.state != "dialling":
                self._read(sock)
        except BlockingIOError:
            pass
        except OSError as error:
            self._broke(trouble(error))

    def _interest(self) -> None:
        if self._sock is not None and self.state not in ("gone", "dialling"):
            reads = 0 if self.stalled and self.state == "open" else READ
            self._hub.watch(self._sock, self, reads | (WRITE if self._out else 0))

    def _dialled(self, sock: socket.socket) -> None:
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.state = "shaking"
        self._key = base64.b64encode(os.urandom(16)).decode()
        request = self._request
        lines = [
            f"GET {request.path} HTTP/1.1",
            f"Host: {self._address.host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {self._key}",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in request.headers),
        ]
        if request.subprotocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(request.subprotocols)}")
        self._write("\r\n".join((*lines, "", "")).encode("utf-8", "replace"))
        self._interest()

    def _write(self, data: bytes) -> None:
        """Send what the kernel takes; the rest goes out when it takes more."""
        if self._cipher is not None:
            data = self._cipher.sent(data)
        sock = self._sock
        if sock is None or not data:
            return
        if not self._out:
            try:
                data = data[sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # who reads hears of it
        if data:
            self._out += data
            self._interest()

    def _flush(self, sock: socket.socket) -> None:
        if self._out:
            del self._out[: sock.send(self._out)]
        if not self._out:
            if self._ends_after and self.state == "closing":
                sock.shutdown(socket.SHUT_WR)
            self._interest()

    def _read(self, sock: socket.socket) -> None:
        data = sock.recv(CHUNK)
        if not data:
            self._broke("")
            return
        if self._cipher is not None:
            data = self._cipher.received(data)
            self._write(b"")  # what TLS has to say to it
        if self.state == "open" and not self._in:  # most of the time, and spares copies
            self._take(data)
            return
        self._in += data
        if self.state == "shaking":
            self._shake()
        if self.state in ("open", "closing"):
            self._take(self._in)

    def _broke(self, why: str) -> None:
        """The connection has ended without a close frame."""
        before = self.state
        if before in ("dialling", "shaking"):
            self._fail(why or "closed during the handshake")
            return
        self.shut()
        if before == "open":
            self.peer.closed(Farewell(f"ended without a close frame{f' ({why})' if why else ''}"))

    def _fail(self, why: str) -> None:
        self.shut()
        self._failed(why)

    # -- what comes in ------------------------------

    def _shake(self) -> None:
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            if len(self._in) > LONGEST_ANSWER:
                self._fail("an endless answer to the handshake")
            return
        head, rest = bytes(self._in[:end]), self._in[end + 4 :]
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdecimal():
            self._fail("no HTTP")
            return
        status = int(words[1])
        if status != 101:
            self.shut()
            self.peer.refused(Refusal.of(status, refusal(status, rest.decode("utf-8", "replace"))))
            return
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        wanted = base64.b64encode(hashlib.sha1((self._key + MAGIC).encode(), usedforsecurity=False).digest()).decode()
        if headers.get("sec-websocket-accept") != wanted:
            self._fail("a wrong answer to the handshake")
            return
        self._in, self.state, self.opened_at = rest, "open", time.perf_counter()
        self._interest()
        self._told_open(self.opened_at - self.began_at)
        self.peer.opened()

    def _take(self, data: bytes | bytearray) -> None:
        try:
            pieces, used = decode(data)
        except FrameError as error:
            self._leave(Farewell(str(error)))
            return
        if data is self._in:
            del self._in[:used]
        elif used < len(data):
            self._in += data[used:]
        for opcode, final, payload in pieces:
            if opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
                self._leave(Farewell.of(code, payload[2:].decode("utf-8", "replace")))
                return
            if opcode == PING:
                self._write(encode(payload, PONG))
            elif opcode == PONG:
                self._answered(payload)
            elif self.state == "open":
                self._message(opcode, final, payload)
            if self.state == "gone":  # what came in made the client leave
                return

    def _answered(self, carried: bytes) -> None:
        """A pong answers its ping, and those before it."""
        if carried in self.pinged:
            self.answer_took = time.perf_counter() - self.pinged[carried]
            for before in list(self.pinged):
                del self.pinged[before]
                if before == carried:
                    break

    def _message(self, opcode: int, final: bool, payload: bytes) -> None:
        if opcode:
            self._text = opcode == TEXT
        if not final or self._parts:
            self._parts += payload
            if not final:
                return
            payload = bytes(self._parts)
            self._parts.clear()
        self.peer.received(payload.decode("utf-8", "replace") if self._text else payload)

    def _leave(self, why: Farewell) -> None:
        """The server has said goodbye: answer, and go."""
        before = self.state
        if before == "open":
            self._write(encode(b"" if why.code in (None, 1005) else struct.pack("!H", why.code or 1000), CLOSE))
        self.shut()
        if before == "open":
            self.peer.closed(why)
