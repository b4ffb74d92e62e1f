"""Templates: what clients send, with placeholders, and what an answer to it must contain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..core.handshake import Frame
from .login import Http, fill

__all__ = ("USER", "Template", "contains", "frame_of", "joined_room", "names", "names_room")

Template = str | Mapping[str, Any] | Sequence[Any]
"""A text, or something JSON-able that becomes one; placeholders in any string of it."""


def frame_of(template: Template | None, said: Mapping[str, Any]) -> Frame:
    filled = fill(template, said)
    return filled if isinstance(filled, str) else json.dumps(filled)


USER = "{user}"
"""In what a frame must contain: any name, and whom the server takes the client for."""


def contains(
    template: Mapping[str, Any] | None, data: Mapping[str, Any], said: Callable[[], Mapping[str, Any]]
) -> bool:
    """Return whether a frame contains what a template says; ``said`` is what placeholders stand for."""
    if template is None or not template.keys() <= data.keys():
        return False
    for key, wanted in template.items():
        if wanted != data[key] and wanted != USER and ("{" not in repr(wanted) or fill(wanted, said()) != data[key]):
            return False
    return True


def names(placeholder: str, template: Template | Http | None) -> bool:
    """Whether a placeholder, ``{room}`` say, stands in what clients send."""
    if isinstance(template, Http):
        return placeholder in f"{template.path} {json.dumps([template.json, template.form])}"
    return template is not None and placeholder in json.dumps(template)


def names_room(template: Template | Http | None) -> bool:
    return names("{room}", template)


def joined_room(template: Mapping[str, Any] | None, data: Mapping[str, Any]) -> str | None:
    """The room a frame says was joined, if it says so at all."""
    if template is None:
        return None
    room = ""
    for key, wanted in template.items():
        value = data.get(key)
        if wanted == "{room}" and isinstance(value, str):
            room = value
        elif value != wanted:
            return None
    return room
