"""Budgets as people write them: ``30s``, ``5m``, ``1.5h``."""

from __future__ import annotations

import re

from ..core.errors import UsageError
from ..core.text import cut

__all__ = ("parse_budget",)

LONGEST = 366 * 24 * 3600.0
"""Seconds."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def parse_budget(text: str) -> float:
    """Seconds of a budget; a number without a unit is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"budget {cut(text, 60)!r} is not understood: write it like 30s, 5m or 2h")
    seconds = float(match[1]) * UNITS[match[2]]
    if seconds > LONGEST:
        raise UsageError(f"budget {cut(text, 60)!r} is longer than a year")
    return seconds
