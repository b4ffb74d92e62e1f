"""Of the correct servers in ``tests/silent``, how many are accused of something, and is that confirmed?

    python -m benchmarks.silent [--seconds 20 | --executions N] [--seed 1] [--json FILE] [--page FILE] [SERVER ...]

Each is fuzzed for as long as is said, as ``crosswire run`` would; or, on a busy machine, for so many executions.
Whatever is reported is wrong, unless the server is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from crosswire.fuzzer.campaigns.campaign import Campaign, Plan
from crosswire.fuzzer.findings.tally import Tally
from tests.silent.catalogue import SERVERS, Server

from .report import arguments, machine, table, write

__all__ = ("accusations", "fuzzed")

PAGE = """# Correct servers

`python -m benchmarks.silent --page docs/silent.md` writes this page. It fuzzes each of the {number} correct servers in
`tests/silent`, written in the styles of the field, for {budget}, as `crosswire run` would, and with what each does on
purpose [declared](policies.md) in one line. Whatever is reported of them is wrong. Measured with {machine}.

*Accusations*: distinct bugs reported; *confirmed*: of these, on stock asyncio over real sockets; *doubts*: what looked
like a violation and did not show again, or shows just as well where nobody does what is blamed.

{table}
"""

HEADINGS = ("server", "framework", "style", "declared", "executions", "accusations", "confirmed", "doubts")


def fuzzed(server: Server, plan: Plan) -> Tally:
    """What a campaign says of a server."""
    return Campaign(server.target(), plan, confirming=True).run()


def accusations(tally: Tally) -> list[str]:
    """Each in a line, with what came of confirming it."""
    return [
        f"{found.finding.violation.kind}: {found.finding.violation.message} [{found.confirmation}]"
        for found in tally.found.values()
    ]


def _row(server: Server, tally: Tally) -> tuple[object, ...]:
    confirmed = sum(
        found.confirmation is not None and found.confirmation.verdict == "confirmed" for found in tally.found.values()
    )
    return (
        server.name,
        server.framework,
        server.style,
        server.declared,
        f"{tally.executions:,}",
        len(tally.found),
        confirmed,
        tally.doubts.total(),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, and what was said; exit with 1 where anything was."""
    parser, given = arguments(__doc__, argv)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help="all unless named")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each")
    parser.add_argument("--executions", type=int, help="of each, however long they take")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", metavar="FILE", type=Path, help="write the table with its explanation as Markdown")
    options = parser.parse_args(given)
    executions, seconds = options.executions, None
    if executions is None:
        seconds = 1.0 if options.quick else options.seconds
    budget = f"{seconds:g} s" if seconds is not None else f"{executions:,} executions"
    plan = Plan(seconds=seconds, executions=executions, seed=options.seed)
    tallies: dict[str, Tally] = {}
    for name in options.servers or SERVERS:
        tallies[name] = fuzzed(SERVERS[name], plan)
        print("  ".join(map(str, _row(SERVERS[name], tallies[name]))), flush=True)
        for said in accusations(tallies[name]):
            print(f"    {said}", flush=True)
    rows = [_row(SERVERS[name], tally) for name, tally in tallies.items()]
    executions = sum(tally.executions for tally in tallies.values())
    sums = [sum(int(str(row[at])) for row in rows) for at in (5, 6, 7)]
    rows.append((f"all {len(tallies)}", "", "", "", f"{executions:,}", *sums))
    listed = table(HEADINGS, rows, left=4)
    print(f"\n{listed}")
    if options.page:
        text = PAGE.format(number=len(tallies), budget=budget, machine=machine(), table=listed)
        options.page.write_text(text, encoding="utf-8")
    write(options.json, {"budget": budget, "said": {name: accusations(tally) for name, tally in tallies.items()}})
    sys.exit(1 if sums[0] else 0)


if __name__ == "__main__":
    main()
