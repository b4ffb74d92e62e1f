"""Live stress: which live servers are found out or accused, and what of it shows in the deterministic world.

    python -m benchmarks.stress [--json FILE] [--quick] [--seeds 3] [--seconds 10]

**Found**: servers with a bug each, and their repaired twins, as processes of their own, a fresh one for each seed; how
many events were said until the first evidence, and by which proof.

**Reproduced**: what was found is looked for in the deterministic world, beginning with the live history cut down; as a
control, `--controls` campaigns begin with random programs of the same machine, and may do as many executions: how many
of them find something of the same cause, and after how many (the median of those)?
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign
from crosswire.fuzzer.campaigns.campaign import Plan as Campaigns
from crosswire.fuzzer.engine.execution import Worker
from crosswire.fuzzer.findings.causes import bugs_of
from crosswire.fuzzer.stress.address import look_up, wire_for
from crosswire.fuzzer.stress.reproduce import reproduce, target_for
from crosswire.fuzzer.stress.round import Plan
from crosswire.fuzzer.stress.run import Result, Settings, stress
from crosswire.fuzzer.stress.traffic import Load
from crosswire.fuzzer.stress.traits import live_target
from crosswire.fuzzer.targets.policy import Policy, policy_of
from crosswire.fuzzer.targets.resolve import resolve

from .report import arguments, machine, middle, table, write
from .servers import free_port, handler, running, uvicorn

__all__ = ("SERVERS", "Lookup", "found", "looked_for", "main")

CHAT, TEXT = "examples.wires:websockets_chat", "examples.wires:fastapi_chat"

SERVERS = {
    "examples.fastapi_chat:app": TEXT,
    "examples.fastapi_chat_repaired:app": TEXT,
    "examples.websockets_chat:handler": CHAT,
    "examples.websockets_chat_repaired:handler": CHAT,
    "tests.stress.servers.chats:leak": CHAT,
    "tests.stress.servers.chats:leak_repaired": CHAT,
    "tests.stress.servers.chats:loss": CHAT,
    "tests.stress.servers.chats:loss_repaired": CHAT,
    "node chat.js, leak": CHAT,
    "node chat.js, loss": CHAT,
    "node chat.js, repaired": CHAT,
}
"""server -> how it is spoken to"""


# -- what is found ------------------------------


@dataclass(frozen=True, slots=True)
class Lookup:
    """What came of one live violation in the world, and of campaigns that begin with random programs instead."""

    kind: str
    live: int
    """Operations of the live history."""
    minimal: int | None
    """Of the counterexample; None where the kind did not show."""
    executions: int
    controls: int
    without: tuple[int, ...]
    """Campaigns that found something of the same cause in as many executions: after how many."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one seed says of a server: the kinds of violations, and after how many events the first of them showed."""

    kinds: tuple[str, ...]
    events: int | None
    heard: int
    owed: int
    rested: int
    lookup: Lookup | None


def command_of(name: str, port: int) -> tuple[list[str], int, dict[str, str]]:
    """What serves a server at a port: the command, the port, and the environment's variables."""
    if name.startswith("node "):
        return ["node", "tests/stress/servers/chat.js", str(port)], port, {"BUG": name.rpartition(" ")[2]}
    if name.endswith(":app"):
        return uvicorn(name, port), port, {}
    return handler(name, port), port, {}


def found(name: str, seeds: int, seconds: float, controls: int = 0) -> list[Told]:
    """What each seed says of a server, a fresh one for each; with what comes of it in the world, and of controls."""
    told = []
    for seed in range(seeds):
        port = free_port()
        url = f"ws://127.0.0.1:{port}"
        spot = look_up(url, None)
        wire = wire_for(SERVERS[name], spot, url)
        target = live_target(url, wire, policy_of(Policy()))
        plan = Plan(Load(clients=50, rate=200.0), seconds=min(4.0, seconds), seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                url,
                spot,
                wire,
                SERVERS[name],
                target,
                plan,
                seconds,
                first="repaired" not in name,
                results=Path(folder),
            )
            with running(*command_of(name, port)):
                result = stress(settings)
            lookup = looked_for(name, result, Path(folder), seed, controls) if controls else None
        earliest = min(result.broken.values(), key=lambda one: one.said, default=None)
        kinds = tuple(sorted({one.proven.violation.kind for one in result.broken.values()}))
        events = earliest.said if earliest is not None else None
        told.append(Told(kinds, events, result.figures.heard, result.figures.owed, result.rested, lookup))
    return told


