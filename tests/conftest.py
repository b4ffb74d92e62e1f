"""What tests share: one worker for each standing target."""

from __future__ import annotations

import gc
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from crosswire.fuzzer.engine.execution import Worker
from crosswire.models.managers.targets import TARGETS

settings.register_profile("tests", database=None)
settings.load_profile("tests")
"""What an earlier run stored would decide the outcome of this one."""


@pytest.fixture(scope="session", autouse=True)
def remember_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests name on command lines is not remembered as the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module", autouse=True)
def leave_nothing_behind() -> Iterator[None]:
    """Forget what a module's tests wrote and imported, and collect what is garbage.

    Whatever the process holds is looked at before the executions of a later test; and what a library says when its
    objects are collected is not to be said in one.
    """
    yield
    written, checkout = Path(tempfile.gettempdir()), Path(__file__).parents[1]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and written in Path(file).parents and checkout not in Path(file).parents:
            del sys.modules[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="session")
def worker_of() -> Callable[[str], Worker]:
    """A worker for a standing target, by name."""

    @cache
    def make(name: str) -> Worker:
        return Worker(TARGETS[name])

    return make
