"""Keeps what Hypothesis generates from depending on which modules happen to be imported, and its generator in sight.

Hypothesis now and then draws a constant that it found in the source of the modules loaded from the user's own code
(since 6.131).  The same seed would give other programs in a worker process, or after importing one more module.  There
is no setting for it, so this is the one place that reaches into Hypothesis; `tests/test_rounds.py` fails where a
release of Hypothesis makes it reach into nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from hypothesis.internal.conjecture import providers
from hypothesis.internal.entropy import deterministic_PRNG

__all__ = ("generator_registered", "no_local_constants")


@cache
def generator_registered() -> None:
    """Let Hypothesis register the generator of its own, once for the process.

    It does so when a test first runs, and warns where the collector does not find who holds the generator.  While a
    worker's session lasts, what there was before is frozen, and the collector does not look there.
    """
    frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    with deterministic_PRNG():
        pass
    if frozen:
        gc.freeze()


@contextmanager
def no_local_constants() -> Iterator[None]:
    """While it lasts, constants come from Hypothesis' own list only."""
    before = providers._get_local_constants
    nothing = type(providers.GLOBAL_CONSTANTS)()
    providers._get_local_constants = lambda: nothing
    providers.CONSTANTS_CACHE.cache.clear()
    try:
        yield
    finally:
        providers._get_local_constants = before
        providers.CONSTANTS_CACHE.cache.clear()
