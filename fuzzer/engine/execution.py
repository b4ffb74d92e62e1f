"""One execution: a target, a program and a chooser in; a history out.  The same three give the same history."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from time import process_time
from types import FrameType
from typing import Any

from ..core.handshake import Sent
from ..core.history import History, Row
from ..core.program import Program
from ..core.stacks import Place, innermost
from ..drivers import Driver, Remarks, TargetError, driver_for
from ..targets.adapter import Target
from ..world import Chooser, DrivenWorld, Interrupted, TargetBlockedError, WorldLoop
from ..world.backlog import sends_that_wait
from ..world.databases import databases_apart
from ..world.identity import importing_with_care, number_loaded
from ..world.outer import Outer
from ..world.stock import StockLoop
from .alone import CAN_FORK, TICK, Alone, AloneError
from .difference import difference
from .interpreter import Interpreter
from .models import configure_models
from .schedule import Recorded, Schedule, Visible

__all__ = ("Execution", "TargetError", "Worker")

set_handler, get_handler = signal.signal, signal.getsignal
set_timer: Any = getattr(signal, "setitimer", None)
"""As they were before a target could put anything in their place."""

MANAGERS, APPLICATIONS = 50, 20
"""Executions after which a target's garbage is collected: before it has left the processor's caches, which halves the
time that takes.  An application's modules are large and full of cycles."""

THOROUGH = 40
"""Of so many collections one looks at all objects, the others at those made lately."""

PATIENCE = 5.0
"""Seconds of processor time after which an execution that has not given the thread back is broken off."""

AGAIN = 1.0
"""The same for a worker that had one broken off: each that is costs as much.  What looks new then is looked at with all
the patience there is."""

SAMPLE = 300
"""Of so many executions one is compared with what it shows in a process of its own."""

RELIEF = 3
"""How often an execution that keeps the thread for so long lets another go on, which it may wait for."""

WAITING = 30.0
"""Real seconds without any processor time used after which it is: it waits for what no other thread can bring."""

WAITING_FOR_KERNELS = 60.0
"""The same on the stock loop, over real sockets."""


@dataclass(frozen=True)
class Blocked:
    """The target kept the thread: where, and for how long; ``waiting`` where it did nothing meanwhile."""

    place: Place
    seconds: float
    waiting: bool


@dataclass(frozen=True)
class Execution:
    """What one execution left: the history, the schedule it followed, and the order in which events became visible.

    ``blocked`` says that it was broken off there, since the target would not give the thread back.
    """

    program: Program
    schedule: Schedule
    history: History
    visible: tuple[Visible, ...]
    blocked: Blocked | None = None


def world_for(target: Target) -> DrivenWorld:
    """Make the world that a target's tasks are to run in; raises `UnfitTrioError` where trio's cannot be had."""
    if target.backend == "trio":
        from ..world.trio_world import make  # loaded where it is wanted

        return make()
    return WorldLoop()


