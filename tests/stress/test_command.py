"""``crosswire stress`` as it is typed: exit codes, one line for what cannot be, what it prints and leaves behind."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..command import crosswire
from .live import ROOT, chat, connections, free_port, listening, served

SHORT = ("--for", "1s", "--within", "1s", "--users", "20", "--rate", "200", "--seed", "1")


def typed(port: int, *options: str) -> tuple[str, ...]:
    return ("stress", f"ws://127.0.0.1:{port}/ws", "--wire", "examples.wires:websockets_chat", *SHORT, *options)


def test_a_leak_as_json_from_a_server_that_it_starts_itself(tmp_path: Path) -> None:
    port = free_port()
    start = shlex.join(chat("leak", port))
    done = crosswire(*typed(port, "--start", start, "--json", "--results", str(tmp_path)), cwd=ROOT, expect=1)
    data = json.loads(done.stdout)
    assert data["exit_code"] == 1
    leak = next(one for one in data["violations"] if one["violation"] == "CrossUserLeak")
    assert leak["grade"] == "certain" and leak["times"] >= 1 and leak["first_evidence_events"] >= 1
    assert 0 < data["delivery_ms"]["p50"] <= data["delivery_ms"]["p99"] <= data["delivery_ms"]["max"]
    assert data["heard"] > data["said"] / 4 and data["connects"] >= 20 and "loss" in data["never_judged"]
    with gzip.open(data["histories"][0], "rt", encoding="utf-8") as file:
        saved = json.load(file)
    evidence = [saved["history"][row] for row in saved["violations"][0]["evidence"]]
    assert evidence[-1][1] == "received"
    assert not listening(port), "the server is ended with the round"
    assert "round 1:" in done.stderr


def test_ctrl_c_closes_connections_and_keeps_the_history(tmp_path: Path) -> None:
    port = free_port()
    with served(chat("leak_repaired", port), port):
        command = [sys.executable, "-m", "crosswire.fuzzer", *typed(port, "--results", str(tmp_path))]
        command[command.index("--for") + 1] = "600s"
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        process = subprocess.Popen(
            [*command, "--round", "600s"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        ends = time.monotonic() + 60
        while not connections(port) and time.monotonic() < ends:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        assert not connections(port)
    assert b"heard" in out
    assert list((tmp_path / "stress").glob("*.json.gz"))


def test_a_server_that_does_not_understand_is_no_success(tmp_path: Path) -> None:
    port = free_port()
    with served(chat("deaf", port), port):
        done = crosswire(*typed(port, "--results", str(tmp_path)), cwd=ROOT, expect=2)
    assert "nothing was heard" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ws://127.0.0.1:{free}/ws",), "nothing listens at 127.0.0.1:{free}"),
        (("http://127.0.0.1:{free}/",), "name a server as ws://"),
        (("wss://127.0.0.1:{free}/",), "behind TLS"),
        (("ws://0.0.0.0:{free}/",), "is where servers listen"),
        (("ws://127.0.0.1:99999/",), "is no URL"),
        (("ws://nowhere.invalid:{free}/",), "is not known"),
        (("ws://192.0.2.1:{free}/",), "--allow-remote 192.0.2.1"),
        (("ws://192.0.2.1:{free}/", "--allow-remote", "192.0.2.2"), "--allow-remote 192.0.2.1"),
        (("ws://192.0.2.1:{free}/", "--allow-remote", "192.0.2.1", "--users", "101"), "100 users"),
        (("ws://127.0.0.1:{free}/", "--wire", "nothing:here"), "nothing"),
        (("ws://127.0.0.1:{free}/chat", "--wire", "examples.wires:websockets_chat"), "leave one of them out"),
        (("ws://127.0.0.1:{free}/", "--for", "soon"), "is not understood"),
        (("ws://127.0.0.1:{free}/", "--policy", "examples.wires:agent"), "no Policy"),
        (("ws://127.0.0.1:{free}/", "--start", "false"), "ended with 1"),
        (("ws://127.0.0.1:{free}/", "--start", "no-such-program"), "No such file"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    port = str(free_port())
    said = [argument.replace("{free}", port) for argument in arguments]
    assert words.replace("{free}", port) in complaint(said)


def complaint(arguments: list[str]) -> str:
    """What the command says of arguments that make no sense, without a process of its own for each."""
    from crosswire.fuzzer.cli.main import app
    from crosswire.fuzzer.core.errors import CrosswireError

    with pytest.raises(CrosswireError) as caught:
        app(["stress", *arguments], standalone_mode=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_port_that_is_taken_is_not_what_start_starts(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert "already" in complaint([f"ws://127.0.0.1:{port}/", "--start", "sleep 5", "--results", str(tmp_path)])
