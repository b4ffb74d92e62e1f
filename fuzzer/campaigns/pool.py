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

from ..engine.execution import TargetError, Worker
from .rounds import Batch, Plan, run_round

__all__ = ("Pool",)

AHEAD = 2
"""Rounds in hand for each process, so that none of them waits while an earlier round is counted."""

PATIENCE = 0.2
"""Real seconds between two looks at the budget while a round is awaited."""


class Pool:
    """Processes that run the rounds of one target ahead of the campaign that counts them."""

    def __init__(self, target: str, plan: Plan, workers: int, first: int) -> None:
        self._executor = ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(target, plan)
        )
        self._rounds: deque[Future[list[Batch]]] = deque()
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
                    return current.result(PATIENCE)
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


def _begin(target: str, plan: Plan) -> None:
    """Set a worker process up: it leaves Ctrl-C to its parent, and ends when the parent does."""
    from ..targets.resolve import resolve

    global _worker, _plan
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    _worker, _plan = Worker(resolve(target)), plan


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _round(number: int) -> list[Batch]:
    with _worker.session():
        return list(run_round(_worker, _plan, number, lambda more: False))
