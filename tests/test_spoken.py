"""What clients speak to an application that names no wire is read from its handlers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crosswire.fuzzer.targets.resolve import resolve
from crosswire.fuzzer.targets.traits import WireTraits

SAYS_TEXT = """
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
here = []

async def tell(text):
    for socket in list(here):
        await socket.send_text(text)

@app.websocket("/ws/{user}")
async def chat(ws: WebSocket, user: str):
    await ws.accept()
    here.append(ws)
    try:
        while True:
            await tell(f"{user} says: {await ws.receive_text()}")
    except WebSocketDisconnect:
        here.remove(ws)
"""

PARSES = "import json\n" + SAYS_TEXT.replace("await ws.receive_text()", "json.loads(await ws.receive_text())['text']")

PARSES_ELSEWHERE = SAYS_TEXT.replace("await ws.receive_text()", "parsed(await ws.receive_text())")

TO_ALL = SAYS_TEXT.replace("await ws.receive_text()", "(await ws.receive_json())['text']")

NAMES_ONE = TO_ALL + "\ndef recipient(message):\n    return message.to\n"

TO_ONE = PARSES.replace(
    "            await tell(", "            m = json.loads(await ws.receive_text())\n            await tell(m['to'] + "
)

IN_BYTES = SAYS_TEXT.replace("receive_text", "receive_bytes")


@pytest.mark.parametrize(
    ("source", "speaks", "to"),
    [
        (SAYS_TEXT, "text", "everybody"),
        (PARSES, "JSON", "either"),
        (PARSES_ELSEWHERE, "JSON", "either"),
        (IN_BYTES, "JSON", "either"),
        (TO_ALL, "JSON", "everybody"),
        (NAMES_ONE, "JSON", "either"),
        (TO_ONE, "JSON", "users"),
    ],
)
def test_a_handler_is_spoken_to_in_what_it_plainly_receives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, speaks: str, to: str
) -> None:
    """A broadcast of words, spoken to as if it delivered to somebody, would be taken for a leak.

    Where nobody can tell which it is, either is tried.
    """
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("said", "said_parsing"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "said_parsing.py").write_text("import json\n\ndef parsed(text):\n    return json.loads(text)['text']\n")
    (tmp_path / "said.py").write_text("from said_parsing import parsed\n" * ("parsed(" in source) + source)
    target = resolve("said:app")
    assert target.description.endswith(f"clients speak {speaks} at /ws/{{user}}")
    assert isinstance(target.traits, WireTraits)
    wire = target.traits.wire
    assert (wire.offers("emit"), wire.offers("broadcast")) == (to != "everybody", to != "users")
