"""Programs made out of programs that showed something new, as grey-box fuzzers do.

Hypothesis writes every program from nothing.  A bug that takes several operations in a row is then as unlikely each
time, though half of them may have been written before and have shown in what the target did.  So the programs of a
round that showed a new behaviour are kept in a corpus, and between two that Hypothesis writes, some are made of these
by small changes (M. Zalewski, AFL, 2013; two programs joined: "splicing").  They cost next to nothing to make.

What comes out is a program that the machine could have written: operations on a connection come after its connect,
a login right behind it, and whoever speaks over a connection is who logged in over it last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from ..fuzzer.core.program import Kind, Operation, Program
from ..fuzzer.search.kept import Kept

__all__ = ("Corpus", "mend")

ARRIVING = frozenset[Kind]({"connect", "authenticate"})
"""Operations that stay where they are."""

OF_ONESELF = frozenset[Kind]({"run_agent", "emit_to_thread"})
"""What a user can only do for the user's own."""

TWICE = 0.3
"""How likely another change is to follow a change."""


class Corpus:
    """The kept programs of a round; ``users`` there are, and ``most`` operations in a program."""

    def __init__(self, seed: int, users: int, most: int) -> None:
        self._random = Random(seed)
        self._users = [f"u{number}" for number in range(users)]
        self._most = most
        self._kept = Kept[Program]()

    def keep(self, program: Program) -> None:
        """Remember a program that showed something new."""
        self._kept.keep(program)

    def mutant(self) -> Program | None:
        """A changed program, or None where there is nothing to change or nothing came of it."""
        if not self._kept.things:
            return None
        kept = self._kept.next()
        operations = list(kept.operations)
        while True:
            self._random.choice(CHANGES)(self, operations)
            if self._random.random() >= TWICE:
                break
        program = Program(mend(operations)[: self._most])
        return program if program.users and program != kept else None

    # -- changes, in place ------------------------------

    def _place(self, operations: Sequence[Operation]) -> int:
        return self._random.randrange(len(operations) + 1)

    def _some(self, operations: Sequence[Operation]) -> int | None:
        """The place of an operation that may be elsewhere too."""
        free = [at for at, operation in enumerate(operations) if operation.kind not in ARRIVING]
        return self._random.choice(free) if free else None

    def _drop(self, operations: list[Operation]) -> None:
        at = self._place(operations)
        del operations[at : at + self._random.randint(1, 3)]

    def _move(self, operations: list[Operation]) -> None:
        at = self._some(operations)
        if at is not None:
            operation = operations.pop(at)
            operations.insert(self._place(operations), operation)

    def _repeat(self, operations: list[Operation]) -> None:
        at = self._some(operations)
        if at is not None:
            operations.insert(self._place(operations), operations[at])

    def _turn_to(self, operations: list[Operation]) -> None:
        """Another user, another connection, or another thread."""
        if not operations:
            return
        at = self._random.randrange(len(operations))
        operation = operations[at]
        connections = [op.connection for op in operations if op.kind == "connect"]
        user = self._random.choice(self._users)
        if operation.thread is not None and self._random.random() < 0.5:
            operations[at] = replace(operation, thread=user)
        elif operation.to is not None and operation.kind not in OF_ONESELF and self._random.random() < 0.5:
            operations[at] = replace(operation, to=user)
        elif operation.user is not None:
            operations[at] = replace(operation, user=user)
        elif operation.connection is not None and operation.kind not in ARRIVING and connections:
            operations[at] = replace(operation, connection=self._random.choice(connections))

    def _splice(self, operations: list[Operation]) -> None:
        """Go on as another kept program does, over the connections there are and its own."""
        other = self._random.choice(self._kept.things).operations
        operations[self._place(operations) :] = []
        there = [op.connection for op in operations if op.kind == "connect"]
        rest = other[self._random.randrange(len(other)) :]
        own = {op.connection: f"{op.connection}'" for op in rest if op.kind == "connect"}
        names: dict[str | None, str | None] = {None: None, **own}
        for operation in rest:
            if operation.connection not in names:
                names[operation.connection] = self._random.choice(there) if there else None
            if operation.connection is None or names[operation.connection] is not None:
                operations.append(replace(operation, connection=names[operation.connection]))


CHANGES: tuple[Callable[[Corpus, list[Operation]], None], ...] = (
    Corpus._drop,
    Corpus._move,
    Corpus._repeat,
    Corpus._turn_to,
    Corpus._splice,
)


def mend(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations that make sense where they stand, connections numbered as they appear."""
    logins = {op.connection: op for op in reversed(operations) if op.kind == "authenticate" and op.user is None}
    names: dict[str, str] = {}
    users: dict[str, str | None] = {}
    mended: list[Operation] = []

    def write(operation: Operation, **changes: str | None) -> None:
        mended.append(replace(operation, **changes))  # type: ignore[arg-type]

    for op in operations:
        if op.connection is None:
            write(op, to=op.user if op.kind in OF_ONESELF else op.to)
        elif op.kind == "connect":
            if op.connection not in names:
                name = names[op.connection] = f"c{len(names)}"
                users[op.connection] = op.user
                write(op, connection=name, token="valid" if op.token == op.user else op.token)
                if op.connection in logins:
                    token = logins[op.connection].token
                    write(logins[op.connection], connection=name, token="valid" if token == op.user else token)
        elif op.kind == "authenticate" and op.user is not None and op.connection in names:  # once more
            users[op.connection] = op.user
            write(op, connection=names[op.connection], token="valid" if op.token == op.user else op.token)
        elif op.kind != "authenticate" and op.connection in names:
            user = None if op.user is None else users[op.connection]
            to = user if op.kind in OF_ONESELF else op.to
            write(op, connection=names[op.connection], user=user, to=to)
    return tuple(mended)
