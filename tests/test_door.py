"""The public door: what a user imports, what stays importable, and what asking for help does not load."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import crosswire.fuzzer
from crosswire.fuzzer.core import choices
from crosswire.fuzzer.search import STRATEGIES
from crosswire.fuzzer.search.portfolio import PORTFOLIO
from crosswire.fuzzer.targets.applications import VIA, WIRES

from .command import crosswire as crosswire_command

HEAVY = ("hypothesis", "jinja2", "matplotlib", "msgspec", "numpy", "time_machine", "uvicorn", "websockets")


@pytest.mark.parametrize("name", crosswire.fuzzer.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(crosswire.fuzzer, name) is not None
    assert name in dir(crosswire.fuzzer)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Adaptor'"):
        _ = crosswire.fuzzer.Adaptor


@pytest.mark.parametrize(
    "name", ["Adapter", "Client", "Event", "JsonWire", "Limits", "ClientDisconnectedError", "application"]
)
def test_where_users_imported_from_before_still_works(name: str) -> None:
    assert getattr(import_module("crosswire.fuzzer.targets"), name) is getattr(crosswire.fuzzer, name)


def test_latency_is_where_it_was() -> None:
    assert import_module("crosswire.fuzzer.world").latency is crosswire.fuzzer.latency


@pytest.mark.parametrize("module", ["crosswire.fuzzer", "crosswire.fuzzer.__main__", "crosswire.fuzzer.cli.main"])
def test_what_is_heavy_is_loaded_when_it_is_needed(module: str) -> None:
    script = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_names_a_user_chooses_by_are_those_there_are() -> None:
    assert (*STRATEGIES, PORTFOLIO) == choices.STRATEGIES
    assert tuple(WIRES) == choices.WIRES
    assert tuple(VIA) == choices.VIA


def test_a_shell_is_told_what_could_come_next(tmp_path: Path) -> None:
    asked = {"_CROSSWIRE_COMPLETE": "complete_bash", "COMP_WORDS": "crosswire run --strat", "COMP_CWORD": "2"}
    done = crosswire_command(cwd=tmp_path, expect=0, **asked)
    assert (done.stdout.split(), done.stderr) == (["--strategy"], "")
    beside = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # which shell started the tests is nobody's affair
    done = crosswire_command("--show-completion", "bash", cwd=tmp_path, expect=0, **beside)
    assert "complete -o default -F _crosswire_completion crosswire" in done.stdout and not done.stderr
