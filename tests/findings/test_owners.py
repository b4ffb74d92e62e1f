"""An attribute of one object is not shared with the attribute of that name of another."""

from __future__ import annotations

import pytest

from crosswire.fuzzer import Adapter, Client, Event
from crosswire.fuzzer.core.program import Operation, Program
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes.trace import Trace, traced
from crosswire.fuzzer.findings.causes.windows import not_in
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.adapter import Target


class Session:
    """Welcomes who comes."""

    async def welcome(self, client: Client) -> None:
        """Say who it is, twice."""
        self.name = client.user
        await client.websocket.send_json({"first": self.name})
        await client.websocket.send_json({"then": self.name})


class Apart(Adapter):
    """Each client has a session of its own."""

    async def connect(self, client: Client) -> None:
        await Session().welcome(client)

    async def disconnect(self, client: Client) -> None: ...

    async def emit(self, event: Event) -> None: ...


class Together(Apart):
    """All have one."""

    def __init__(self) -> None:
        self.session = Session()

    async def connect(self, client: Client) -> None:
        await self.session.welcome(client)


COME = Program(tuple(Operation("connect", f"c{number}", f"u{number}") for number in range(3)))


@pytest.mark.parametrize(("made", "shares"), [(Apart, False), (Together, True)])
def test_what_is_anothers_own_is_not_shared(made: type[Adapter], shares: bool) -> None:
    worker = Worker(Target(made.__name__, made, made))
    shared: set[str] = set()
    with worker.session():
        for seed in range(20):
            execution, trace = traced(worker, COME, RandomWalk(seed), objects=True)
            shared |= {window.shared for window in not_in(trace, Trace(), len(execution.history))}
    assert ("name" in shared) is shares
