"""What a target, a file or a library says, made harmless to show: cut to a length, and without anything but text in it.

Every place that shows text to a terminal, a file or a CI system takes it through `plain` (or `lines`, where line
breaks are meant); every place that takes text out of a target takes it through `cut` or `said`.
"""

from __future__ import annotations

import re

__all__ = ("LONGEST", "cut", "gist", "lines", "plain", "said")

LONGEST = 500
"""Characters of what an exception says, or of a name, that anybody wants to read."""

UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, C0 and C1: terminals obey them
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen, or turning text around
    "\U000e0000-\U000e0fff\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # tags, halves of characters, no characters
)


TRACEBACK = "Traceback (most recent call last)"

EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: |$)")
"""The line of a traceback that says what was raised."""

ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{8,16}\b")
"""Where an object lies in memory, as its ``repr`` says: another place in each execution, and in each process."""


def cut(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a text that is too long, and how long it was."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text):,} characters)"


def gist(text: str) -> str:
    """Return what a traceback in a text comes to: the exception that it ends with; any other text as it is."""
    if TRACEBACK not in text:
        return text
    ends = (line.strip(" |+-") for line in reversed(text.splitlines()))
    return next((end for end in ends if EXCEPTION.match(end)), text)


def said(value: object) -> str:
    """Return what a target's object says of itself, which can take any code of the target's; never raises.

    Without addresses: by them alone no two executions would say the same.
    """
    try:
        return ADDRESS.sub("0x...", cut(str(value)))
    except RecursionError:
        return "<no text: RecursionError>"
    except Exception as error:
        return f"<no text: {cut(type(error).__name__, 80)}>"


def plain(text: str) -> str:
    """Return a text in one line that a terminal, a log and XML take for text and for nothing else.

    What is not to be shown is written out: ``\\x1b``, ``\\n``, ``\\u202e``.
    """
    return UNSHOWN.sub(_escaped, text) if UNSHOWN.search(text) else text


def lines(text: str) -> str:
    """Return the same for a text of several lines."""
    return "\n".join(map(plain, text.split("\n")))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")
