"""What a worker of a Dask cluster does: rounds, in processes of its own that are watched as on one machine.

Dask runs these functions in its worker's process, which never takes up a target.  What they give is packed as it
travels between our processes, so that nothing of a target's is unpickled on the way.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.errors import CrosswireError
from .child import Care, awaited
from .messages import Done, packed
from .seats import Ran, RoundsJob, Seat
from .versions import Versions

__all__ = ("Remote", "Told", "leave", "run_round_here", "take_up")

IDLE = 60.0
"""Real seconds after which a process that nobody gives a round is ended: whoever began the campaign may be gone."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What a cluster's workers are to do for one campaign, which ``campaign`` names among all there ever are."""

    campaign: str
    rounds: RoundsJob
    care: Care
    hash_seed: str | None
    """The PYTHONHASHSEED of whoever counts: executions depend on it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker has to tell: that a target can be taken up there, a round, or what went wrong."""

    versions: Versions | None = None
    ran: Ran | None = None
    done: Done | None = None


def take_up(remote: Remote) -> bytes:
    """Start a process that can run rounds, and tell its versions."""
    try:
        with _seat(remote) as seat:
            while seat.versions is None:
                awaited([seat.child])
                seat.hear()
            return packed(Told(seat.versions))
    except CrosswireError as error:
        return packed(Told(done=Done(error=error)))


def run_round_here(remote: Remote, number: int) -> bytes:
    """Run a round to its end, whatever becomes of the processes it is run in."""
    try:
        with _seat(remote) as seat:
            seat.begin(number)
            while (ran := seat.hear()) is None:
                awaited([seat.child])
                if remote.campaign in _left:
                    raise CrosswireError("the campaign is over")
            return packed(Told(seat.versions, ran))
    except CrosswireError as error:
        return packed(Told(done=Done(error=error)))


def leave(campaign: str) -> None:
    """End what there is for a campaign that is over: processes that wait for rounds, and rounds nobody waits for."""
    with _lock:
        _left.add(campaign)
        idle = _free.pop(campaign, [])
    for waiting in idle:
        waiting.timer.cancel()
        waiting.seat.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A process without a round, and what ends it."""

    seat: Seat
    timer: threading.Timer


_free: dict[str, list[_Waiting]] = {}
_left: set[str] = set()
"""Campaigns that are over."""
_lock = threading.Lock()


@contextmanager
def _seat(remote: Remote) -> Iterator[Seat]:
    """A seat that nobody else uses meanwhile; where something is raised it is closed."""
    with _lock:
        free = _free.get(remote.campaign)
        waiting = free.pop() if free else None
    if waiting is not None:
        waiting.timer.cancel()
        seat = waiting.seat
    else:
        multiprocessing.current_process().daemon = False  # as Dask starts its workers, and they may start none
        if remote.hash_seed is not None:
            os.environ["PYTHONHASHSEED"] = remote.hash_seed
        seat = Seat(remote.rounds, remote.care, set(remote.rounds.avoided))
    try:
        yield seat
    except BaseException:
        seat.close()
        raise
    timer = threading.Timer(IDLE, _left_idle, (remote.campaign, seat))
    timer.daemon = True
    with _lock:
        _free.setdefault(remote.campaign, []).append(_Waiting(seat, timer))
    timer.start()


def _left_idle(campaign: str, seat: Seat) -> None:
    with _lock:
        free = _free.get(campaign, [])
        mine = [waiting for waiting in free if waiting.seat is seat]
        for waiting in mine:
            free.remove(waiting)
        if not free:
            _free.pop(campaign, None)
    for waiting in mine:
        waiting.seat.close()
