"""Templates: what clients send, with placeholders, and what an answer to it must contain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from json.encoder import encode_basestring_ascii
from typing import Any

from ..core.handshake import Frame
from .login import Http, fill

__all__ = (
    "USER",
    "Shape",
    "Template",
    "contains",
    "frame_of",
    "joined_room",
    "mentions",
    "names",
    "names_room",
    "quotes",
)

Template = str | Mapping[str, Any] | Sequence[Any]
"""A text, or something JSON-able that becomes one; placeholders in any string of it."""


def frame_of(template: Template | None, said: Mapping[str, Any]) -> Frame:
    filled = fill(template, said)
    return filled if isinstance(filled, str) else json.dumps(filled)


class Shape:
    """A template made ready: its JSON is written once, with gaps where placeholders stand.

    What it gives is what `frame_of` gives of the template.
    """

    def __init__(self, template: Template | None) -> None:
        self._template = template
        self._gaps: list[str] = []
        self._pieces = GAP.split(json.dumps(self._open(template)))
        self._ready = not isinstance(template, str) and len(self._pieces) == len(self._gaps) + 1
        self._filled = [
            (gap[1:-1] if gap[0] == "{" and gap[-1] == "}" else "", gap, piece)
            for gap, piece in zip(self._gaps, self._pieces[1:], strict=False)
        ]
        """For each gap the placeholder that is all of it, or "", what it says, and what is written after it."""

    def _open(self, part: Any) -> Any:
        """The same with a mark in place of each string that has placeholders."""
        if isinstance(part, str) and "{" in part:
            self._gaps.append(part)
            return MARK
        if isinstance(part, Mapping):
            return {name: self._open(value) for name, value in part.items()}
        if isinstance(part, list | tuple):
            return [self._open(value) for value in part]
        return part

    def frame(self, said: Mapping[str, Any]) -> Frame:
        """What is sent where placeholders stand for this."""
        if not self._ready:
            return frame_of(self._template, said)
        written = [self._pieces[0]]
        for name, gap, piece in self._filled:
            value = said[name] if name in said else fill(gap, said)
            written += (encode_basestring_ascii(value) if type(value) is str else json.dumps(value), piece)
        return "".join(written)


MARK = "\x00gap\x00"
GAP = re.compile(re.escape(json.dumps(MARK)))
"""What hardly any template says itself."""

USER = "{user}"
"""In what a frame must contain: any name, and whom the server takes the client for."""

ROOM = "{room}"


def contains(
    template: Mapping[str, Any] | None, data: Mapping[str, Any], said: Callable[[], Mapping[str, Any]]
) -> bool:
    """Return whether a frame contains what a template says; ``said`` is what placeholders stand for."""
    if template is None or not template.keys() <= data.keys():
        return False
    return all(wanted == USER or _is_said(wanted, data[key], said) for key, wanted in template.items())


def quotes(
    template: Mapping[str, Any] | None,
    data: Mapping[str, Any],
    events: Sequence[str],
    said: Callable[[], Mapping[str, Any]],
) -> bool:
    """The same of a template in which ``{event}`` may stand for any of the events that the frame carries."""
    markers = (f"cw-{event.partition('.')[0]}" for event in events)
    return contains(template, data, said) or any(
        contains(template, data, partial(_with_event, said, marker)) for marker in markers
    )


def _with_event(said: Callable[[], Mapping[str, Any]], marker: str) -> Mapping[str, Any]:
    return {**said(), "event": marker}


def _is_said(wanted: Any, value: Any, said: Callable[[], Mapping[str, Any]]) -> bool:
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return contains(wanted, value, said)
    return wanted == value or ("{" in repr(wanted) and fill(wanted, said()) == value)


def names(placeholder: str, template: Template | Http | None) -> bool:
    """Whether a placeholder, ``{room}`` say, stands in what clients send."""
    return template is not None and placeholder in _text(template)


def mentions(template: Template | Http, word: str) -> bool:
    """Whether a word, somebody's name say, stands for itself in what clients send; a number may be anything's."""
    return not word.isdecimal() and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", _text(template)) is not None


def _text(template: Template | Http) -> str:
    if isinstance(template, Http):
        return f"{template.path} {json.dumps([template.json, template.form])}"
    return json.dumps(template)


def names_room(template: Template | Http | None) -> bool:
    return names(ROOM, template)


def joined_room(
    template: Mapping[str, Any] | None, data: Mapping[str, Any], said: Callable[[], Mapping[str, Any]]
) -> str | None:
    """The room a frame says was joined, if it says so at all; ``said`` is what other placeholders stand for.

    ``{user}`` is the client's own: that another has joined is told with the same words.
    """
    found: set[str] = set()
    if template is None or not _names_room(template, data, said, found) or len(found) > 1:
        return None
    return next(iter(found), "")


def _names_room(wanted: Any, value: Any, said: Callable[[], Mapping[str, Any]], found: set[str]) -> bool:
    """Whether a part of a frame says what a template does; the rooms that stand where it has ``{room}`` are found."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and _names_room(part, value[key], said, found) for key, part in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_names_room(part, one, said, found) for part, one in zip(wanted, value, strict=True))
        )
    if wanted == ROOM:
        if not isinstance(value, str | int) or isinstance(value, bool):
            return False
        found.add(str(value))
        return True
    if isinstance(wanted, str) and ROOM in wanted and isinstance(value, str):
        around = str(fill(wanted, {**said(), "room": MARK})).split(MARK)
        within = re.fullmatch("(.+)".join(map(re.escape, around)), value, re.DOTALL)
        found.update(within.groups() if within is not None else ())
        return within is not None
    return _is_said(wanted, value, said)
