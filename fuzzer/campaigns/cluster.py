"""Rounds on the workers of a Dask cluster, as the campaign that counts them sees it."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

from ..core.errors import UsageError
from ..core.text import cut
from ..engine.execution import TargetError
from .child import Care, Child, awaited
from .messages import unpacked
from .relay import LOCAL, Arrived, ClusterError, Members, Over, RelayJob, Taken, Withdrawn
from .remote import Remote, Told
from .seats import Ran, RoundsJob, Seats
from .versions import Versions

__all__ = ("Cluster", "ClusterError", "check_cluster")

LEAVING = 5.0
"""Real seconds that taking leave of a cluster may take."""

ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s/]+:\d+")

SAVED = "what was counted and found is saved, and --resume goes on from there"


def check_cluster(address: str) -> None:
    """See whether an address can be one, and whether there is what speaks to it; raises `UsageError`."""
    if address != LOCAL and not ADDRESS.fullmatch(address):
        raise UsageError(f"--cluster {cut(address, 80)!r}: name a Dask scheduler, as in tcp://host:8786, or {LOCAL}")
    if find_spec("distributed") is None:
        raise UsageError("--cluster needs Dask: pip install 'crosswire[cluster]'")


class Cluster:
    """The workers of a cluster, seen by the campaign that counts what they run.

    A worker that is gone costs nothing but time.  A round that ends one after the other is run here, where a target
    that ends processes is told from bad luck.
    """

    def __init__(
        self,
        address: str,
        workers: int,
        job: RoundsJob,
        care: Care,
        here: Versions,
        note: Callable[[str], None],
        alive: Callable[[], None],
    ) -> None:
        """Wait for a first worker, calling ``alive`` meanwhile; raises `ClusterError`, `TargetError`."""
        self._address, self._job, self._care, self._here, self._note = address, job, care, here, note
        self._alive = alive
        self._members = Members(0, 0)
        self._withdrawn: deque[int] = deque()
        self._home: Seats | None = None
        self._seen: set[Versions] = set()
        self.bytes = 0
        """That have come back, as results of rounds."""
        there = replace(job, tells_versions=True)
        remote = Remote(uuid.uuid4().hex, there, care, os.environ.get("PYTHONHASHSEED"))
        self._relay = Child(RelayJob(address, workers, remote), Care())
        try:
            while not self._members.workers:
                self._alive()  # whoever watches this process would take so long a wait for the target's
                self.hear()
        except BaseException:
            self.close()
            raise

    @property
    def capacity(self) -> int:
        """How many rounds the workers run at a time."""
        return self._members.threads

    def take(self, number: int) -> bool:
        """Send a round out; the scheduler keeps what no worker is free for."""
        self._relay.ask(number)
        return True

    def hear(self) -> list[Ran]:
        """Return the rounds that have come back, waiting a little for one; raises `ClusterError`, `TargetError`."""
        awaited([self._relay], 0.0 if self._home is not None and self._withdrawn else 0.25)
        heard = []
        for message in self._relay.hear():
            match message:
                case Members():
                    if not self._members.workers:
                        self._note(f"the cluster runs {message.threads} rounds at a time, on {message.workers} workers")
                    self._members = message
                case Taken(worker, data):
                    self._told(data, worker)
                case Arrived(_, data):
                    self.bytes += len(data)
                    told = self._told(data, "that joined later")
                    if told.ran is not None:
                        heard.append(told.ran)
                case Withdrawn(number):
                    self._note(f"round {number} ended one worker of the cluster after the other; it is run here")
                    self._withdrawn.append(number)
        if self._relay.done is not None:
            error = self._relay.done.error
            if error is None:
                error = ClusterError(f"the connection to the cluster failed: {self._relay.done.gist}")
            raise ClusterError(f"{error}; {SAVED}")
        if self._relay.ending is not None:
            raise ClusterError(f"the connection to the cluster is lost: {self._relay.ending}; {SAVED}")
        return heard + self._run_here()

    def _told(self, data: bytes, worker: str) -> Told:
        """What a worker told; notes what is not there as it is here."""
        told = unpacked(data)
        assert isinstance(told, Told)
        if told.done is not None:
            if told.done.error is not None:
                raise TargetError(f"on the cluster's worker {worker}: {told.done.error}")
            raise TargetError(f"on the cluster's worker {worker}: {told.done.gist}")
        if told.versions is not None and told.versions not in self._seen:  # each round tells them again
            self._seen.add(told.versions)
            for unlike in told.versions.unlike(self._here):
                self._note(f"the cluster's worker {worker} has {unlike}: rounds may give something else there")
        return told

    def _run_here(self) -> list[Ran]:
        if self._withdrawn and self._home is None:
            self._home = Seats(self._job, self._care, 1)
        if self._home is None:
            return []
        while self._withdrawn and self._home.take(self._withdrawn[0]):
            self._withdrawn.popleft()
        return self._home.hear()

    def close(self) -> None:
        """Take leave of the cluster; what is in hand is dropped."""
        if self._home is not None:
            self._home.close()
        self._relay.ask(Over())
        until = time.monotonic() + LEAVING
        while not self._relay.over and time.monotonic() < until:
            self._alive()  # what workers here still do counts as this process's
            awaited([self._relay])
            for _ in self._relay.hear():
                pass
        self._relay.close()
