"""What can go wrong between a target and its world.

* `OutsideWorldError`: the target reached for something the world does not simulate.
* `TargetBlockedError`: the target kept the loop's thread busy and never gave it back.
* `Interrupted`: a person pressed Ctrl-C, which is none of the target's doing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.stacks import Place

__all__ = ("Interrupted", "OutsideWorldError", "TargetBlockedError")

POSTGRES = "point the application at SQLite (aiosqlite) for its tests, by its database's URL"
HTTP = 'say stand_ins=[HttpService("https://host", app)], where an ASGI application of yours answers'
SYNCHRONOUS = f"it would keep the loop's thread from everybody else; with httpx or aiohttp, {HTTP}"

NO_STAND_IN = (
    "there is no stand-in for what it talks to: put an object of your own in its place "
    "(await crosswire.fuzzer.latency(name) for the time that an answer takes)"
)

ADVICE = {
    "aio_pika": NO_STAND_IN,
    "aiohttp": HTTP,
    "aiokafka": NO_STAND_IN,
    "aiomysql": POSTGRES,
    "aiopg": POSTGRES,
    "aioredis": 'say stand_ins=[Redis("host")]',
    "asyncmy": POSTGRES,
    "asyncpg": POSTGRES,
    "beanie": NO_STAND_IN,
    "httpcore": HTTP,
    "httpx": HTTP,
    "motor": NO_STAND_IN,
    "psycopg": POSTGRES,
    "psycopg2": POSTGRES,
    "pymongo": NO_STAND_IN,
    "redis": 'say stand_ins=[Redis("host")]',
    "requests": SYNCHRONOUS,
    "sqlalchemy": POSTGRES,
    "tornado": HTTP,
    "urllib3": SYNCHRONOUS,
    "valkey": 'say stand_ins=[Redis("host")]',
}
"""What takes the place of the machine that a library talks to, by the library's package."""

SERVER = "say stand_ins=[LineServer(host, port, answer)], or start a server of your own in the application's module"

OTHERWISE = {"socket": SERVER, "loop": SERVER}
"""The same for calls of no library that is known, by what the call begins with."""

AT_ALL = (
    "put an object of your own in its place (await crosswire.fuzzer.latency(name) for the time that an answer takes)"
)


class OutsideWorldError(RuntimeError):
    """The target reached outside the world: ``call`` is what it called, ``place`` where, ``library`` through what.

    Of several ``libraries``, that is the outermost that is known to talk to machines, or else the outermost.
    """

    def __init__(self, call: str, place: Place | None = None, libraries: Sequence[str] = ()) -> None:
        library = next((name for name in libraries if name in ADVICE), libraries[0] if libraries else "")
        where = f" in {place}" if place else ""
        through = f" through {library}" if library else ""
        advice = ADVICE.get(library) or OTHERWISE.get(call.partition(".")[0], AT_ALL)
        super().__init__(
            f"the target called {call}{where}{through}, which reaches outside the deterministic world; {advice}"
        )
        self.call = call
        self.place = place
        self.library = library


class TargetBlockedError(BaseException):
    """The target kept the event loop's thread; ``where`` it was seen at, after so many seconds.

    ``waiting`` says that these are real seconds in which it did nothing; else they are seconds of processor time.
    A `BaseException`, so that a target's ``except Exception`` cannot swallow it.
    """

    def __init__(self, where: Place, seconds: float, waiting: bool = False) -> None:
        spent = "waited for" if waiting else "took"
        super().__init__(f"the target blocked the event loop: it {spent} more than {seconds:g} s, in {where}")
        self.where = where
        self.seconds = seconds
        self.waiting = waiting


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as the engine raises it: a plain `KeyboardInterrupt` inside an execution is raised by the target."""
