"""``crosswire stress`` as it is typed: exit codes, one line for what cannot be, what it prints and leaves behind."""

from __future__ import annotations

import csv
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
from typing import Any

import pytest

from benchmarks.servers import HERE, connections, free_port, listening, running
from crosswire.fuzzer.cli.plotting import write_plots
from crosswire.fuzzer.cli.stored import export_tables
from crosswire.fuzzer.cli.trust import check_trust
from crosswire.fuzzer.reports.html import html_report
from crosswire.fuzzer.store import Store, StressRuns

from ..command import crosswire
from ..test_report import Tables
from .live import chat

SHORT = ("--for", "1s", "--within", "1s", "--users", "20", "--rate", "200", "--seed", "1")


def typed(port: int, *options: str) -> tuple[str, ...]:
    return ("stress", f"ws://127.0.0.1:{port}/ws", "--wire", "examples.wires:websockets_chat", *SHORT, *options)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The results of a run against a server with a leak that the command starts itself, and what it printed."""
    port, folder = free_port(), tmp_path_factory.mktemp("leaky")
    start = shlex.join(chat("leak", port))
    done = crosswire(*typed(port, "--start", start, "--json", "--results", str(folder)), cwd=HERE, expect=1)
    assert not listening(port), "the server is ended with the round"
    assert "round 1:" in done.stderr
    return folder, json.loads(done.stdout)


def test_a_leak_as_json_with_its_history(leaky: tuple[Path, Any]) -> None:
    _, data = leaky
    assert data["exit_code"] == 1
    leak = next(one for one in data["violations"] if one["violation"] == "CrossUserLeak")
    assert leak["grade"] == "certain" and leak["times"] >= 1 and leak["first_evidence_events"] >= 1
    assert 0 < data["delivery_ms"]["p50"] <= data["delivery_ms"]["p99"] <= data["delivery_ms"]["max"]
    assert data["heard"] > data["said"] / 4 and data["connects"] >= 20 and "loss" in data["never_judged"]
    with gzip.open(data["histories"][0], "rt", encoding="utf-8") as file:
        saved = json.load(file)
    evidence = [saved["history"][row] for row in saved["violations"][0]["evidence"]]
    assert evidence[-1][1] == "received"


def test_the_store_has_the_run(leaky: tuple[Path, Any]) -> None:
    folder, data = leaky
    with Store.open(folder, readonly=True) as store:
        runs = StressRuns(store)
        (row,) = runs.runs()
        intervals, failures, violations = runs.intervals(), runs.failures(row.id), runs.violations(row.id)
    assert (row.status, row.url, row.rounds) == ("finished", data["url"], 1)
    assert row.ended is not None and row.ended - row.started >= row.seconds - 0.1
    for name in ("said", "frames", "heard", "owed", "connects", "departures"):
        assert getattr(row, name) == data[name], name
    for name in ("said", "heard", "connects", "departures"):
        assert sum(getattr(interval, name) for interval in intervals) == data[name], name
    assert [row.event_p50, row.event_p99, row.event_max] == [
        data["delivery_ms"][name] for name in ("p50", "p99", "max")
    ]
    assert max(interval.event_max or 0.0 for interval in intervals) == pytest.approx(row.event_max, rel=0.01)
    times = {one.violation: 0 for one in violations}
    for one in violations:
        times[one.violation] += one.times
    assert times == {
        kind: sum(row.times for row in failures if row.grade and row.failure == kind)
        for kind in {one["violation"] for one in data["violations"]}
    }
    assert {row.failure: row.times for row in failures if not row.grade} == data["errors"]
    assert [str(folder / "stress" / str(violations[0].history))] == data["histories"]


def test_the_run_is_listed_reported_drawn_and_exported(leaky: tuple[Path, Any], tmp_path: Path) -> None:
    folder, data = leaky
    with Store.open(folder, readonly=True) as store:
        text = html_report(store, check_trust)
    page = Tables()
    page.feed(text)
    assert "broken" not in page.tables, "there is no campaign to tell of"
    (run,) = ([cell.strip() for cell in row] for row in page.tables["stress-runs"][1:])
    assert run[1] == data["url"] and run[8:10] == [f"{data['said']:,}", f"{data['heard']:,}"]
    latencies = {row[1].strip(): row[2].strip() for row in page.tables["stress-latencies"][1:]}
    assert latencies["event"] == f"{data['delivery_ms']['p50']:,.1f}"
    shown = [row[1].split()[0] for row in page.tables["stress-violations"][1:]]
    assert sorted(shown) == sorted(one["violation"] for one in data["violations"])
    assert text.count("<svg") == 3
    written = write_plots(folder, tmp_path / "plots", [])
    assert {path.stem for path in written} == {"stress-latency", "stress-failures", "stress-traffic"}
    listed = crosswire("results", "list", "--results", str(folder), cwd=tmp_path, expect=0).stdout
    assert data["url"] in listed and "CrossUserLeak" in listed
    export_tables(folder, tmp_path / "tables", "csv")
    with (tmp_path / "tables" / "stress_intervals.csv").open(encoding="utf-8") as file:
        assert sum(int(row["said"]) for row in csv.DictReader(file)) == data["said"]


def test_ctrl_c_closes_connections_and_keeps_the_history(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("leak_repaired", port), port):
        command = [sys.executable, "-m", "crosswire.fuzzer", *typed(port, "--results", str(tmp_path))]
        command[command.index("--for") + 1] = "600s"
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        process = subprocess.Popen(
            [*command, "--round", "600s"], cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        ends = time.monotonic() + 60
        while connections(port) < 5 and time.monotonic() < ends:  # before the round there is one, to see who answers
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=600)
        assert process.returncode == 130
        assert not connections(port)
    assert b"heard" in out
    with Store.open(tmp_path, readonly=True) as store:
        assert [row.status for row in StressRuns(store).runs()] == ["interrupted"]
    assert list((tmp_path / "stress").glob("*.json.gz"))


def test_a_server_that_does_not_understand_is_no_success(tmp_path: Path) -> None:
    port = free_port()
    with running(chat("deaf", port), port):
        done = crosswire(*typed(port, "--results", str(tmp_path)), cwd=HERE, expect=2)
    assert "nothing was heard" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ws://127.0.0.1:{free}/ws",), "nothing listens at 127.0.0.1:{free}"),
        (("http://127.0.0.1:{free}/",), "name a server as ws://"),
        (("wss://127.0.0.1:{free}/",), "nothing listens"),
        (("ws://127.0.0.1:{free}/", "--insecure"), "no certificate"),
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
def test_what_cannot_be_is_said_in_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    port = str(free_port())
    said = [*(argument.replace("{free}", port) for argument in arguments), "--results", str(tmp_path)]
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
