"""What is measured of stress itself: every client's messages come back, and a load that is held is judged."""

from __future__ import annotations

import ast
import sys

import pytest

from benchmarks.servers import free_port, running
from benchmarks.stress import SERVERS, command_of
from benchmarks.stress_cost import CLIENTS, client, held
from benchmarks.stress_peers import LOCUST, SAID


@pytest.mark.parametrize("name", CLIENTS)
def test_what_every_client_says_comes_back(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with running([sys.executable, "-m", "benchmarks.stress_cost", "--echo", "--port", str(port)], port):
        client(name, port, 5, 0.3)
    told = ast.literal_eval(capsys.readouterr().out)
    assert told["messages"] > 5 and told["processor"] > 0


def test_what_is_held_was_heard_and_judged() -> None:
    told = held(20, 200.0, 1.0)
    assert told.heard and told.judged and not told.found


def test_other_tools_are_told_the_same() -> None:
    script = ast.parse(LOCUST.format(port=1, said=SAID))
    assert any(isinstance(node, ast.Constant) and node.value == SAID for node in ast.walk(script))


def test_every_server_has_a_command_of_its_own() -> None:
    commands = {tuple(map(str, command_of(name, 1))) for name in SERVERS}
    assert len(commands) == len(SERVERS)
