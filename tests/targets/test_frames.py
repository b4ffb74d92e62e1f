"""Markers are found again, whatever an application makes of the words around them."""

from __future__ import annotations

import json

import pytest

from crosswire.fuzzer import JsonWire, SocketIOWire
from crosswire.fuzzer.targets.frames import markers
from crosswire.fuzzer.targets.wire import Login

LOGIN = Login("c0", "u0", "token-u0", "u0")


@pytest.mark.parametrize("said", ["cw-e5", "<b>CW-E5!</b>", "He Said: Cw-E5", "u1: cw-e5 (edited)"])
def test_a_marker_is_found_in_capitals_and_among_other_words(said: str) -> None:
    assert markers(said) == markers(said.encode()) == ("e5",)
    assert JsonWire().read(json.dumps({"text": said}), LOGIN).events == ("e5",)
    assert JsonWire().read(json.dumps([{"text": said}]), LOGIN).events == ("e5",)
    assert SocketIOWire().read("42" + json.dumps(["message", {"text": said}]), LOGIN).events == ("e5",)


def test_an_echo_and_its_original_are_one_event() -> None:
    assert markers("cw-e5 CW-E5 cw-e6") == ("e5", "e6")


@pytest.mark.parametrize("said", ["", "cw-5", "cwe5", "CW-F5", "cw-x cw-e"])
def test_what_looks_like_one_is_none(said: str) -> None:
    assert markers(said) == markers(said.encode()) == ()
