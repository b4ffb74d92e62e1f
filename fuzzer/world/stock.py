"""Asyncio's own event loop, with a gate in front of everything that comes from outside.

`StockLoop` is `asyncio.SelectorEventLoop`: its ready queue, timers and transports.  What is ours sits where asyncio
lets one put it, in the selector: before every wait the gate decides which pending external event becomes visible, and
where nothing is left, the clock is moved rather than waited for.  Clients are at the far ends of real loopback sockets,
outside of the loop (`FarEnd`); servers are asyncio's own, on ports the kernel chose, and nothing of theirs is changed.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
import socket
from collections.abc import Callable, Container, Iterable, Mapping
from contextvars import Context, copy_context
from typing import Any, Protocol

from ..core.stacks import waits_at
from .entropy import WAYS_OUT, Entropy, real_clock
from .external import External, operation
from .identity import NumberedTask
from .kernel_sockets import KernelSockets, OwnListener
from .lockstep import Lockstep, member_here
from .network import Networked
from .outer import Outer, unheard
from .server import connection

__all__ = ("SETTLE", "FarEnd", "StockLoop")

MAX_BOUNDARIES = 40_000
"""Waits after which an execution counts as spinning; real sockets take more of them than connections in memory."""

SETTLE = 0.001
"""Real seconds to wait for the kernel to pass something on, after a client has done something to its socket.

Mostly there is nothing to pass on, or it is there at once: of a loopback interface the kernel hands it over as it is
sent.  Where the machine is so busy that it does so later, the order of events is not as it was to be.
"""


class Connected(Protocol):
    """A real socket outside of the loop."""

    address: tuple[str, int]
    backlog: int
    """The most bytes, made for the purpose, that have lain unread between the server and this end."""

    def served_by(self, transport: asyncio.Transport, sock: socket.socket) -> None:
        """Learn which transport is the server's end, and its socket."""

    def close(self) -> None:
        """Close it."""


class FarEnd(Protocol):
    """A client at the far end of a connection."""

    name: str
    taking: bool
    """Whether it is reading until the next message."""

    @property
    def end(self) -> Connected: ...

    def pump(self) -> bool:
        """Read and write what can be; gives whether the server's kernel may have news of it."""

    def settle(self) -> None:
        """The kernels have come to rest: what was to be read has been."""


