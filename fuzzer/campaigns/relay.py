"""The process that speaks to a Dask scheduler for a campaign: numbers of rounds go out, what they gave comes back.

It is a process of its own because Dask's threads and loops must not be where a target lives.  It decides nothing:
Dask runs a round again whose worker is gone, and gives it up when that has ended several.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..core.errors import CrosswireError
from .messages import Line
from .remote import Remote, leave, run_round_here, take_up

__all__ = ("LOCAL", "Arrived", "ClusterError", "Members", "Over", "RelayJob", "Taken", "Withdrawn")

LOCAL = "local"
"""Stands for a cluster that is made of processes of this machine, for one campaign."""

CONNECTING = 20.0
"""Real seconds in which a scheduler must answer."""

JOINING = 60.0
"""Real seconds in which a first worker must come, and in which one must come back where all have left."""

TICK = 0.02
"""Real seconds between two looks for rounds to run, while none comes back."""

LOOKING = 1.0
"""Real seconds between two looks at who is there."""

KILLS = 2
"""Workers that a round may end before it is not given to another, in a cluster made here."""


GONE = (OSError, asyncio.CancelledError, concurrent.futures.CancelledError)
"""What Dask's client raises where there is nobody any more to speak to."""


class ClusterError(CrosswireError):
    """A cluster cannot be used, or not any more; everything that came back from it is counted."""


@dataclass(frozen=True, slots=True)
class Members:
    """How many workers there are, and how many rounds they run at a time."""

    workers: int
    threads: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What a worker said when it took up the target; ``data`` is a `Told`, packed."""

    worker: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a round gave; ``data`` is a `Told`, packed."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A round that ended one worker after the other, and is given to none any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Over:
    """There will be no more rounds to run."""


@dataclass(frozen=True, slots=True)
class RelayJob:
    """Run the rounds whose numbers are sent on a cluster, as many at a time as there is room for."""

    address: str
    workers: int
    remote: Remote

    def run(self, line: Line) -> None:
        logging.disable(logging.CRITICAL)  # what there is to say goes to whoever started this process
        asyncio.run(_Relay(self, line).run())


@asynccontextmanager
async def _connected(job: RelayJob) -> AsyncIterator[Any]:
    """A client of the scheduler; raises `ClusterError`."""
    import dask
    from distributed import Client, LocalCluster

    settings = {"distributed.scheduler.allowed-failures": KILLS - 1, "distributed.worker.daemon": False}
    with dask.config.set(settings):
        if job.address == LOCAL:
            async with (
                LocalCluster(
                    n_workers=job.workers,
                    threads_per_worker=1,
                    asynchronous=True,
                    dashboard_address=None,
                    memory_limit=0,
                ) as cluster,
                Client(cluster, asynchronous=True, set_as_default=False) as client,
            ):
                yield client
            return
        try:
            client = await Client(job.address, asynchronous=True, set_as_default=False, timeout=CONNECTING)
        except (OSError, ValueError) as error:
            raise ClusterError(f"no Dask scheduler answers at {job.address}: {error}") from None
        async with client:
            yield client


class _Relay:
    """Sends rounds out, and tells what comes back."""

    def __init__(self, job: RelayJob, line: Line) -> None:
        self._job, self._line = job, line
        self._rounds: set[asyncio.Future[Arrived | Withdrawn]] = set()
        self._there: dict[str, int] = {}
        """Workers by address, each with how many rounds it runs at a time."""
        self._members = Members(0, 0)
        self._begun = False
        self._looked = 0.0
        self._alone_since = time.monotonic()

    async def run(self) -> None:
        line = self._line
        connecting = asyncio.ensure_future(self._serve())
        while not connecting.done():
            line.beat()
            await asyncio.wait({connecting}, timeout=LOOKING)
        connecting.result()

    async def _serve(self) -> None:
        async with _connected(self._job) as client:
            try:
                await self._take_up(client)
                while await self._step(client):
                    pass
                await asyncio.wait_for(client.run(leave, self._job.remote.campaign, on_error="ignore"), LOOKING)
            except GONE:
                raise self._gone() from None

    async def _take_up(self, client: Any) -> None:
        """Have the workers that are there take up the target before the first round; tell what each says."""
        remote, said = self._job.remote, 0
        while not said:
            await self._look(client)
            asked = {w: asyncio.ensure_future(_taken_up(client, remote, w)) for w in self._there}
            while asked:
                done, _ = await asyncio.wait(asked.values(), timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                await self._look(client)
                for worker, one in list(asked.items()):
                    if one in done:
                        data = one.result()
                        if data is not None:
                            said += 1
                            await self._tell(Taken(worker, data))
                    elif worker in self._there:
                        continue
                    one.cancel()
                    del asked[worker]
            await asyncio.sleep(TICK)
        self._begun = True
        await self._tell_members()
        self._line.begun()

    async def _step(self, client: Any) -> bool:
        """Send out what is asked for, tell what has come back; False when there will be no more."""
        while self._line.ready():
            number = self._line.asked()
            if not isinstance(number, int):
                return False
            self._rounds.add(asyncio.ensure_future(self._round(client, number)))
        if not self._rounds:
            await asyncio.sleep(TICK)
        else:
            done, _ = await asyncio.wait(self._rounds, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                self._rounds.discard(one)
                await self._tell(one.result())
        await self._look(client)
        return True

    async def _round(self, client: Any, number: int) -> Arrived | Withdrawn:
        from distributed import KilledWorker

        remote = self._job.remote
        future = client.submit(
            run_round_here, remote, number, key=f"crosswire-{remote.campaign}-{number}", pure=False, priority=-number
        )
        try:
            data: bytes = await future
        except KilledWorker:
            return Withdrawn(number)
        except GONE:
            raise
        except Exception as error:
            raise ClusterError(f"a worker of the cluster cannot run rounds: {_gist(error)}") from None
        return Arrived(number, data)

    async def _look(self, client: Any) -> None:
        """See who is there; raises `ClusterError` where that is nobody for long, or the scheduler is gone."""
        if client.status != "running":
            raise self._gone()
        now = time.monotonic()
        if now - self._looked < LOOKING:
            return
        self._looked = now
        self._there = dict(await client.nthreads())
        if self._there:
            self._alone_since = now
        elif now - self._alone_since > JOINING:
            raise ClusterError(f"the Dask cluster at {self._job.address} has had no worker for {JOINING:g} s")
        if self._begun:
            await self._tell_members()

    async def _tell_members(self) -> None:
        members = Members(len(self._there), sum(self._there.values()))
        if members != self._members:
            self._members = members
            await self._tell(members)

    async def _tell(self, message: object) -> None:
        """Tell a message without holding up Dask, whoever hears it may be busy counting."""
        await asyncio.to_thread(self._line.tell, message)

    def _gone(self) -> ClusterError:
        return ClusterError(f"the Dask scheduler at {self._job.address} is gone")


async def _taken_up(client: Any, remote: Remote, worker: str) -> bytes | None:
    """What one worker says; None where it is gone."""
    said = await client.run(_take_up_aside, remote, workers=[worker], on_error="return")
    match said.get(worker):
        case bytes(data):
            return data
        case OSError() | None:
            return None
        case error:
            raise ClusterError(f"the cluster's worker {worker} cannot run Crosswire: {_gist(error)}")


async def _take_up_aside(remote: Remote) -> bytes:
    """`take_up`, in a thread: a Dask worker must go on answering meanwhile."""
    return await asyncio.to_thread(take_up, remote)


def _gist(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
