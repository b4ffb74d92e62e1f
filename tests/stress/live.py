"""Real servers for tests, each a process of its own on a loopback port, and the settings to stress them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.servers import handler, running
from crosswire.fuzzer.stress.address import look_up, wire_for
from crosswire.fuzzer.stress.round import Plan
from crosswire.fuzzer.stress.run import Result, Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets.policy import Policy, policy_of

__all__ = ("chat", "kinds", "settings_for", "stressed")


def chat(name: str, port: int) -> list[str]:
    """The command that serves one of `chats`."""
    return handler(f"tests.stress.servers.chats:{name}", port)


def settings_for(port: int, wire: str, folder: Path, **said: Any) -> Settings:
    """A short run: one round, with a declared time of a second."""
    url = f"{said.pop('scheme', 'ws')}://127.0.0.1:{port}"
    spot = look_up(url, None, said.pop("insecure", False))
    spoken = wire_for(wire, spot, url)
    load = Load(clients=said.pop("clients", 30), rate=said.pop("rate", 300.0))
    plan = Plan(load, seconds=said.pop("seconds", 1.0), within=said.pop("within", 0.6), seed=said.pop("seed", 1))
    target = live_target(url, spoken, policy_of(Policy()))
    run = {"seconds": plan.seconds, **said}
    return Settings(url, spot, spoken, wire, target, plan, results=folder, **run)


def stressed(command: list[str], port: int, wire: str, folder: Path, **said: Any) -> Result:
    """Serve, stress, and give the result."""
    with running(command, port):
        return stress(settings_for(port, wire, folder, **said))


def kinds(result: Result) -> set[str]:
    return {one.proven.violation.kind for one in result.broken.values()}
