"""The number of a process, as code in it is told.

An execution in a process of its own is to show what it shows in any other, and so goes by the number of the process
that it was forked from.
"""

from __future__ import annotations

import os

__all__ = ("go_by", "own_number")

own_number, _send = os.getpid, os.kill
"""The real ones, as they were before a target could put anything in their place."""

_goes_by: int | None = None


def go_by(number: int) -> None:
    """Let this process, which was forked from the one of that number, go by it from now on."""
    global _goes_by
    _goes_by = number


def _number() -> int:
    """Stand for ``os.getpid``."""
    return own_number() if _goes_by is None else _goes_by


def _kill(process: int, sent: int, /) -> None:
    """Stand for ``os.kill``: what is sent to the number that this process goes by reaches this process."""
    _send(own_number() if _goes_by is not None and process == _goes_by else process, sent)


def _forked() -> None:
    """In a process that was forked from this one, by whomever: it has a number of its own."""
    global _goes_by
    _goes_by = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

os.getpid, os.kill = _number, _kill  # for the life of the process: what puts a target's changes back leaves them alone
