"""Asynchronous generators that an execution began and nobody finished."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

__all__ = ("close_unfinished",)


def close_unfinished(generators: Iterable[AsyncGenerator[Any, Any]]) -> None:
    """Close them where nothing of their execution runs any more: in the next their destructors would be heard."""
    for generator in generators:
        closing = generator.aclose()
        try:
            closing.send(None)
        except BaseException:  # whatever a half-run generator raises belongs to an execution that is over
            continue
        closing.close()
