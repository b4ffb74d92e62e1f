"""How the examples that keep their state in SQLite are fuzzed; needs ``pip install aiosqlite``.

crosswire run examples.databases:sqlite_tabs
"""

from __future__ import annotations

from crosswire.fuzzer import JsonWire, application

__all__ = ("sqlite_tabs", "sqlite_tabs_repaired")

wire = JsonWire(
    path="/ws/{user}",
    ready={"type": "ready"},
    user="user",
    recipient="to",
    to_user={"to": "{to}", "text": "{event}"},
)

sqlite_tabs, sqlite_tabs_repaired = (
    application(f"examples.{name}:app", wire=wire) for name in ("sqlite_tabs", "sqlite_tabs_repaired")
)
