"""Consoles that show what targets, users and files are called as it is: no markup, no emoji, no colours by guess."""

from __future__ import annotations

from typing import Any

from rich.console import Console

__all__ = ("plain_console",)


def plain_console(**options: Any) -> Console:
    """A `rich` console, with its options, that reads nothing into a text: ``chat:bug:`` is a target, not an insect."""
    return Console(highlight=False, markup=False, emoji=False, **options)