class _Gate(selectors.BaseSelector):
    """The loop's selector: asks the loop what comes from outside, then looks at the real sockets."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: StockLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None or not loop.gated:
            return self._real.select(0)
        if real_clock() > loop.until:
            loop.out_of_time = True
            loop.stop()
            return []
        busy = timeout is not None and timeout <= 0
        loop.pump()
        if not busy:
            seen = self._real.select(loop.settling if loop.stirred else 0)
            loop.stirred = False
            loop.pump()
            if seen or loop.stirred:
                return seen  # the kernels are not done yet with what was visible before
            loop.settle()
        loop.boundary(busy, None if timeout is None else loop.time() + timeout)
        return self._real.select(loop.settling if loop.stirred else 0)


class StockLoop(KernelSockets, Outer, asyncio.SelectorEventLoop):  # type: ignore[misc]  # typeshed's signatures are longer
    """A stock loop whose outside is a world's; for one execution after the other, as `WorldLoop`."""

    ways_out = WAYS_OUT - {"socket.connect", "socket.bind", "socket.getaddrinfo"}

    def __init__(self) -> None:
        gate = _Gate()
        self.gated = False
        self.outer_clear()
        super().__init__(gate)
        self.kernel_sockets_clear()
        gate.loop = self
        self.lockstep = Lockstep(self)
        self.entropy = Entropy(self, self.lockstep)
        self.stirred = False
        self._deadline: float | None = None
        self._boundaries = 0
        self._ready_now = False
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._ends: list[FarEnd] = []
        """Clients that have connected; one who also asks over HTTP, several times."""
        self._outside: set[str | int] = set()
        """Their names."""
        self._real: list[asyncio.Server] = []
        self.activity = 0
        """Counts what might have made a server write."""
        self.backlogs: Container[str] = ()
        """The clients that have a backlog, as long as they read slowly or not at all; they are given one."""
        self.settling = SETTLE
        self.until = float("inf")
        """When to give up, by the real clock (`entropy.real_clock`)."""
        self.out_of_time = False
        self.backlog: dict[str, int] = {}
        """After an execution: the size in bytes of each backlog that a client was given."""
        self.idle = bool
        self.clock_hook = unheard

    # -- where the outside comes in ------------------------------

    def boundary(self, busy: bool, deadline: float | None) -> None:
        """Decide, before a wait: what becomes visible, or that time passes, or that nothing can ever happen again."""
        self._deadline, self._ready_now = deadline, busy
        self._boundaries += 1
        if self._boundaries > MAX_BOUNDARIES + self.granted:
            self.spinning = True
            self.stop()
            return
        self.lockstep.settle()
        if not busy:
            if self.pending:
                self._visible(self.last_visible, self._choose_idle(deadline))
            elif not self.idle():
                self.stop()
        if any(end.taking for end in self._ends):
            return  # what a client reads lets the server go on in several steps, and all of them are one event
        while self.pending and self._ready_now and self._visible(self.last_visible, self._choose_busy(self.pending)):
            pass
        while self._ready_now and self._be_busy(self._soonest()):
            pass
        self.lockstep.settle()

    def _visible(self, last_visible: float, event: External | None) -> bool:
        """Let the event that was chosen happen, if any; ``last_visible`` is when one was before it."""
        if event is None:
            return False
        frame = event.key[0] == "frame"
        self.activity += not frame
        if event.callback is not None and event.key[1:2] and event.key[1] in self._outside:
            if frame:
                self.last_visible = last_visible  # it may be a heartbeat; the client's end tells once it has read it
            event.context.run(event.callback, *event.args)  # outside the loop: the kernel tells it
            self.stirred = True
        else:
            self.enter(event)
        self._ready_now = True
        return True

    def enter(self, event: External) -> None:
        if event.callback is not None:
            self.call_soon(event.callback, *event.args, context=event.context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if member_here() is None:
            return super().call_soon_threadsafe(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self.lockstep.hand_over(_call, (handle,), copy_context())
        return handle

    def next_deadline(self) -> float | None:
        return self._deadline

    def _soonest(self) -> float | None:
        """The deadline of the next timer that is neither cancelled nor due, while callbacks are ready."""
        timers = self._timers
        while timers and (timers[0][2].cancelled() or timers[0][0] <= self._now):
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def call_at(  # type: ignore[override]  # typeshed has it longer
        self, when: float, callback: Callable[..., object], *args: Any, **options: Any
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, **options)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, timer))
        return timer

    def move_clock(self, to: float) -> None:
        self.activity += 1
        super().move_clock(to)

    def pump(self) -> None:
        """Let the clients read what has come."""
        for end in list(self._ends):
            if end.pump():
                self.stirred = True

    def settle(self) -> None:
        """Tell the clients that nothing moves any more."""
        for end in list(self._ends):
            end.settle()

    # -- servers and their clients ------------------------------

    def listening_at(self, port: int | None) -> tuple[str, int] | None:
        """Where the server really listens that was to listen on ``port``, or the first of all; None where none does."""
        within = self.listener(port)
        server = self._within.get(within.address[1]) if within is not None else None
        if server is None or not server.sockets:
            return None
        host, number = server.sockets[0].getsockname()[:2]
        return host, number

    def attach(self, end: FarEnd) -> None:
        """A client has connected."""
        self._ends.append(end)
        self._outside.add(end.name)

    def client_at(self, address: Any) -> FarEnd | None:
        """The client at an address, if one is, whose connection is accepted now."""
        end = next((end for end in reversed(self._ends) if end.end.address == address), None)
        if end is not None:
            connection.set(end.name)  # for the code that will serve it, which inherits the context
        return end

    def serving(self, name: str) -> bool:
        """Whether any code of the target's that serves a connection is still under way."""
        return any(
            label == name and not task.done() and waits_at(task, own=True) for task, label in self.labels.items()
        )

    # -- what the loop is asked for ------------------------------

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self.numbered:
            task: asyncio.Task[Any] = NumberedTask(coro, loop=self, **options)
            self.labels[task] = connection.get()
        else:
            task = super().create_task(coro, **options)
        self.tasks.append(task)
        self.started_by.append(operation.get())
        return task

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        if self.is_running():
            self.unhandled.append(context)

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        **options: Any,
    ) -> asyncio.Server:
        """A real server on a free port, and one in memory on the port asked for, for the target's own connections."""
        asked = self.asked.get(sock.fileno()) if sock is not None else None
        self.starting = True
        try:
            if asked is not None:
                self.accepting.pop(sock.fileno(), None)  # asyncio does that
                server = await asyncio.SelectorEventLoop.create_server(self, protocol_factory, sock=sock, **options)
                port = asked[1]
                self.listening(port, OwnListener(asked, sock))
            else:
                within = await Networked.create_server(self, protocol_factory, host, port, **options)
                options.pop("reuse_port", None)
                server = await asyncio.SelectorEventLoop.create_server(
                    self, protocol_factory, "127.0.0.1", 0, **options
                )
                port = within.address[1]
        finally:
            self.starting = False
        self._real.append(server)
        self._within[port] = server
        return server

    def network_clear(self) -> None:
        super().network_clear()
        self._within: dict[int, asyncio.Server | OwnListener] = {}

    def _make_socket_transport(self, sock: Any, *args: Any, **options: Any) -> Any:
        """asyncio's own way from an accepted socket to a transport: here a client learns which one is its."""
        end = self.client_at(sock.getpeername())
        transport = super()._make_socket_transport(sock, *args, **options)  # type: ignore[misc]
        if end is not None:
            end.end.served_by(transport, sock)
        return transport

    # -- running ------------------------------

    def run_world(self, context: Context, first: Callable[..., object], *args: Any) -> None:
        """Run ``first(*args)`` and all that follows from it in ``context``, until nothing can happen any more."""
        self.call_soon(first, *args, context=context)
        self.gated = True
        self.entropy.enter()
        try:
            self.run_forever()
        finally:
            self.entropy.leave()
            self.gated = False

    def reset(self) -> None:
        """Forget everything of the execution before."""
        self.backlog = {client.name: client.end.backlog for client in self._ends if client.end.backlog}
        for end in self._ends:
            end.end.close()
        self._ends.clear()
        self._outside.clear()
        self.lockstep.clear()
        self._drain(self.drivers + self.tasks)
        self.lockstep.clear()
        for server in self._real:
            server.close()
        self._real.clear()
        self.kernel_sockets_clear()
        self.run_until_complete(asyncio.sleep(0))
        self._drain(asyncio.all_tasks(self))
        self.outer_clear()
        self._boundaries = 0
        self._timers.clear()
        self.activity = 0
        self._deadline = None
        self.idle = bool
        self.clock_hook = unheard

    def _drain(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for _ in range(5):
            alive = [task for task in tasks if not task.done()]
            if not alive:
                break
            for task in alive:
                task.cancel()
            self.call_soon(self.stop, context=copy_context())
            self.run_forever()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()


def _call(handle: asyncio.Handle) -> None:
    """What a thread has handed over, unless it was cancelled since."""
    if not handle.cancelled():
        handle._run()
