"""The snippets of docs/wires.md work: each wire logs in to a relay that takes tokens anywhere, sends, and reads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.campaigns.preflight import preflight
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.targets import JsonWire, Wire, application
from crosswire.fuzzer.targets.applications import WIRES

from .applications import shop

PAGE = (Path(__file__).parent.parent / "docs" / "wires.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def wires() -> dict[str, Wire]:
    """What each snippet calls its wire, in the order of the page; later snippets know what earlier ones imported."""
    known: dict[str, Any] = {}
    found = {}
    for number, snippet in enumerate(SNIPPETS):
        exec(compile(snippet, f"wires.md, snippet {number}", "exec"), known)
        name = re.findall(r"^(\w+) = ", snippet, re.MULTILINE)[-1]
        found[name if name != "wire" else f"snippet {number}"] = known.pop(name)
    return found


ALL = wires()


@pytest.mark.parametrize("name", [name for name, wire in ALL.items() if not wire.describe().startswith("Socket.IO")])
def test_a_wire_of_the_page_speaks_to_a_server(name: str) -> None:
    wire = ALL[name]
    if isinstance(wire, JsonWire) and wire.users is not None:
        target = application("tests.applications.shop:numbered", wire=wire)
    elif name == "games":
        target = application("tests.silent.servers.fastapi_matches:app", wire=wire)
    elif wire.before is not None or (isinstance(wire, JsonWire) and wire.token is not None):
        target = application("tests.applications.shop:app", wire=wire, prepare=shop.fill)
    else:
        target = application("tests.applications.logins:handler", wire=wire)
    worker = Worker(target)
    with worker.session():
        assert preflight(worker) is None


def test_the_page_has_the_wire_of_a_socketio_application() -> None:
    worker = Worker(application("tests.applications.rooms:app", wire=ALL["rooms"]))
    with worker.session():
        assert preflight(worker) is None


def test_the_page_has_the_wire_of_rooms_that_are_joined_by_events() -> None:
    """One that the events of its page make: whoever speaks is heard by who is in the room."""
    tally = Campaign(application("tests.applications.channels:app", wire=ALL["channels"]), Plan(executions=40)).run()
    assert not tally.found
    assert tally.exercised["no loss"]


def test_the_page_has_the_wire_of_rooms_that_the_server_chooses() -> None:
    target = application("tests.silent.servers.fastapi_matches:app", wire=ALL["games"])
    tally = Campaign(target, Plan(executions=40)).run()
    assert not tally.found
    assert tally.exercised["no loss"]


def test_the_page_names_every_ready_made_wire() -> None:
    assert set(
        re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Ready-made")[2].partition("\n## ")[0], re.MULTILINE)
    ) == set(WIRES)


@pytest.mark.parametrize("name", ["JsonWire", "SocketIOWire", "application"])
def test_a_module_of_wires_can_be_imported_first(name: str) -> None:
    subprocess.run([sys.executable, "-c", f"from crosswire.fuzzer.targets import {name}"], check=True)
