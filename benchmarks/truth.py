"""Wrong servers whose bugs are known: which there are, what their findings look like, and which lines are at fault.

Written down by hand, from the source; a line is given by its function and by part of what it says, or by its function
alone.  The examples' and the tests' own servers are here; the bundled managers' defects are in `benchmarks.known`,
and what a repair of each changes is here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from crosswire.fuzzer.core.history import Failure, RowKind
from crosswire.fuzzer.core.source import Line
from crosswire.fuzzer.findings.finding import Finding

from .known import Looks, Proof

__all__ = ("FAULTY", "SERVERS", "Bug", "Fault", "Server", "is_faulty")

Fault = tuple[str, str]
"""A function, and part of what its line says; any line of it where that is empty."""


def is_faulty(line: Line, faults: tuple[Fault, ...]) -> bool:
    """Whether a line is one of those at fault."""
    return any(line.function == function and said in line.text for function, said in faults)


@dataclass(frozen=True, slots=True)
class Bug:
    """What findings of a bug look like, and the lines one of which a repair changes."""

    name: str
    faults: tuple[Fault, ...]
    looks: Looks


@dataclass(frozen=True, slots=True)
class Server:
    """A wrong server by its target's name, its bugs, and how many executions show most of what they do."""

    target: str
    bugs: tuple[Bug, ...]
    executions: int = 300


def _raised(*classes: str) -> Proof:
    """Somebody's exception was of one of these classes, or there was one at all where none is named."""

    def proof(finding: Finding) -> bool:
        rows = (row.detail for row in finding.execution.history if row.kind in (RowKind.UNHANDLED, RowKind.RAISED))
        seen = {detail.brief.partition(":")[0] for detail in rows if isinstance(detail, Failure)}
        return bool(seen) if not classes else not seen.isdisjoint(classes)

    return proof


def _quiet(finding: Finding) -> bool:
    return not _raised()(finding)


LOST = ("LostEvent", "BrokenRun", "Dropped", "Refused", "UnhandledException")

