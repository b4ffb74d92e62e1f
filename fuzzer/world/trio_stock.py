"""Stock trio, ``trio.run``, with a gate in front of everything that comes from outside.

Two public hooks are where the gate is.  trio asks its clock how long to sleep exactly when no task can run: there the
next external event becomes visible, or virtual time passes.  An instrument is told of every boundary between two
batches: there an event may become visible while tasks can run.  trio's scheduler, its selector, its
sets and heaps are its own; given are the coin by which it turns batches round, and what its own thread wakes it by.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any, cast

from ..core.stacks import unwrapped
from .entropy import real_clock
from .errors import Interrupted, TargetBlockedError
from .loop import MAX_ITERATIONS
from .trio_private import Given, begin, trio
from .trio_run import FOREVER, STEPS, this_run
from .trio_world import TrioWorld

__all__ = ("StockTrio", "make_stock")


class _Gate(trio.abc.Clock, trio.abc.Instrument):  # type: ignore[misc]
    def __init__(self, world: StockTrio) -> None:
        self._world = world

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        self._world.give_up()
        return self._world.time()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return self._world.nothing_ready(deadline)

    def before_io_wait(self, timeout: float) -> None:
        self._world.boundary()


def make_stock() -> StockTrio:
    """Make stock trio, gated; raises `UnfitTrioError`."""
    world: StockTrio = cast(Any, StockTrio)()
    return world


class StockTrio(TrioWorld):
    """Runs executions on stock trio, each by a `trio.run` of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.until = float("inf")
        """When to give up, by the real clock (`entropy.real_clock`)."""
        self.out_of_time = False
        self.settling = 0.0  # no kernel is in between
        self.backlogs: frozenset[str] = frozenset()
        self.backlog: dict[str, int] = {}
        self._given = Given(self._turned)
        self._boundaries = 0
        self._decided = self._ended = False

    # -- where the outside comes in ------------------------------

    def nothing_ready(self, deadline: float) -> float:
        """No task can run: decide what becomes visible, or that time passes; gives how many seconds to sleep."""
        run = self._run
        if run is None:  # trio is starting
            return 0.0
        if not self._running:
            self._boundaries += STEPS  # what is left are tasks that were cancelled, and wait nevertheless
            return 0.0
        if run.runner.waiting_for_idle:
            return FOREVER
        self._decided = True
        self._take_decisions()
        return 0.0

    def boundary(self) -> None:
        """Tasks can run: decide what becomes visible before they do."""
        if not self._decided and self._running and self._run is not None and self._run.runner.runq:
            self._take_decisions()
        self._decided = False

    def _take_decisions(self) -> None:
        self._boundaries += 1
        self.spinning = self._boundaries > MAX_ITERATIONS + self.granted
        self.out_of_time = real_clock() > self.until
        assert self._run is not None
        if self.spinning or self.out_of_time or self._stopping or not self._decide(self._run):
            self._running, self._ended, self._boundaries = False, True, 0
            self.over()
            self._nursery.cancel_scope.cancel()

    def give_up(self) -> None:
        """The execution is over: tasks that have not ended by now are shielded, or will not; raises to end the run."""
        if self._ended and self._run is not None:
            self._boundaries += 1
            if self._boundaries > 2 * STEPS:
                raise RuntimeError("tasks that were cancelled go on")
            if self._boundaries > STEPS:
                self._run.uncover()

    # -- running ------------------------------

    async def _main(self, context: Context, first: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._run = this_run()
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._park)
            await trio.lowlevel.checkpoint()  # until it is parked
            while not self._parked:
                await trio.lowlevel.checkpoint()
            self._running = True
            context.run(first, *args)
            await trio.sleep_forever()

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen any more."""
        gate = _Gate(self)
        self._parked = None
        self.entropy.enter()
        with self._given:
            begin()
            try:
                trio.run(self._main, context, first, args, clock=gate, instruments=[gate])
            except trio.TrioInternalError as error:
                if not self._ended:
                    self.unhandled.append(
                        {"message": "a system task failed", "exception": unwrapped(error.__cause__ or error)}
                    )
            except BaseException as error:
                if not isinstance(unwrapped(error), Interrupted | TargetBlockedError | Exception):
                    raise
            finally:
                self._running = False
                self.entropy.leave()
        if self._run is not None and self._run.runner.tasks:
            self._nursery = self._parked = None
            self._run.bury()

    def reset(self) -> None:
        self.lockstep.clear()
        self._run = self._nursery = self._parked = None
        self._boundaries = 0
        self._decided = self._ended = False
        self._clear()
