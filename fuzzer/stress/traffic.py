"""What goes on during a round: bursts, comings and goings beside them, clients that do not read, and scenes.

Bursts find what even spacing does not, since what nearly coincides is what goes wrong.  Half of what is said goes to
users one of whose clients does not read: there a server waits.  What was to be said is measured from when it was to
be, whatever kept it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import anyio

from ...strategies.script import SPEAKING, Speech, Vocabulary
from ..core.program import Kind, Operation, Program, Stage
from ..drivers.client import WireClient
from ..targets.own import FOR_A_ROOM, FOR_A_USER, Own
from ..targets.users import MANY
from .crowd import Crowd, Track
from .link import SocketLink
from .programs import CAST, recast

__all__ = ("Load", "Traffic")

STALLS = (0.05, 0.3, 0.8, 2.0)
"""Seconds for which a client does not read."""

AWAY = (0.0, 0.01, 0.2)
"""Seconds after which one that left is back."""

SCENES = 0.3
"""Share of the turns in which a scene is played instead of a burst."""

MOST_SCENES = 30
"""Scenes that begin in a second, at most: each brings clients of its own, whose handshakes cost more than events."""

BARRIER = 0.1
"""Seconds that a scene waits where its program has everything come to rest."""

LINGER = 1.0
"""Seconds for which the clients of a scene stay when it is over."""

LOOK = 0.02
"""Seconds between two looks at who is there."""

ARRIVE_TOGETHER = 16
"""Clients that begin to connect at once, every hundredth of a second."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what: connections at a time, events and comings or goings a second, events in a burst at most."""

    clients: int = 50
    rate: float = 100.0
    churn: float = 10.0
    burst: int = 8
    tabs: int = 2


