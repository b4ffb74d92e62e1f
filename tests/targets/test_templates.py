"""A template made ready gives what the template itself gives, whatever is in it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosswire.fuzzer import JsonWire
from crosswire.fuzzer.targets.templates import MARK, Shape, frame_of, quotes
from crosswire.fuzzer.targets.wire import Login, WireError

TEXTS = st.sampled_from(
    ("{to}", "{event}", "to {to}: {event}", "{{to}}", "{nobody}", "plain", "", "{", "}", MARK, '"{to}"')
)
VALUES = st.sampled_from(("u1", 7, '"é\n', "{event}", "", None)) | st.text(max_size=5)
TEMPLATES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(TEMPLATES, st.fixed_dictionaries({"to": VALUES, "event": VALUES}))
def test_a_template_made_ready_gives_what_the_template_gives(template: Any, said: dict[str, Any]) -> None:
    assert Shape(template).frame(said) == frame_of(template, said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"rejected": "not"}, "rejected='not': it is what an answer contains"),
        ({"ready": ["ready"]}, "ready=['ready']: it is what an answer contains"),
        ({"retells": ["state"]}, "retells=['state']: it is what an answer contains"),
        ({"retells": {"type": "state"}}, "retells={'type': 'state'}: it is what an answer contains"),
        ({"user": {"type": "user"}}, "user={'type': 'user'}: it is the name of a field"),
    ],
)
def test_what_cannot_be_in_an_answer_is_told_in_a_line(said: dict[str, Any], message: str) -> None:
    with pytest.raises(WireError, match=f"^{re.escape(message)}"):
        JsonWire(**said)


@pytest.mark.parametrize(
    ("data", "is_ready"),
    [
        ({"type": "next", "payload": {"data": {"me": "u0", "since": 3}}}, True),
        ({"type": "next", "payload": {"data": {"me": "u1"}}}, False),
        ({"type": "next", "payload": {}}, False),
        ({"type": "next", "payload": "u0"}, False),
    ],
)
def test_what_is_inside_a_frame_may_hold_more_than_the_template_says(data: dict[str, Any], is_ready: bool) -> None:
    wire = JsonWire(ready={"type": "next", "payload": {"data": {"me": "{identity}"}}})
    assert wire.read(json.dumps(data), Login("c0", "u0", "token-u0", "u0")).ready is is_ready


@pytest.mark.parametrize(
    ("text", "events", "quoted"),
    [("cw-e3", ("e3",), True), ("cw-e3", ("e3.agent_started",), True), ("cw-e3", ("e4",), False), ("no", (), False)],
)
def test_what_turns_something_down_may_quote_it(text: str, events: tuple[str, ...], quoted: bool) -> None:
    assert quotes({"kind": "no", "text": "{event}"}, {"kind": "no", "text": text}, events, dict) == quoted
    assert quotes({"kind": "no"}, {"kind": "no", "text": text}, events, dict)
    assert not quotes({"kind": "yes", "text": "{event}"}, {"kind": "no", "text": text}, events, dict)
