"""Targets are named by their module, or by the file it is in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crosswire.fuzzer import UnknownTargetError
from crosswire.fuzzer.targets.places import module_and_name
from crosswire.fuzzer.targets.resolve import resolve

ADAPTER = """
from crosswire.fuzzer import Adapter
from {rooms} import rooms

class Chat(Adapter):
    async def connect(self, client):
        rooms.append(client)

    async def emit(self, event):
        for client in rooms:
            await client.websocket.send_json(event.payload)

    async def disconnect(self, client):
        rooms.remove(client)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_script_is_named_by_its_file_and_finds_what_stands_beside_it(here: Path) -> None:
    folder = here / "server"
    folder.mkdir()
    (folder / "placed_rooms.py").write_text("rooms = []\n")
    (folder / "placed_chat.py").write_text(ADAPTER.format(rooms="placed_rooms"))
    target = resolve("server/placed_chat.py:Chat")
    assert (target.name, target.offers("emit")) == ("server/placed_chat.py:Chat", True)
    assert module_and_name(f"{folder}/placed_chat.py:Chat") == ("placed_chat", "Chat")


def test_a_file_in_a_package_is_a_module_of_it(here: Path) -> None:
    inner = here / "placed_package" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").touch()
    (inner / "rooms.py").write_text("rooms = []\n")
    (inner / "chat.py").write_text(ADAPTER.format(rooms=".rooms"))
    assert resolve("placed_package/inner/chat.py:Chat").offers("emit")
    assert module_and_name("placed_package/inner/chat.py:Chat") == ("placed_package.inner.chat", "Chat")
    assert module_and_name("placed_package/__init__.py:Chat") == ("placed_package", "Chat")


def test_modules_are_named_as_ever(here: Path) -> None:
    (here / "chat.py").touch()
    assert module_and_name("chat:Chat") == ("chat", "Chat")
    assert module_and_name("chat.py") == ("chat", "")
    assert module_and_name("reference") == ("reference", "")


def test_a_file_that_is_not_there_is_said_to_be(here: Path) -> None:
    with pytest.raises(UnknownTargetError, match=r"there is no file gone/chat\.py"):
        resolve("gone/chat.py:Chat")


def test_of_a_file_it_is_to_be_said_what_in_it_to_fuzz(here: Path) -> None:
    (here / "chat_fuzz.py").touch()
    with pytest.raises(UnknownTargetError, match=r"what in the file is to be fuzzed, chat_fuzz\.py:target for one"):
        resolve("chat_fuzz.py")


def test_a_file_that_a_package_hides_is_not_taken_for_it(here: Path) -> None:
    (here / "chat").mkdir()
    (here / "chat" / "__init__.py").touch()
    (here / "chat.py").touch()
    with pytest.raises(UnknownTargetError, match=r"beside chat\.py there is a package chat/"):
        resolve("chat.py:app")
