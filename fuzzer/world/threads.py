"""Worker threads of anyio, inside a world: ``anyio.to_thread.run_sync`` as the loop's executor.

Starlette and FastAPI run every plain function that way: dependencies, endpoints, background tasks.  anyio starts
threads of its own, which a world has none of; here the function runs at once, and that it is done is an external event,
as with ``loop.run_in_executor``.  Limiter, cancellation and context are anyio's (``run_sync_in_worker_thread`` of its
asyncio backend, since 4.0).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from .interface import World

__all__ = ("gate_worker_threads",)

MARK = "_crosswire_gated"


def gate_worker_threads(here: Callable[[], World | None]) -> None:
    """Put the gated method in place where anyio is loaded; outside a world it only passes through."""
    if "anyio" not in sys.modules:
        return
    backend = importlib.import_module("anyio._backends._asyncio").AsyncIOBackend
    real = backend.run_sync_in_worker_thread
    if not hasattr(real, MARK):
        backend.run_sync_in_worker_thread = classmethod(_gated(real, here))


def _gated(real: Callable[..., Any], here: Callable[[], World | None]) -> Callable[..., Any]:
    from anyio import CancelScope
    from anyio.lowlevel import checkpoint
    from anyio.to_thread import current_default_thread_limiter

    async def run_sync_in_worker_thread(
        cls: type, func: Callable[..., Any], args: tuple[Any, ...], abandon_on_cancel: bool = False, limiter: Any = None
    ) -> Any:
        world = here()
        if world is None:
            return await real(func, args, abandon_on_cancel, limiter)
        await checkpoint()
        async with limiter or current_default_thread_limiter():
            with CancelScope(shield=not abandon_on_cancel):
                return await world.run_in_executor(None, partial(copy_context().run, func, *args))

    setattr(run_sync_in_worker_thread, MARK, True)
    return run_sync_in_worker_thread
