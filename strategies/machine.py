"""The stateful machine: what users do, and how the world moves in between, as Hypothesis rules.

A machine writes a program down; when Hypothesis ends the example, the program is executed as written and then
explored.  `machine_for` leaves out the rules a target has no use for, so that none of them is ever drawn in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule

from ..fuzzer.core.program import Kind, Operation, Pace, Program
from ..fuzzer.engine.schedule import Deliver
from ..fuzzer.targets.adapter import Target

__all__ = ("Check", "ProgramMachine", "machine_for")

Check = Callable[[Program, Sequence["int | Deliver"]], None]
"""What is done with a finished program and the order it was written in; raises to fail the example."""


ON_CONNECTION: tuple[Kind, ...] = ("disconnect", "abort", "log_out", "stall", "unstall", "cancel")

LEAVING: tuple[Kind, ...] = ("abort", "log_out", "disconnect")

WIRE_ONLY: tuple[Kind, ...] = ("garble", "truncate", "flood")

ALWAYS: tuple[Kind, ...] = ("disconnect", "abort", "stall", "unstall")
"""What every client of an application can do; the rest is asked for."""

connections = Bundle("connections")


class ProgramMachine(RuleBasedStateMachine):
    """Writes programs; see `machine_for`, which makes a machine for a target out of it."""

    check: ClassVar[Check]

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.written: list[int | Deliver] = []
        self.connected = 0
        self.crowd = 1

    def add(self, kind: Kind, **fields: Any) -> None:
        """Write an operation down; users beyond the crowd of this program are folded into it."""
        for field in ("user", "to", "token", "thread"):
            name = fields.get(field)
            if name is not None and name[0] == "u" and name[1:].isdigit():
                fields[field] = f"u{int(name[1:]) % self.crowd}"
        if fields.get("token") == fields.get("user") is not None:
            fields["token"] = "valid"
        self.written.append(len(self.operations))
        self.operations.append(Operation(kind, **fields))

    def user_of(self, connection: str) -> str:
        """Who asked for a connection."""
        return next(op.user or "u0" for op in self.operations if op.kind == "connect" and op.connection == connection)

    def teardown(self) -> None:
        if self.operations:
            type(self).check(Program(tuple(self.operations)), self.written)


def machine_for(target: Target, check: Check, users: int = 3) -> type[ProgramMachine]:
    """A machine whose programs use what the target offers, with up to ``users`` users."""
    names = st.sampled_from([f"u{number}" for number in range(users)])
    traits = target.traits
    rules: dict[str, Any] = {"check": staticmethod(check)}

    login = target.offers("authenticate")
    tokens = ["valid", "valid", "valid", "invalid", "expired", *(f"u{number}" for number in range(users))]
    at_connect = ["valid", "valid", *(f"u{number}" for number in range(users))]

    def connect(self: ProgramMachine, user: str, token: str, pace: Pace | None = None) -> str:
        name = f"c{self.connected}"
        self.connected += 1
        self.add("connect", connection=name, user=user, token=token, pace=pace)
        return name

    foreign = traits.checks_identity and not login
    if foreign and traits.by_wire:
        at_connect = tokens
    paces: tuple[Pace | None, ...] = (None,)
    if traits.by_wire:
        paces = (None, None, "slow", "slow")
    if target.offers("truncate"):
        paces = (*paces, "split", "merged")
    links = st.sampled_from(paces)
    rules["connect"] = rule(
        target=connections, user=names, token=st.sampled_from(at_connect) if foreign else st.just("valid"), pace=links
    )(connect)

    if login:

        def log_in(self: ProgramMachine, user: str, token: str) -> str:
            name = connect(self, user, "valid")
            self.add("authenticate", connection=name, token=token)
            return name

        rules["log_in"] = rule(target=connections, user=names, token=st.sampled_from(tokens))(log_in)

    def gather(self: ProgramMachine, crowd: int, arrivals: list[tuple[str, Pace | None]], settled: bool) -> Any:
        self.crowd = crowd
        arrived = [
            log_in(self, user, "valid") if login else connect(self, user, "valid", pace) for user, pace in arrivals
        ]
        if settled:
            self.add("settle")
        return multiple(*arrived)

    # Where nobody answers a login, it counts as done only once everything has come to rest.
    rules["gather"] = initialize(
        target=connections,
        crowd=st.integers(1, users),
        arrivals=st.lists(st.tuples(names, links), min_size=1, max_size=3),
        settled=st.booleans() if traits.by_wire else st.just(False),
    )(gather)

    rules.update(_speaking_on_connections(target, names) if traits.by_wire else _speaking(target, names, users))

    def on_connection(kind: Kind) -> Any:
        def act(self: ProgramMachine, connection: str) -> None:
            self.add(kind, connection=connection)

        act.__name__ = kind
        return rule(connection=connections)(act)

    kinds, leaving = ON_CONNECTION, LEAVING
    if traits.by_wire:
        kinds = tuple(kind for kind in (*WIRE_ONLY, *ON_CONNECTION) if kind in ALWAYS or target.offers(kind))
        leaving = tuple(kind for kind in LEAVING if kind in kinds)
    for kind in kinds:
        rules[kind] = on_connection(kind)
    if target.offers("expire"):
        rules["expire"] = on_connection("expire")

    def reconnect(self: ProgramMachine, connection: str, leave: Kind) -> str:
        user = self.user_of(connection)
        self.add(leave, connection=connection)
        return connect(self, user, "valid")

    rules["reconnect"] = rule(target=connections, connection=connections, leave=st.sampled_from(leaving))(reconnect)

    def second_tab(self: ProgramMachine, connection: str, seconds: float) -> str:
        if seconds:
            self.add("pause", seconds=seconds)
        return connect(self, self.user_of(connection), "valid")

    rules["second_tab"] = rule(target=connections, connection=connections, seconds=st.sampled_from([0.0, 1.0, 6.0]))(
        second_tab
    )

    if target.offers("clean_up"):

        def clean_up(self: ProgramMachine, user: str) -> None:
            self.add("clean_up", user=user)

        rules["clean_up"] = rule(user=names)(clean_up)

    if target.offers("shut_down"):

        def shut_down(self: ProgramMachine) -> None:
            self.add("shut_down")

        rules["shut_down"] = rule()(shut_down)

    if traits.policy.idle is not None:

        def sweep(self: ProgramMachine) -> None:
            self.add("sweep")

        rules["sweep"] = rule()(sweep)

    def pause(self: ProgramMachine, seconds: float) -> None:
        self.add("pause", seconds=seconds)

    rules["pause"] = rule(seconds=st.sampled_from([1.0, 6.0]))(pause)

    def settle(self: ProgramMachine) -> None:
        self.add("settle")

    rules["settle"] = rule()(settle)

    def deliver(self: ProgramMachine, which: int, busy: bool) -> None:
        self.written.append(Deliver(which, busy))

    rules["deliver"] = rule(which=st.integers(0, 3), busy=st.booleans())(deliver)
    return type(f"{target.name.title().replace('-', '')}Machine", (ProgramMachine,), rules)


def _speaking(target: Target, names: st.SearchStrategy[str], users: int) -> dict[str, Any]:
    """Rules by which users' backends emit, through the adapter."""
    rules: dict[str, Any] = {}

    def emit(self: ProgramMachine, user: str, to: str) -> None:
        self.add("emit", user=user, to=to)

    rules["emit"] = rule(user=names, to=names)(emit)

    def run_agent(self: ProgramMachine, user: str) -> None:
        self.add("run_agent", user=user, to=user)

    rules["run_agent"] = rule(user=names)(run_agent)

    if target.offers("emit_to_thread"):

        def emit_to_thread(self: ProgramMachine, user: str, thread: str) -> None:
            self.add("emit_to_thread", user=user, to=user, thread=thread)

        threads = st.sampled_from(["t0", *(f"u{number}" for number in range(users))])
        rules["emit_to_thread"] = rule(user=names, thread=threads)(emit_to_thread)

    if target.offers("broadcast"):

        def broadcast(self: ProgramMachine, user: str) -> None:
            self.add("broadcast", user=user)

        rules["broadcast"] = rule(user=names)(broadcast)

    def cancel_emit(self: ProgramMachine, user: str) -> None:
        self.add("cancel", user=user)

    rules["cancel_emit"] = rule(user=names)(cancel_emit)
    return rules


def _speaking_on_connections(target: Target, names: st.SearchStrategy[str]) -> dict[str, Any]:
    """Rules by which clients emit, each over its own connection."""
    rules: dict[str, Any] = {}

    if target.offers("emit"):

        def emit(self: ProgramMachine, connection: str, to: str) -> None:
            self.add("emit", connection=connection, user=self.user_of(connection), to=to)

        rules["emit"] = rule(connection=connections, to=names)(emit)

    if target.offers("broadcast"):

        def broadcast(self: ProgramMachine, connection: str) -> None:
            self.add("broadcast", connection=connection, user=self.user_of(connection))

        rules["broadcast"] = rule(connection=connections)(broadcast)

    if target.offers("run_agent"):

        def run_agent(self: ProgramMachine, connection: str) -> None:
            user = self.user_of(connection)
            self.add("run_agent", connection=connection, user=user, to=user)

        rules["run_agent"] = rule(connection=connections)(run_agent)
    return rules
