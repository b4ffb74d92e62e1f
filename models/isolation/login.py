"""Authentication: a connection is who its token says."""

from __future__ import annotations

from collections.abc import Iterator

from ...fuzzer.core.history import RowKind
from . import violations as v
from .index import HistoryIndex
from .verdicts import Breach, Check, rows_of

__all__ = ("CHECKS",)


def tokens(index: HistoryIndex) -> Iterator[Breach]:
    """A login with a bad token fails, and one with a good token comes out as the user whose token it is."""
    for act in index.invocations.values():
        if act.op.kind not in ("connect", "authenticate") or not act.went_well:
            continue
        c = index.session(act)
        rows, said = rows_of(act.began, act.ended), act.detail
        tells = index.tells_identity and c.login.may_from == act.began and index.promised(c)
        if act.op.token in ("invalid", "expired") and (said is not None or act.op.kind == "connect"):
            found: v.Violation = v.BadTokenAccepted(
                f"{c.name} logged in with an {act.op.token} token", act.op.token, rows
            )
        elif tells and isinstance(said, str) and c.identity not in (None, said):
            message = f"{c.name} showed {c.identity}'s token, and its login came out as {said}"
            found = v.WrongIdentity(message, "login", rows)
        else:
            continue
        yield Breach(found, act.began, act.ended, act=act, connection=c)


def taken_for(index: HistoryIndex) -> Iterator[Breach]:
    """An operation of the target's own that says whom it is done for is done for whoever does it."""
    for act in index.invocations.values():
        own = index.own(act)
        if own is None or own.returns != "user" or not isinstance(act.detail, str) or act.finished != RowKind.RETURNED:
            continue
        c = index.connections.get(act.op.connection or "")
        known = c.identity if c is not None else act.op.user
        if act.detail != known and (c is None or c.login.must(act.began, act.ended)):
            whose = f"{c.name} of {known}" if c is not None else str(known)
            message = f"{own.name} was done for {act.detail}, and it was {whose} that did it"
            yield Breach(
                v.WrongIdentity(message, own.name, rows_of(act.began, act.ended)),
                act.began,
                act.ended,
                act=act,
                connection=c,
            )


CHECKS = (Check(tokens), Check(taken_for))
