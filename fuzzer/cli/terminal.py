"""What is printed: text of targets and files as text and as nothing else, whoever reads it.

A terminal obeys escape sequences, rich its markup, and CI systems obey lines: those that begin with ``::`` (GitHub), or
those that say ``##[error]`` (GitHub's runner, still), ``##vso[...]`` (Azure) or ``##teamcity[...]``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

from ..core.text import plain

__all__ = ("Fitting", "Guarded", "guard", "plain_console", "plain_text", "trusted")

HASHES = re.compile(r"##(?=\w*\[)")
"""How commands begin that may stand anywhere in a line; what is put for it also means the same in JSON."""

COLONS = re.compile(r"(^|[\n\r])((?:\s|\x1b\[[0-9;]*[A-Za-z])*)::")
"""How commands begin at the beginning of a line, for those who take colours off first."""

INDENT = re.compile(r"(?:\s|\x1b\[[0-9;]*[A-Za-z])*\Z")


def plain_console(**options: Any) -> Console:
    """A `rich` console, with its options, that reads nothing into a text: ``chat:bug:`` is a target, not an insect."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def plain_text(text: str, style: str = "") -> Text:
    """Return a line for a console, in which nothing is markup or an escape sequence."""
    return Text(plain(text), style=style)


class Fitting:
    """Something that is drawn in another way where there is less room; ``draw`` is given the characters of a line."""

    def __init__(self, draw: Callable[[int], RenderableType]) -> None:
        self._draw = draw

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._draw(options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._draw(options.max_width))


class Guarded:
    """A stream that passes everything on, less what a CI system would take for a command."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._inside = False
        """Whether more than blanks was written of the line."""

    def write(self, text: str) -> int:
        """Write; gives the number of characters of ``text``."""
        safe = HASHES.sub(r"#\\u0023", text)
        if self._inside:
            head, ending, rest = safe.partition("\n")
            safe = head + ending + COLONS.sub(r"\1\2\\x3a:", rest) if ending else safe
        else:
            safe = COLONS.sub(r"\1\2\\x3a:", safe)
        if text:
            last = text.rpartition("\n")
            self._inside = (self._inside and not last[1]) or INDENT.fullmatch(last[2]) is None
        self.stream.write(safe)
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def guard() -> None:
    """From here on, have what is printed go through `Guarded`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Guarded):
            setattr(sys, name, Guarded(stream))


def trusted(stream: TextIO) -> TextIO:
    """Return the stream behind one that is guarded, for commands that are meant."""
    with suppress(OSError, ValueError):
        stream.flush()
    return stream.stream if isinstance(stream, Guarded) else stream
