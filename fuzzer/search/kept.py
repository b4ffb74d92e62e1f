"""What coverage-guided search keeps because it showed something new: a queue, as grey-box fuzzers have it."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ("Kept",)

T = TypeVar("T")


class Kept(Generic[T]):
    """Things to be changed and tried again: those tried least come first, the latest of them before the others."""

    def __init__(self) -> None:
        self.things: list[T] = []
        self._tries: list[int] = []

    def keep(self, thing: T) -> None:
        self.things.append(thing)
        self._tries.append(0)

    def next(self) -> T:
        """The thing to be tried now; there must be one."""
        at = min(reversed(range(len(self.things))), key=self._tries.__getitem__)
        self._tries[at] += 1
        return self.things[at]
