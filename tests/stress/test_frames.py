"""The client's own frames, held against those of `websockets`, in both directions and however they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from crosswire.fuzzer.stress.frames import BINARY, CLOSE, LARGEST, PING, PONG, TEXT, FrameError, Piece, decode, encode

SIZES = st.sampled_from((0, 1, 3, 4, 5, 124, 125, 126, 127, 65_535, 65_536, 70_001))


def parsed(data: bytes, mask: bool) -> Frame:
    """What `websockets` takes the bytes for; raises `ProtocolError`."""
    reader = StreamReader()
    reader.feed_data(data)
    steps = Frame.parse(reader.read_exact, mask=mask, max_size=None)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        assert isinstance(end.value, Frame)
        return end.value


@given(SIZES, st.sampled_from((TEXT, BINARY, CLOSE, PING, PONG)))
def test_what_is_written_is_read_by_websockets(size: int, opcode: int) -> None:
    payload = bytes(number % 251 for number in range(size if opcode < 8 else min(size, 125)))
    frame = parsed(encode(payload, opcode), mask=True)
    assert (frame.opcode, frame.data, frame.fin) == (opcode, payload, True)


@given(st.lists(st.tuples(SIZES, st.sampled_from(Opcode), st.booleans()), max_size=4), st.data())
def test_what_websockets_writes_is_read_in_pieces(wanted: list[tuple[int, Opcode, bool]], data: st.DataObject) -> None:
    frames = [
        Frame(opcode, b"x" * (size if opcode < 8 else min(size, 125)), fin or opcode >= 8)
        for size, opcode, fin in wanted
    ]
    stream = b"".join(frame.serialize(mask=False) for frame in frames)
    buffer, read, at = bytearray(), list[Piece](), 0
    for end in [*sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4))), len(stream)]:
        buffer += stream[at:end]
        at = end
        pieces, used = decode(buffer)
        del buffer[:used]
        read += pieces
    assert read == [(frame.opcode, frame.fin, bytes(frame.data)) for frame in frames]
    assert not buffer


@pytest.mark.parametrize(
    "data",
    [
        b"\xc1\x00",  # a reserved bit
        b"\x83\x00",  # an opcode that does not exist
        b"\x81\x80\x00\x00\x00\x00",  # masked, which servers do not
        b"\x89\x7e\x00\x80",  # a control frame that is too long
        b"\x09\x00",  # a control frame in parts
    ],
)
def test_what_no_server_may_send_is_refused_as_websockets_does(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parsed(data + b"\x00" * 200, mask=False)
    with pytest.raises(FrameError):
        decode(data)


def test_a_frame_beyond_all_bounds_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameError, match="more than"):
        decode(b"\x82\x7f" + (LARGEST + 1).to_bytes(8, "big"))
