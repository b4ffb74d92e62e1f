"""What users are called in an application: numbers or UUIDs rather than ``u0``, ``u1``.

A wire is given one of these functions, or any of the same form, as its ``users``.  Each must give every user a name of
its own, and the same every time.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

__all__ = ("MANY", "Naming", "integer_users", "known_as", "uuid_users")

Naming = Callable[[str], Any]
"""From ``u0`` to what the application calls that user."""

SPACE = uuid.UUID("c8055e1e-0000-4000-8000-000000000000")

MANY = 64
"""Users of whom a frame can tell who is meant; programs have fewer."""


def integer_users(user: str) -> int:
    """``u0`` is 1, ``u1`` is 2: as the rows of a table are numbered."""
    return int(user.removeprefix("u")) + 1


def uuid_users(user: str) -> str:
    """A UUID for each user (version 5), as text."""
    return str(uuid.uuid5(SPACE, user))


@cache
def known_as(naming: Naming) -> Mapping[str, str]:
    """From what the application calls a user, as text, to the user."""
    return {str(naming(f"u{number}")): f"u{number}" for number in range(MANY)}