SERVERS = (
    Server(
        "examples.fastapi_chat:app?wire=examples.wires:fastapi_chat",
        (
            Bug(
                "walks a list that changes",
                (("ConnectionManager.broadcast", ""), ("ConnectionManager.disconnect", "remove")),
                Looks(("LostEvent",), proof=_quiet),
            ),
            Bug("a send to who is gone raises", (("ConnectionManager.broadcast", ""),), Looks(LOST, proof=_raised())),
            Bug("waits for each", (("ConnectionManager.broadcast", "send_text"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "examples.websockets_chat:handler?wire=examples.wires:websockets_chat",
        (
            Bug(
                "walks a set that changes",
                (("handler", "for tab in"), ("handler", "tab.send"), ("handler", "add("), ("handler", "discard")),
                Looks(LOST, proof=_raised("RuntimeError")),
            ),
            Bug("waits for each", (("handler", "tab.send"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "examples.aiohttp_chat:create_app?wire=examples.wires:aiohttp_chat",
        (
            Bug("a send to who is gone raises", (("chat", "member"),), Looks(LOST)),
            Bug("waits for each", (("chat", "member.send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "examples.socketio_rooms:app?wire=socketio",
        (
            Bug(
                "keeps the token on the namespace",
                (("Chat.on_connect", "self.token"), ("Chat.on_connect", "sleep")),
                Looks(("CrossUserLeak", "LostEvent", "WrongIdentity", "DuplicateEvent")),
            ),
        ),
    ),
    Server(
        "examples.agent_server:app?wire=examples.wires:agent",
        (
            Bug(
                "keeps the user on the server",
                (("AgentServer.serve", "self.user"), ("AgentServer.serve", "self.audit")),
                Looks(("WrongIdentity", "CrossUserLeak", "LostEvent", "BrokenRun", "BadTokenAccepted")),
            ),
        ),
    ),
    Server(
        "examples.services:redis_tabs",
        (
            Bug("reads, changes and writes", (("come", ""), ("go", "")), Looks(("LostEvent",))),
            Bug("waits for each", (("chat", "send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "examples.services:moderated",
        (
            Bug(
                "keeps the message on the moderator",
                (("Moderator.approved", ""),),
                Looks(("LostEvent", "DuplicateEvent", "CrossUserLeak", "MixedUp")),
            ),
            Bug("waits for each", (("chat", "peer.send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "examples.anyio_chats:FanOut",
        (
            Bug(
                "a failed send cancels the others",
                (("FanOut.send", ""), ("Rooms.deliver", ""), ("FanOut.emit", "")),
                Looks(("LostEvent", "BrokenRun", "CrossUserLeak")),
            ),
        ),
    ),
    Server(
        "tests.findings.desks:Locked",
        (
            Bug(
                "waits for its own lock",
                (("Locked.emit", "self._forget"), ("Locked._forget", "async with")),
                Looks(("Deadlock", "LostEvent", "BrokenRun")),
            ),
            Bug("sends with the lock", (("Locked.emit", "send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "tests.findings.desks:Late",
        (
            Bug(
                "enters who has left",
                (("Late.connect", ""), ("Late.disconnect", "")),
                Looks(("StaleEntry", "LeakedEntry", "WrongAnswer")),
            ),
            Bug("waits for each", (("Late.emit", "send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "tests.findings.desks:Walks",
        (
            Bug("walks a table that changes", (("Walks.emit", "for client"),), Looks(LOST, proof=_raised())),
            Bug("waits for each", (("Walks.emit", "send_json"),), Looks(("HeadOfLineBlocking",))),
        ),
    ),
    Server(
        "tests.findings.desks:Mistaken",
        (
            Bug(
                "takes a thread for a user",
                (("Mistaken.emit_to_thread", "_send"),),
                Looks(("CrossUserLeak", "LostEvent"), needs=("emit_to_thread",), connections=1),
            ),
            Bug(
                "the second takes the place of the first",
                (("Mistaken.connect", ""), ("Mistaken._send", "self._of"), ("Mistaken.disconnect", "")),
                Looks(("LostEvent", "BrokenRun"), needs=("connect", "connect"), lacks=("emit_to_thread",)),
            ),
        ),
    ),
    Server(
        "tests.applications.lounges:Forgets",
        (Bug("forgets who is back", (("Forgets.disconnect", ""),), Looks(("LostEvent", "BrokenRun"))),),
        1000,
    ),
    Server(
        "tests.applications.lounges:NeverLeft",
        (Bug("nobody leaves", (("NeverLeft.leave", ""),), Looks(("CrossUserLeak", "LateDelivery"))),),
        600,
    ),
    Server(
        "tests.applications.lounges:Slowly",
        (Bug("to those of before", (("Slowly.moderate", ""),), Looks(("CrossUserLeak",))),),
        600,
    ),
    Server(
        "tests.applications.ledgers:Seen",
        (Bug("keeps when each came", (("Seen.came", ""),), Looks(("LeakedEntry",))),),
        600,
    ),
)

FAULTY: dict[str, tuple[Fault, ...]] = {
    "D1": (("IsolatedWebSocketManager.send_to_user", ""), ("IsolatedWebSocketManager.remove_connection", "")),
    "D2": (("IsolatedWebSocketManager.send_to_user", ""),),
    "D3": (("IsolatedWebSocketManager.send_to_user", ""),),
    "D4": (("IsolatedWebSocketManager.send_to_user", ""),),
    "D5": (("IsolatedWebSocketManager.cleanup_all_connections", ""), ("IsolatedWebSocketManager._require_active", "")),
    "D8": (("isolation_key_of", ""),),
    "D9": (("EmergencyWebSocketManager.send_to_user", ""),),
    "D10": (("EmergencyWebSocketManager.connect_user", ""),),
    "D11": (("EmergencyWebSocketManager.disconnect_user", ""),),
    "D12": (("EmergencyWebSocketManager.connect_user", ""), ("EmergencyWebSocketManager.add_connection", "")),
    "D13": (("EmergencyWebSocketManager.is_connection_active", ""),),
    "D14": (("DegradedWebSocketManager.send_to_user", ""),),
    "D15": (("DegradedWebSocketManager.send_to_user", ""),),
    "D16": (("UnifiedWebSocketManager.send_to_user", ""), ("UnifiedWebSocketManager.remove_connection", "")),
    "D17": (
        ("UnifiedWebSocketManager.attempt_message_recovery", ""),
        ("UnifiedWebSocketManager.process_recovery_queue", ""),
    ),
    "D18": (
        ("UnifiedWebSocketManager.attempt_message_recovery", ""),
        ("UnifiedWebSocketManager.process_recovery_queue", ""),
    ),
    "D19": (("UnifiedWebSocketManager.emit_critical_event", ""),),
    "D20": (("UnifiedWebSocketManager.send_to_thread", ""),),
    "D21": (("UnifiedWebSocketManager.connect_user", ""), ("UnifiedWebSocketManager.add_connection", "")),
    "D22": (("UnifiedWebSocketManager.broadcast", ""),),
    "D25": (("IsolatedWebSocketManager._watch_health", ""), ("IsolatedWebSocketManager.send_to_user", "")),
    "D26": (("UnifiedWebSocketManager._keep", ""),),
    "D27": (("UnifiedWebSocketManager.attempt_message_recovery", ""),),
}
"""For each defect, the functions one of which a repair changes."""
