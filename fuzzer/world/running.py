"""Which loop runs in this thread, for those who run one within another's task: in a notebook's cell, say."""

from __future__ import annotations

import asyncio
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("in_no_loop",)


@contextmanager
def in_no_loop() -> Iterator[None]:
    """Have no loop be running in this thread, and no task.

    CPython 3.14 steps a task only on the loop that runs, and while no other task is running in the thread.
    https://docs.python.org/3/library/asyncio-extending.html names what enters and leaves a task.
    """
    outer = events._get_running_loop()
    task = asyncio.current_task(outer) if outer is not None else None
    if outer is not None and task is not None:
        asyncio.tasks._leave_task(outer, task)
    events._set_running_loop(None)
    try:
        yield
    finally:
        events._set_running_loop(outer)
        if outer is not None and task is not None:
            asyncio.tasks._enter_task(outer, task)
