"""redis-py 4.5.1's cross-user leak, found unaided, and the releases after its repair, cleared.

A request that is cancelled leaves its connection in the pool with the answer still to come; the next user of that
connection is given somebody else's data (CVE-2023-28858 and CVE-2023-28859; closed for good in 4.5.5).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from crosswire.fuzzer.core.program import Operation, Pace, Program
from crosswire.fuzzer.engine.execution import TargetError, Worker
from crosswire.fuzzer.findings.finding import judged
from crosswire.fuzzer.search import RandomWalk
from crosswire.fuzzer.targets.resolve import UnknownTargetError, resolve
from crosswire.fuzzer.world import InOrder

ROOT = Path(__file__).parent.parent

TARGET = "tests.targets.redis_chat:chat?port=8000"

Installed = Callable[[str], str]


@pytest.fixture(scope="session")
def installed(pytestconfig: pytest.Config) -> Installed:
    """The folder with a release of redis-py, fetched on first use and kept in pytest's cache."""
    assert pytestconfig.cache is not None
    kept = pytestconfig.cache.mkdir("redis")

    def install(version: str) -> str:
        folder = kept / f"{version}-{sys.implementation.cache_tag}" / "site-packages"
        with FileLock(kept / "lock"):
            if not (folder / "complete").exists():
                command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                done = subprocess.run(
                    [*command, "--target", str(folder), "--upgrade", f"redis=={version}", "async-timeout"],
                    capture_output=True,
                    text=True,
                )
                if done.returncode:
                    pytest.skip(f"pip cannot install redis {version}: {done.stderr.strip().splitlines()[-1:]}")
                (folder / "complete").touch()
        return str(folder)

    return install


def run(folder: Path, *paths: str, executions: int, seed: int = 0) -> tuple[int, dict[str, Any]]:
    """Fuzz the chat with what is on these paths; the exit code, and what the command tells in JSON."""
    command = [sys.executable, "-m", "crosswire.fuzzer", "run", TARGET, "--json"]
    done = subprocess.run(
        [*command, "--max-executions", str(executions), "--seed", str(seed)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*paths, str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)["targets"][0]


def test_the_leak_of_4_5_1_is_found_without_a_hint(installed: Installed, tmp_path: Path) -> None:
    code, result = run(tmp_path, installed("4.5.1"), executions=400)
    assert code == 1
    found = {bug["violation"]: bug for bug in result["found"]}
    assert {"CrossUserLeak", "WrongIdentity"} <= found.keys()
    assert len(found["CrossUserLeak"]["operations"]) <= 4


@pytest.mark.parametrize("version", ["5.0.8", None], ids=["5.0.8", "current"])
def test_repaired_releases_survive(version: str | None, installed: Installed, tmp_path: Path) -> None:
    paths = [] if version is None else [installed(version)]
    code, result = run(tmp_path, *paths, executions=150)
    assert code == 0, result["found"]


def connect(name: str, pace: Pace | None = None) -> Operation:
    return Operation("connect", name, "u0", pace=pace)


@pytest.mark.parametrize(
    "operations",
    [
        (connect("c0", "slow"), Operation("stall", "c0")),
        (connect("c0"), Operation("flood", "c0")),
        (connect("c0"), connect("c1", "slow"), Operation("emit", "c0", "u0", "u0"), Operation("abort", "c0")),
        (*(connect(f"c{number}") for number in range(4)), Operation("emit", "c0", "u0", "u0")),
    ],
    ids=[
        "stops reading while it logs in",
        "floods while it is let go",
        "vanishes behind what it said",
        "waits for Redis",
    ],
)
def test_what_clients_do_to_themselves_is_no_fault_of_the_server(operations: tuple[Operation, ...]) -> None:
    worker = Worker(resolve(TARGET))
    program = Program(operations)
    with worker.session():
        for seed in range(150):
            assert judged(worker, worker.run(program, RandomWalk(seed))).violations == (), seed


def test_where_clients_connect_must_be_said() -> None:
    with pytest.raises(TargetError, match=r"listens on ports 6379, 8000: .*\?port="):
        Worker(resolve(TARGET.partition("?")[0])).run(Program((connect("c0"),)), InOrder())
    with pytest.raises(UnknownTargetError, match="starts its servers itself"):
        resolve("tests.targets.sync_dependencies:app?port=8000")
    with pytest.raises(UnknownTargetError, match="is no number"):
        resolve("tests.targets.redis_chat:chat?port=http")
