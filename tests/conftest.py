"""What tests share: one worker for each standing target."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import settings

from crosswire.fuzzer.engine.execution import Worker
from crosswire.models.managers.targets import TARGETS

settings.register_profile("tests", database=None)
settings.load_profile("tests")
"""What an earlier run stored would decide the outcome of this one."""


@pytest.fixture(scope="session")
def worker_of() -> Callable[[str], Worker]:
    """A worker for a standing target, by name."""

    @cache
    def make(name: str) -> Worker:
        return Worker(TARGETS[name])

    return make
