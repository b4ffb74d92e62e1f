"""WebSocket frames as a client writes and reads them (RFC 6455, section 5), without an object for each.

One function for each direction, over plain bytes: what a protocol object does besides is the greater part of what a
message costs a client.  No extensions are offered, so reserved bits are an error.
"""

from __future__ import annotations

import os

from ..core.errors import CrosswireError

__all__ = ("BINARY", "CLOSE", "LARGEST", "PING", "PONG", "TEXT", "FrameError", "Piece", "decode", "encode")

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
"""Opcodes."""

KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

LARGEST = 1 << 26
"""Bytes of a frame that are taken; a server that announces more is not listened to any longer."""


class FrameError(CrosswireError):
    """What came in is no frame that a server may send."""


Piece = tuple[int, bool, bytes]
"""A frame: its opcode, whether it is the last of its message, and what it carries."""

_keys = bytearray()
"""Masking keys that nobody has used yet: asking the system for each costs more than masking."""


def _key() -> bytes:
    if not _keys:
        _keys.extend(os.urandom(1 << 12))
    key = bytes(_keys[-4:])
    del _keys[-4:]
    return key


def encode(payload: bytes, opcode: int) -> bytes:
    """Return a whole message as one masked frame."""
    size, key = len(payload), _key()
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    mask = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + (int.from_bytes(payload, "big") ^ mask).to_bytes(size, "big")


def decode(buffer: bytes | bytearray) -> tuple[list[Piece], int]:
    """Return the whole frames at the beginning of a buffer, and how many bytes they take; raises `FrameError`."""
    pieces: list[Piece] = []
    at, end = 0, len(buffer)
    while end - at >= 2:
        first, second = buffer[at], buffer[at + 1]
        opcode, size, start = first & 0x0F, second & 0x7F, at + 2
        if first & 0x70 or opcode not in KNOWN or second & 0x80 or (opcode > 7 and (size > 125 or first < 0x80)):
            raise FrameError(f"no frame of a server's begins with the bytes {first:02x} {second:02x}")
        if size > 125:
            wide = 2 if size == 126 else 8
            if end - start < wide:
                break
            size, start = int.from_bytes(buffer[start : start + wide], "big"), start + wide
            if size > LARGEST:
                raise FrameError(f"a frame of {size:,} bytes, more than {LARGEST:,}")
        if end < start + size:
            break
        pieces.append((opcode, first > 0x7F, bytes(buffer[start : start + size])))
        at = start + size
    return pieces, at
