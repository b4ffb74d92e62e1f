"""The pytest plugin: counterexample files are tests, and fuzz tests take their options from pytest's command line.

It is on wherever Crosswire is installed (``-p no:crosswire`` turns it off), so it imports nothing of Crosswire before a
test of its own runs.  Collecting a counterexample reads nothing of it but its name; running one imports and runs the
target that it names, where that is the suite's own, as any test does with what it imports, or somebody has named it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .fuzztest import Options

__all__ = ("SUFFIX", "pytest_addoption", "pytest_collect_file", "pytest_pyfunc_call")

SUFFIX = ".crosswire.json"
"""How the names of counterexamples end that are tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crosswire", "Crosswire: concurrency of WebSocket servers")
    group.addoption(
        "--crosswire-budget", metavar="TIME", help="how long each fuzz test fuzzes (20s, 5m), whatever it says itself"
    )
    group.addoption("--crosswire-seed", type=int, metavar="N", help="the seed of all fuzz tests")
    group.addoption(
        "--crosswire-replay",
        metavar="FILE",
        help="fuzz tests only replay this counterexample, those of other targets are skipped",
    )
    group.addoption(
        "--crosswire-trust",
        action="store_true",
        help="counterexamples may run targets from outside the suite that nobody has named here",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CounterexampleFile | None:
    if not file_path.name.endswith(SUFFIX):
        return None
    return CounterexampleFile.from_parent(parent, path=file_path)


class CounterexampleFile(pytest.File):
    """A counterexample that somebody keeps as a test."""

    def collect(self) -> Iterator[CounterexampleItem]:
        yield CounterexampleItem.from_parent(self, name="replay")


class CounterexampleItem(pytest.Item):
    """Fails while the counterexample still shows its violation."""

    def runtest(self) -> None:
        from .fuzztest import check_file

        _told(check_file, self.path, _options(self))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Call a fuzz test with what the command line says; other tests are none of ours."""
    run = getattr(pyfuncitem.obj, "__crosswire__", None)
    if run is None:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    owner = getattr(pyfuncitem.obj, "__self__", None)
    _told(run, () if owner is None else (owner,), arguments, _options(pyfuncitem))
    return True


def _told(function: Any, *arguments: object) -> None:
    """Call what tests; what it has to tell is a failure without a traceback through what found it."""
    __tracebackhide__ = True
    from .core.errors import CrosswireError
    from .fuzztest import Elsewhere
    from .testcase import ViolationFound

    try:
        function(*arguments)
    except ViolationFound as violation:
        told = str(violation)
    except CrosswireError as error:
        told = f"crosswire: {error}"
    except Elsewhere as other:
        pytest.skip(str(other))
    else:
        return
    pytest.fail(told, pytrace=False)


def _options(item: pytest.Item) -> Options:
    from .fuzztest import Options

    config = item.config
    replay = config.getoption("crosswire_replay")
    return Options(
        budget=config.getoption("crosswire_budget"),
        seed=config.getoption("crosswire_seed"),
        replay=config.invocation_params.dir / replay if replay is not None else None,
        trusting=config.getoption("crosswire_trust"),
        root=config.rootpath,
        here=config.invocation_params.dir,
        test=item.nodeid,
    )
