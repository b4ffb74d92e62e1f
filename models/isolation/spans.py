"""A state that held for a while, known to within the operations that began and ended it.

Positions are row numbers of one history: rows are in the order things happened, so one position is before another
exactly when it happened before.  ``NEVER`` is after every row.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("NEVER", "Span")

NEVER = 1 << 60


@dataclass(slots=True)
class Span:
    """May hold strictly between ``may_from`` and ``may_until``; certainly holds strictly between the ``sure_`` two.

    What an operation begins may hold from its invocation and surely holds from its return; what it ends surely holds
    until its invocation and may hold until its return.  From ``doubtful`` on nobody can say whether it holds.
    """

    may_from: int = NEVER
    sure_from: int = NEVER
    sure_until: int = NEVER
    may_until: int = NEVER
    doubtful: int = NEVER

    def begins(self, row: int) -> None:
        self.may_from = min(self.may_from, row)

    def begun(self, row: int) -> None:
        self.sure_from = min(self.sure_from, row)

    def ends(self, row: int) -> None:
        self.sure_until = min(self.sure_until, row)

    def ended(self, row: int) -> None:
        """An end that comes after a doubt ends nothing for certain."""
        if row < self.doubtful:
            self.may_until = min(self.may_until, row)

    def doubt(self, row: int) -> None:
        """From ``row`` on nobody can say whether it holds, unless it had ended before."""
        self.doubtful = min(self.doubtful, row)
        self.ends(row)
        if self.may_until > row:
            self.may_until = NEVER

    def may(self, since: int, until: int) -> bool:
        """Whether it may have held at some moment between two rows."""
        return self.may_from < until and self.may_until > since

    def must(self, since: int, until: int) -> bool:
        """Whether it held for certain, all the time between two rows."""
        return self.sure_from < since and self.sure_until > until
