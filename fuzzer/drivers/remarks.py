"""What an application says on the side: who looks for a mistake wants to read the last of it."""

from __future__ import annotations

from collections import deque

from ..core.text import LONGEST, cut, gist, plain

__all__ = ("Remarks",)

MANY = 20
"""So many remarks are kept, the last."""

PRINTED = "printed"


class Remarks:
    """What no row of a history tells: how a login over HTTP was answered, what was logged as an error, or printed."""

    def __init__(self) -> None:
        self._kept: deque[tuple[str, str]] = deque(maxlen=MANY)
        """of each, where it stands or how it was said, and what"""

    def add(self, how: str, text: str) -> None:
        """Keep a remark: ``how`` it was made, "logged" say, and its text."""
        self._kept.append((how, text[:LONGEST]))

    def printed(self, text: str) -> None:
        """Keep what is printed; what comes in pieces is one remark."""
        if self._kept and self._kept[-1][0] == PRINTED:
            text = self._kept.pop()[1] + text
        if text.strip():
            self._kept.append((PRINTED, text[-4 * LONGEST :]))

    def shown(self, many: int, longest: int) -> list[str]:
        """Return the last remarks, at most so many, each in a line of about so many characters."""
        last = list(self._kept)[-many:]
        return [f"{how}: {cut(plain(gist(text).strip()), longest)}" for how, text in last]