# -- from live to minimal, and a control ------------------------------


def looked_for(name: str, result: Result, folder: Path, seed: int, controls: int) -> Lookup | None:
    """Look for what was seen first of a live server in the world, and let campaigns look for it without its history."""
    one = min(result.broken.values(), key=lambda one: one.said, default=None)
    if one is None or name.startswith("node "):
        return None
    place, kind = target_for(name, SERVERS[name]), one.proven.violation.kind
    attempt = reproduce(Worker(resolve(place)), one.played, one.proven, folder, seed)
    live = next((found for found in attempt.found if found.same), None)
    without: list[int] = []
    for number in range(controls if live is not None else 0):
        plan = Campaigns(seed=seed * controls + number, executions=attempt.executions)
        tally = Campaign(resolve(place), plan).run()
        causes = {signature: found.cause for signature, found in tally.found.items()}
        assert live is not None
        alike = {live.finding.violation.signature(place)}
        alike |= {one for group in bugs_of({"live": live.cause, **causes}) if "live" in group for one in group}
        firsts = [found.at_execution for signature, found in tally.found.items() if signature in alike]
        without += sorted(firsts)[:1]
    minimal = len(live.finding.execution.program) if live is not None else None
    return Lookup(kind, attempt.operations, minimal, attempt.executions, controls, tuple(without))


def main(argv: Sequence[str] | None = None) -> None:
    parser, rest = arguments(__doc__, argv)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--controls", type=int, default=5, help="campaigns for each violation that was looked for")
    options = parser.parse_args(rest)
    seeds = 1 if options.quick else options.seeds
    print(machine())
    controls = {name: 0 if "repaired" in name else 1 if options.quick else options.controls for name in SERVERS}
    length = 4.0 if options.quick else options.seconds
    judged = {name: found(name, seeds, length, controls[name]) for name in SERVERS}
    lines = []
    for name, told in judged.items():
        kinds = sorted({kind for one in told for kind in one.kinds})
        events = ", ".join(str(one.events) for one in told if one.events is not None)
        heard = sum(one.heard for one in told)
        accused = sum(bool(one.kinds) for one in told)
        lines.append((name, ", ".join(kinds) or "-", f"{accused}/{len(told)}", events or "-", f"{heard:,}"))
    print(table(("server", "found", "seeds", "events until", "events heard"), lines, left=2))
    helped = []
    for name, told in judged.items():
        lookups = [one.lookup for one in told if one.lookup is not None]
        if lookups:
            found_there = [one for one in lookups if one.minimal is not None]
            cells = ((one.kind, f"{one.live:,}", f"{one.executions:,}", one.minimal or "-") for one in lookups)
            kinds_of, live, executions, minimal = (", ".join(map(str, cell)) for cell in zip(*cells, strict=True))
            shares = f"{len(found_there)}/{len(lookups)}", _share(found_there)
            helped.append((name, kinds_of, live, minimal, executions, *shares))
    headings = ("server", "looked for", "operations live", "minimal", "executions", "found", "random programs")
    print(table(headings, helped, left=2))
    write(options.json, {"found": {name: list(map(asdict, told)) for name, told in judged.items()}})


def _share(lookups: Sequence[Lookup]) -> str:
    """How many campaigns found it, and after how many executions half of those did."""
    after = [executions for one in lookups for executions in one.without]
    told = f"{len(after)}/{sum(one.controls for one in lookups)}"
    return f"{told}, after {middle(after):,.0f}" if after else told


if __name__ == "__main__":
    main()
