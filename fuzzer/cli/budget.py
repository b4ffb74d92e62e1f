"""Budgets as people write them: ``30s``, ``5m``, ``1.5h``."""

from __future__ import annotations

import re

from ..core.errors import UsageError

__all__ = ("parse_budget",)

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def parse_budget(text: str) -> float:
    """Seconds of a budget; a number without a unit is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None or float(match[1]) == 0:
        raise UsageError(f"budget {text!r} is not understood: write it like 30s, 5m or 2h")
    return float(match[1]) * UNITS[match[2]]