class Worker:
    """Runs executions of one target on one loop, one after the other; by default in a world of its own.

    ``patience`` is for how many seconds of processor time an execution may keep the thread.
    """

    def __init__(
        self,
        target: Target,
        loop: DrivenWorld | None = None,
        patience: float = PATIENCE,
        drive: Callable[[Target, Program, Any], Driver] = driver_for,
    ) -> None:
        self.target = target
        self.drive = drive
        self.loop = loop if loop is not None else world_for(target)
        self.executions = 0
        self.patience = self.longest_patience = patience
        self._before: Program | None = None
        self.blocked: TargetBlockedError | None = None
        self.frames: list[Sent] = []
        """What clients received in the last execution, as it was sent."""
        self.remarks = Remarks()
        """What was said on the side in the last execution that was not in a process of its own."""
        self.avoided: Set[Program] = frozenset()
        """Programs that nobody should write again: they are known to end the process."""
        self.rows: list[Row] = []
        """The history of the execution that is under way, or of the last."""
        self._began = False
        self.interrupted = False
        self._alone: Alone[tuple[Execution, list[Sent]]] | None = None
        self.samples = False
        """Whether every so many executions one is compared with what it shows in a process of its own."""

    @contextmanager
    def session(self) -> Iterator[Worker]:
        """Hold the clocks and the collector for many executions; otherwise each execution takes and returns them."""
        enabled = gc.isenabled()
        if enabled:
            number_loaded()
        gc.disable()  # destructors that run at the collector's whim would make histories differ
        gc.freeze()  # what there is already is not garbage, and need not be looked at again
        self._began = False
        try:
            with self.loop.entropy, self._watched(), sends_that_wait(), importing_with_care():
                with self.target.state.set_up():
                    configure_models()
                    yield self
        finally:
            self.loop.rest()
            self.target.state.end()
            if not self.samples:  # else one from before all executions is to be had as long as there are any
                self.close()
            gc.unfreeze()
            if enabled:
                gc.enable()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Break an execution off that keeps this thread for too long, and tell Ctrl-C from what a target raises.

        Processor time is what counts: on a machine that is busy with other things nothing takes longer by it.  By
        signals, so only on the main thread of systems that have them.
        """
        if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
            yield
            return
        longest = WAITING_FOR_KERNELS if isinstance(self.loop, StockLoop) else WAITING
        seen, began, used, still, broken, relieved = -1, 0.0, 0.0, 0, -1, 0

        def tick(number: int, frame: FrameType | None) -> None:
            nonlocal seen, began, used, still, broken, relieved
            now = process_time()
            if not self.loop.is_running() or seen != self.executions:
                seen, began, used, still, relieved = self.executions, now, now, 0, 0
                return
            still = still + 1 if now - used < TICK / 50 else 0
            used = now
            patience, waits = (
                (self.patience, longest) if broken != self.executions else (min(self.patience, TICK), TICK)
            )
            if now - began >= patience or still * TICK >= waits:
                waiting = now - began < patience
                if not waiting and relieved < RELIEF and isinstance(self.loop, Outer) and self.loop.lockstep.preempt():
                    began, relieved = process_time(), relieved + 1
                    return
                seen, broken = -1, self.executions
                if self.blocked is None:
                    self.blocked = TargetBlockedError(innermost(frame), longest if waiting else self.patience, waiting)
                if not isinstance(self.loop, StockLoop):
                    self.loop.stop()  # asyncio keeps what a task raised in the task, and would go on with the next one
                raise self.blocked

        def interrupt(number: int, frame: FrameType | None) -> None:
            self.interrupted = True
            raise Interrupted

        by_hand = get_handler(signal.SIGINT) is signal.default_int_handler
        if by_hand:
            set_handler(signal.SIGINT, interrupt)
        before = set_handler(signal.SIGALRM, tick)
        timer = set_timer(signal.ITIMER_REAL, TICK, TICK)
        entered = time.perf_counter()
        try:
            yield
        finally:
            set_timer(signal.ITIMER_REAL, 0.0)
            set_handler(signal.SIGALRM, before)
            if by_hand:
                set_handler(signal.SIGINT, signal.default_int_handler)
            if timer[0]:  # somebody else's alarm, a test runner's time limit say: let it go on
                left = max(timer[0] - (time.perf_counter() - entered), 0.001)
                set_timer(signal.ITIMER_REAL, left, timer[1])

    def run(self, program: Program, chooser: Chooser) -> Execution:
        """Execute, and put back what that changed; raises `TargetError` where the target's own making is at fault."""
        state = self.target.state
        with self.session() if gc.isenabled() else nullcontext():
            if state.way == "process" and CAN_FORK and not isinstance(self.loop, StockLoop):
                return self.alone(program, chooser)
            self.begin()
            try:
                execution = self.execute(program, chooser)
            finally:
                self.collect()
                state.put_back()
            if self.samples and not self.executions % SAMPLE:
                self._compare(execution)
            return execution

    def begin(self) -> None:
        """Within a session: take what there is now for what each execution is to find, unless that was done."""
        if not self._began:
            self.target.state.begin(self.target.create)
            self._began = True

    def alone(self, program: Program, chooser: Chooser) -> Execution:
        """Execute, within a session, in a process of its own; raises `TargetError`.

        All of them begin with the state there was at the first call, or at that of `stand_by`.
        """
        self.stand_by()
        assert self._alone is not None
        try:
            execution, self.frames = self._alone.run(program, chooser)
        except AloneError as error:
            if error.code is not None:
                self.lost(error.code)
            raise TargetError(str(error)) from None
        return execution

    def _perform(self, program: Program, chooser: Chooser) -> tuple[Execution, list[Sent]]:
        return self.execute(program, chooser), self.frames

    def stand_by(self) -> None:
        """Within a session: fork the process that executions alone are forked from, unless there is one."""
        if self._alone is None:
            self._alone = Alone(self._perform)

    def close(self) -> None:
        """End the process that executions alone are forked from."""
        if self._alone is not None:
            self._alone.close()
            self._alone = None

    def _compare(self, execution: Execution) -> None:
        """See whether an execution shows the same in a process of its own; where not, each gets one from now on."""
        frames = self.frames
        schedule = Recorded(execution.schedule)
        with suppress(TargetError):
            first = self.alone(execution.program, schedule).history, self.frames
            operations = execution.program.expanded
            found = difference((execution.history, frames), first, operations)
            if found is not None:
                second = self.alone(execution.program, Recorded(execution.schedule)).history, self.frames
                by_itself = difference(first, second, operations)
                self.target.state.differed(self.executions, found, by_itself=by_itself)
        self.frames = frames

    def execute(self, program: Program, chooser: Chooser) -> Execution:
        """Execute, within a session, and leave what that changed as it is; raises `TargetError`."""
        loop, interpreter = self.loop, Interpreter()
        loop.discard()
        loop.chooser = chooser
        run = self.drive(self.target, program, loop)
        self.frames, self.rows, self.remarks = run.frames, run.history, run.remarks
        loop.idle = run.when_idle
        loop.clock_hook = run.clock_moves
        loop.over = run.over
        with run.around(), databases_apart():
            try:
                loop.run_world(run.context, run.begin)
                if self.blocked is not None:  # and the target swallowed it
                    raise self.blocked
                if self.interrupted:
                    raise Interrupted
                run.end()
                return Execution(program, Schedule(tuple(loop.deviations)), tuple(run.history), tuple(loop.visible))
            except TargetBlockedError as error:
                self.blocked = None
                self.patience = min(self.patience, AGAIN)
                kept = Blocked(error.where, error.seconds, error.waiting)
                decided = Schedule(tuple(loop.deviations)), tuple(run.history), tuple(loop.visible)
                return Execution(program, *decided, blocked=kept)
            except Interrupted:
                self.interrupted = False
                raise
            except TargetError as error:
                if not self.executions or run.started:
                    raise
                last = ", ".join(map(str, self._before.operations)) if self._before is not None else ""
                raise TargetError(
                    f"{error}; before it, {self.executions:,} went well, the last with: {last}"
                ) from error
            finally:
                interpreter.put_back()
                self._before = program
                loop.reset()
                run.release()
                self.executions += 1

    def collect(self) -> None:
        """Collect garbage where it is time to: what its destructors write is put back with the rest."""
        times, due = divmod(self.executions, APPLICATIONS if self.target.traits.by_wire else MANAGERS)
        if not due:
            gc.collect(1 if times % THOROUGH else 2)

    def alive(self) -> None:
        """Say that things go on where no execution does; for those who watch a worker from outside."""

    def lost(self, code: int) -> None:
        """Hear that an execution ended its own process, with this exit code, or by a signal (its number below zero)."""

    def replay(self, program: Program, schedule: Schedule) -> Execution:
        """Execute with a recorded schedule."""
        return self.run(program, Recorded(schedule))