class Traffic:
    """The load on one round's crowd."""

    def __init__(self, crowd: Crowd, load: Load, programs: Sequence[Program], random: Random) -> None:
        self.crowd, self.load, self.programs, self.random = crowd, load, programs, random
        self.vocabulary = Vocabulary(crowd.target, CAST)
        self._aside = Track()
        """What is said in bursts waits for nothing that was said before."""
        self._looked_at = self._scene_at = 0.0
        self._seen: list[WireClient] = []
        self._slow: list[str] = []
        distinct = max(min(CAST, load.clients), load.clients // load.tabs)
        if getattr(crowd.wire, "users", None) is not None:  # of more, frames would not tell who is meant
            distinct = min(distinct, MANY)
        self.users = [f"u{number}" for number in range(distinct)]

    # -- the whole of it ------------------------------

    async def arrive(self, patience: float) -> None:
        """Everybody comes, and is there before anything is said, or has had the time."""
        for number in range(self.load.clients):
            self.crowd.arrive(self.users[number % len(self.users)])
            if number % ARRIVE_TOGETHER == ARRIVE_TOGETHER - 1:
                await anyio.sleep(0.01)
        with anyio.move_on_after(patience):
            while any(_coming(client) for client in list(self.crowd.clients.values())):
                await anyio.sleep(0.02)

    async def go_on(self, seconds: float) -> None:
        """Talk for so long."""
        crowd, load, random = self.crowd, self.load, self.random
        began = now = time.perf_counter()
        due = began
        while now < began + seconds:
            if due <= now:
                said = self._turn(due)
                due += max(said, 1) / load.rate
                if random.random() < max(said, 1) * load.churn / load.rate:
                    self._come_or_go()
                await anyio.lowlevel.checkpoint()
            else:
                ends = min(due, began + seconds, crowd.turn())
                await anyio.sleep(max(0.0, ends - time.perf_counter()))
            before, now = now, time.perf_counter()
            crowd.figures.seconds += now - before

    # -- what is said ------------------------------

    def _turn(self, due: float) -> int:
        """A scene begins, or several speak; gives how many things are said by it."""
        now = time.perf_counter()
        if self.programs and self.random.random() < SCENES and now - self._scene_at > 1 / MOST_SCENES:
            self._scene_at = now
            return self._scene(self.random.choice(self.programs))
        clients = self._there()
        speeches = self.vocabulary.speeches
        if not clients or not speeches:
            return 1
        slow = self._slow or self.users
        times = self.random.randint(1, self.load.burst)
        for _ in range(times):
            to = self.random.choice(self.random.choice((self.users, slow)))
            client = self.random.choice(clients)
            if _speaks(client):
                self._say(client, self.random.choice(speeches), to, due)
        return times

    def _there(self) -> list[WireClient]:
        """The clients that stay, and were there a moment ago."""
        now = time.perf_counter()
        if now - self._looked_at > LOOK:
            self._looked_at = now
            self._seen = [client for client, _ in self.crowd.open_links() if _stays(client)]
            self._slow = [client.login.user for client in self._seen if client.link.stalled]
        return self._seen

    def _say(self, client: WireClient, speech: Speech, to: str, due: float) -> None:
        login = client.login
        room = self.random.choice(self.vocabulary.rooms)
        if isinstance(speech, Own):
            user = to if speech.audience in FOR_A_USER or speech.about else None
            own_room = room if speech.audience in FOR_A_ROOM or speech.removes else None
            op = Operation("act", login.connection, login.user, user, room=own_room, name=speech.name)
        else:
            user = {"emit": to, "run_agent": login.user}.get(speech)
            op = Operation(speech, login.connection, login.user, user, room=room if speech == "emit_to_room" else None)
        self.crowd.do(op, self._aside, due)

    # -- who is there ------------------------------

    def _come_or_go(self) -> None:
        """Somebody leaves and is back soon, or stops reading for a while; more often where others do not read."""
        clients = self._there()
        if not clients:
            return
        slow = set(self._slow)
        near = [client for client in clients if client.login.user in slow and not client.link.stalled]
        client = self.random.choice(self.random.choice((clients, near or clients)))
        if client.gone or client.hung_up:
            return
        kind: Kind = self.random.choice(("disconnect", "abort", "stall", "stall"))
        name, user = client.login.connection, client.login.user
        if kind == "stall":
            if not client.link.stalled:
                self.crowd.do(Operation(kind, name, seconds=self.random.choice(STALLS)), client.lane)
            return
        self.crowd.do(Operation(kind, name), client.lane)
        self.crowd.later(self.random.choice(AWAY), self.crowd.arrive, user)

    # -- scenes ------------------------------

    def _scene(self, program: Program) -> int:
        """Play a program with users of the crowd; gives how many things are said in it."""
        cast = self.random.sample(self.users, min(CAST, len(self.users)))
        users = {f"u{number}": cast[number % len(cast)] for number in range(CAST)}
        operations = tuple(recast(program, users, self.crowd.name))
        self._stage(operations, iter(Program(operations).stages), {})
        return sum(op.kind in (*SPEAKING, "act") for op in operations)

    def _stage(self, operations: Sequence[Operation], stages: Iterator[Stage], tracks: dict[str, Track]) -> None:
        """Begin what is written up to the next barrier, each lane for itself; or see everybody off."""
        if self.crowd.ending:
            return
        lanes, barrier = next(stages)
        for lane, numbers in lanes:
            track = tracks.setdefault(lane, Track())
            track.operations.extend(operations[number] for number in numbers)
            self.crowd.offer(track)
        if barrier is not None:
            self.crowd.later(BARRIER, self._stage, operations, stages, tracks)
        else:
            names = [op.connection for op in operations if op.kind == "connect" and op.connection is not None]
            self.crowd.later(LINGER * self.random.random(), self._see_off, names)

    def _see_off(self, names: Sequence[str]) -> None:
        for name in names:
            client = self.crowd.clients.get(name)
            if client is not None and not client.gone and not client.hung_up and not self.crowd.ending:
                self.crowd.do(Operation("disconnect", name), client.lane)


def _coming(client: WireClient) -> bool:
    return isinstance(client.link, SocketLink) and client.link.state in ("new", "dialling", "shaking")


def _stays(client: WireClient) -> bool:
    return isinstance(client.lane, Track) and client.lane.stays


def _speaks(client: WireClient) -> bool:
    return not (client.gone or client.hung_up or client.link.stalled)
