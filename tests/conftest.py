"""What tests share: one worker for each standing target."""

from __future__ import annotations

import gc
import signal
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

from .small import start_small

settings.register_profile("tests", database=None)
settings.load_profile("tests")
"""What an earlier run stored would decide the outcome of this one."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that runs something in the background has it so
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def remember_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests name on command lines is not remembered as the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


COLLECTED: set[str] = set()
"""The modules that were there before the first test."""


HELD = [0]
"""How many objects there were when garbage was collected last."""

MORE = 1.3
"""How many times as many there may be until it is collected again; the collector itself waits for far more."""

FORKING = ("tests.test_supervised", "tests.test_rounds")
"""Modules whose tests fork processes: the less there is in this one by then, the less each has to look through."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    start_small()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: getattr(getattr(item, "module", None), "__name__", "") not in FORKING)


def pytest_collection_finish() -> None:
    COLLECTED.update(sys.modules)


@pytest.fixture(scope="module", autouse=True)
def leave_nothing_behind() -> Iterator[None]:
    """Forget what a module's tests wrote and imported, and collect what is garbage.

    Whatever the process holds of the project under test is looked at in each execution of a later test: of the many
    applications in this package it would be all that were taken up so far.  And what a library says when its objects
    are collected is not to be said in one.
    """
    yield
    dropped = False
    written, checkout = Path(tempfile.gettempdir()), Path(__file__).parents[1]
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        elsewhere = isinstance(file, str) and written in Path(file).parents and checkout not in Path(file).parents
        if elsewhere or (name not in COLLECTED and name.startswith(("tests.", "examples."))):
            del sys.modules[name]
            dropped = True
            package, _, short = name.rpartition(".")
            if getattr(sys.modules.get(package), short, None) is module:
                delattr(sys.modules[package], short)
    if not dropped and len(gc.get_objects()) < HELD[0] * MORE:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
    HELD[0] = len(gc.get_objects())


@pytest.fixture(scope="session")
def worker_of() -> Callable[[str], Worker]:
    """A worker for a standing target, by name."""

    @cache
    def make(name: str) -> Worker:
        return Worker(TARGETS[name])

    return make
