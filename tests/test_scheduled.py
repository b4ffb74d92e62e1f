"""Scheduled runs, as a user has them: a profile, two nights, a bug in between."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from croniter import croniter

from crosswire.fuzzer.cli.timetable import timetable
from tests.command import crosswire

CHAT = """
from crosswire.fuzzer.targets import Adapter

class Chat(Adapter):
    def __init__(self): self.users = {}
    async def connect(self, client): self.users.setdefault(client.user, []).append(client.websocket)
    async def emit(self, event):
        for websocket in list(self.users.get(event.to, [])):
            if websocket not in self.users[event.to]: continue  # logged out meanwhile
            try: await websocket.send_json(event.payload)
            except ConnectionError: pass
    async def disconnect(self, client):
        self.users[client.user].remove(client.websocket)
    def registry(self): return [w for sockets in self.users.values() for w in sockets]
"""

FIRST_ONLY = CHAT.replace("list(self.users.get(event.to, []))", "list(self.users.get(event.to, []))[:1]")

TWICE = CHAT.replace(
    "try: await websocket.send_json(event.payload)",
    "try: await websocket.send_json(event.payload); await websocket.send_json(event.payload)",
)

PROFILE = """
[tool.crosswire]
targets = ["chat:Chat"]

[tool.crosswire.profiles.nightly]
max-executions = 80
confirm = false
seed = "fresh"
"""


def nightly(cwd: Path, expect: int, *more: str, **environment: str) -> dict[str, list[str]]:
    """Run the profile; violation kinds by what the run says of them."""
    done = crosswire("run", "--profile", "nightly", "--json", *more, cwd=cwd, expect=expect, **environment)
    (target,) = json.loads(done.stdout)["targets"]
    told: dict[str, list[str]] = {"new": [], "known": [], "back": [], "gone": target["gone"]}
    for bug in target["found"]:
        told[bug["status"]].append(bug["violation"])
    return told


def test_new_known_gone_and_back_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROFILE)
    chat = tmp_path / "chat.py"
    chat.write_text(CHAT)
    assert not any(nightly(tmp_path, 0).values())
    chat.write_text(FIRST_ONLY)
    second = nightly(tmp_path, 1)
    assert "LostEvent" in second["new"]
    assert not second["known"] + second["back"] + second["gone"]
    third = nightly(tmp_path, 0, "--seed", "2")
    assert third["known"] and not third["new"] + third["back"]
    chat.write_text(TWICE)
    fourth = nightly(tmp_path, 1)
    assert "DuplicateEvent" in fourth["new"]
    assert any("LostEvent" in signature for signature in fourth["gone"])
    chat.write_text(FIRST_ONLY)
    fifth = nightly(tmp_path, 1)
    assert "LostEvent" in fifth["back"]
    told = crosswire("run", "--profile", "nightly", "--seed", "4", cwd=tmp_path, expect=0)
    assert "Known, and still there:" in told.stdout
    assert "Gone" in told.stdout
    listed = crosswire("results", "list", cwd=tmp_path, expect=0).stdout
    assert listed.count("nightly") == 6
    compared = crosswire("results", "compare", "1", "2", cwd=tmp_path, expect=0).stdout
    assert re.search(r"LostEvent-\w+ .* new", compared)
    crosswire("results", "export", "out", cwd=tmp_path, expect=0)
    assert (tmp_path / "out/counts.csv").read_text().count("\n") > 6


def test_fail_on_decides_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(FIRST_ONLY)
    base = ("run", "chat:Chat", "--max-executions", "4", "--no-confirm", "--no-cause")
    crosswire(*base, "--fail-on", "never", cwd=tmp_path, expect=0)
    crosswire(*base, "--fail-on", "new", cwd=tmp_path, expect=0)
    crosswire(*base, "--fail-on", "any", cwd=tmp_path, expect=1)
    crosswire(*base, cwd=tmp_path, expect=1)


def test_junit_github_and_the_hook(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(FIRST_ONLY)
    hook = f"{sys.executable} -c \"import sys; open('told.json', 'w').write(sys.stdin.read())\""
    done = crosswire(
        *("run", "chat:Chat", "--max-executions", "60", "--junit", "out/junit.xml", "--notify", hook),
        cwd=tmp_path,
        expect=1,
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
    )
    (suite,) = ET.parse(tmp_path / "out/junit.xml").getroot()
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    told = json.loads((tmp_path / "told.json").read_text())["targets"][0]
    assert failed == {bug["promise"] for bug in told["found"]} == set(told["broken"])
    assert suite.get("failures") == str(len(failed))
    commands = [line for line in done.stdout.splitlines() if line.startswith("::error title=chat%3AChat")]
    assert len(commands) == len(told["bugs"]) <= len(told["found"])
    kinds = {failure["signature"]: failure["violation"] for failure in told["found"]}
    for bug in told["bugs"]:
        assert bug["violation"].split(", ") == list(dict.fromkeys(kinds[signature] for signature in bug["symptoms"]))
    assert "crosswire replay" in (tmp_path / "summary.md").read_text()


def test_a_hook_that_fails_changes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "chat.py").write_text(FIRST_ONLY)
    done = crosswire(
        "run",
        "chat:Chat",
        "--max-executions",
        "4",
        "--no-cause",
        "--notify",
        "no-such-command",
        cwd=tmp_path,
        expect=1,
    )
    assert "--notify no-such-command: " in done.stderr


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ("[tool.crosswire]\nbugdet = '1m'", "unknown field `bugdet`"),
        ("[tool.crosswire.profiles.nightly]\nusers = 'many'", "nightly]: Expected `int | null`"),
        ("[tool.crosswire]\nprofiles = 3", "holds a table for each profile"),
        ("[tool.crosswire", "cannot be read"),
        ("[tool.crosswire.profiles.weekly]", "unknown profile 'daily': there are nightly, quick, weekly"),
    ],
)
def test_a_bad_profile_is_one_clear_line(tmp_path: Path, profile: str, message: str) -> None:
    (tmp_path / "pyproject.toml").write_text(profile)
    name = "daily" if "weekly" in profile else "nightly"
    done = crosswire("run", "reference", "--profile", name, cwd=tmp_path, expect=2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_nothing_to_resume_is_one_clear_line(tmp_path: Path) -> None:
    assert "nothing to resume" in crosswire("run", "--resume", cwd=tmp_path, expect=2).stderr


@pytest.mark.parametrize("every", ["5m", "30m", "1h", "6h", "12h", "1d", "7d"])
def test_cron_lines_recur_at_the_interval(every: str) -> None:
    text = timetable(every, "cron", "nightly", "/srv/chat 100%")
    line = text.splitlines()[-1]
    minutes = int(every[:-1]) * {"m": 1, "h": 60, "d": 1440}[every[-1]]
    times = croniter(" ".join(line.split()[:5]), 1_700_000_000.0)
    first = times.get_next(float)
    assert {b - a for a, b in [(first, times.get_next(float))]} == {minutes * 60.0}
    assert "100\\%" in line  # cron takes a bare % for the end of the line


def test_github_workflows_fit_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "crosswire.yml"
    path.write_text(timetable("6h", "github", "nightly", "."))
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_schedule_runs_what_is_here_and_keeps_what_the_profile_says(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.crosswire]\nresults = 'kept here'\ntargets = ['reference']\n"
        "[tool.crosswire.profiles.short]\nmax-executions = 5\njunit = 'told.xml'\n"
    )
    say = ("schedule", "--every", "1d", "--profile", "short", "--as")
    line = crosswire(*say, "cron", cwd=tmp_path, expect=0).stdout.splitlines()[-1]
    command = line.split(maxsplit=5)[5]
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["sh", "-c", command], cwd="/", env=environment, capture_output=True, text=True)
    log = (tmp_path / "kept here" / "cron.log").read_text()
    assert done.returncode == 0, log
    assert "5 executions in" in log and (tmp_path / "told.xml").exists()
    workflow = crosswire(*say, "github", cwd=tmp_path, expect=0).stdout
    assert workflow.count('path: "kept here"') == 3 and "--junit" not in workflow
    assert "pip install crosswire" not in workflow


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here")
def test_systemd_units_are_accepted(tmp_path: Path) -> None:
    text = timetable("90m", "systemd", "nightly", str(tmp_path))
    for name in ("crosswire.service", "crosswire.timer"):
        unit = text.split(f"# {name}\n")[1].split("\n# crosswire")[0]
        (tmp_path / name).write_text(unit)
    done = subprocess.run(
        [
            "systemd-analyze",
            "verify",
            "--man=no",
            str(tmp_path / "crosswire.timer"),
            str(tmp_path / "crosswire.service"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("every", "kind", "message"),
    [("7h", "cron", "or --as systemd"), ("often", "cron", "is not understood"), ("1m", "github", "too often")],
)
def test_an_interval_that_cannot_be_is_one_clear_line(tmp_path: Path, every: str, kind: str, message: str) -> None:
    done = crosswire("schedule", "--every", every, "--as", kind, cwd=tmp_path, expect=2)
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
