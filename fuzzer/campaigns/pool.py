"""Rounds of a campaign over several processes, given back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from ..core.choices import Way
from ..engine.alone import CAN_FORK
from ..engine.execution import TargetError, Worker
from ..targets.adapter import Target
from .rounds import Batch, Plan, run_round

__all__ = ("Pool",)

AHEAD = 2
"""Rounds in hand for each process, so that none of them waits while an earlier round is counted."""

PATIENCE = 0.2
"""Real seconds between two looks at the budget while a round is awaited."""


class Pool:
    """Processes that run the rounds of one target ahead of the campaign that counts them."""

    def __init__(self, target: Target, plan: Plan, workers: int, first: int) -> None:
        self._state = target.state
        self._executor = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(target.name, plan, target.state.way),
        )
        self._rounds: deque[Future[tuple[list[Batch], list[str]]]] = deque()
        self._next = first
        self._ahead = workers * AHEAD

    def next_round(self, over: Callable[[], bool]) -> list[Batch]:
        """The next round's batches, in order; empty where the budget ends first.  Raises `TargetError`."""
        while len(self._rounds) < self._ahead:
            self._rounds.append(self._executor.submit(_round, self._next))
            self._next += 1
        current = self._rounds.popleft()
        try:
            while not over():
                try:
                    batches, notes = current.result(PATIENCE)
                    for note in notes:
                        self._state.note(note)
                    return batches
                except TimeoutError:
                    continue
        except BrokenProcessPool:
            raise TargetError(
                "a worker process was killed; is the machine short of memory? try fewer --workers"
            ) from None
        return []

    def close(self) -> None:
        """End the processes; what they have in hand is dropped."""
        processes = multiprocessing.active_children()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()


_worker: Worker
_plan: Plan


def _begin(target: str, plan: Plan, way: Way) -> None:
    """Set a worker process up: it leaves Ctrl-C to its parent, and ends when the parent does."""
    from ..targets.resolve import resolve

    global _worker, _plan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    _worker, _plan = Worker(resolve(target)), plan
    _worker.target.state.way = way  # as it was proven
    _worker.samples = CAN_FORK


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _round(number: int) -> tuple[list[Batch], list[str]]:
    """The batches of a round, and what there is to say of how executions are kept apart."""
    with _worker.session():
        if CAN_FORK:
            _worker.stand_by()
        batches = list(run_round(_worker, _plan, number, lambda more: False))
    return batches, _worker.target.state.notes
