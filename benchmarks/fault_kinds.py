"""What targets do to whoever runs them: kinds of fault, each as a target's source."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

__all__ = ("FAULTS", "Fault", "source")

FOUND, NOTHING, CANNOT, EITHER = (1,), (0,), (2,), (0, 1)


@dataclass(frozen=True)
class Fault:
    """A kind of fault: what is done when an event goes to a user with two connections, or elsewhere, and what follows.

    ``codes`` are the exit codes that are right; ``before`` is source that stands before the target's class, ``made`` in
    its ``__init__``.
    """

    name: str
    words: str
    codes: tuple[int, ...]
    sent: str = "pass"
    before: str = ""
    made: str = "pass"


HEAD = """
import asyncio, atexit, builtins, ctypes, gc, os, random, re, resource, signal, sys, threading, time
from crosswire.fuzzer import Adapter, Policy

def injected():
    file = os.open(INJECTED, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, b".")
    os.close(file)

INJECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "injected")
"""

TARGET = """
class {name}(Adapter):
    policy = Policy(logs_out=False)

    def __init__(self):
        self.rooms = {{}}
{made}

    async def connect(self, client):
        self.rooms.setdefault(client.user, []).append(client.websocket)

    async def emit(self, event):
        for websocket in list(self.rooms.get(event.to, [])):
            try:
                await websocket.send_json(event.payload)
            except Exception:
                pass
        if len(self.rooms.get(event.to, [])) >= 2:
            injected()
{sent}

    async def disconnect(self, client):
        if client.websocket in self.rooms.get(client.user, []):
            self.rooms[client.user].remove(client.websocket)
"""


def source(fault: Fault) -> str:
    """Return the module of a target that has a fault."""
    sent, made = (indent(dedent(text).strip(), " " * by) for text, by in ((fault.sent, 12), (fault.made, 8)))
    return f"{HEAD}\n{dedent(fault.before)}\n{TARGET.format(name=fault.name, sent=sent, made=made)}"


EVIL = r"\x1b]0;PWNED\x07\x1b[2J<script>\x9b31m\n::error title=x::injected\n##[error]x"

FAULTS = (
    # what ends the process
    Fault("segv", "reads at address 0", FOUND, "ctypes.string_at(0)"),
    Fault("abort", "calls `os.abort()`", FOUND, "os.abort()"),
    Fault("sigkill", "kills itself with SIGKILL", FOUND, "os.kill(os.getpid(), signal.SIGKILL)"),
    Fault("sigterm", "kills itself with SIGTERM", FOUND, "os.kill(os.getpid(), signal.SIGTERM)"),
    Fault("sigusr1", "kills itself with SIGUSR1", FOUND, "os.kill(os.getpid(), signal.SIGUSR1)"),
    Fault("exit0", "calls `os._exit(0)`", FOUND, "os._exit(0)"),
    Fault("exit1", "calls `os._exit(1)`", FOUND, "os._exit(1)"),
    Fault("exit77", "calls `os._exit(77)`", FOUND, "os._exit(77)"),
    Fault(
        "thread_exit", "ends the process from a thread", FOUND, "threading.Thread(target=os._exit, args=(3,)).start()"
    ),
    # what is raised
    Fault("sys_exit", "calls `sys.exit(0)`", FOUND, "sys.exit(0)"),
    Fault("interrupt", "raises KeyboardInterrupt", FOUND, "raise KeyboardInterrupt"),
    Fault("base", "raises a BaseException of its own", FOUND, "raise type('Odd', (BaseException,), {})('odd')"),
    Fault("generator_exit", "raises GeneratorExit", EITHER, "raise GeneratorExit"),
    Fault("cancelled", "raises CancelledError", EITHER, "raise asyncio.CancelledError"),
    Fault("memory_error", "raises MemoryError", EITHER, "raise MemoryError"),
    Fault("recursion", "calls itself for ever", EITHER, "def f(): return f()\nf()"),
    Fault(
        "textless",
        "raises an exception whose `__str__` and `__repr__` raise",
        EITHER,
        "raise Odd",
        "class Odd(Exception):\n    def __str__(self): raise RuntimeError\n    __repr__ = __str__",
    ),
    Fault("long_text", "raises an exception with a text of 50 MB", EITHER, "raise ValueError('x' * 50_000_000)"),
    Fault(
        "long_name",
        "raises an exception whose class has a name of a megabyte",
        EITHER,
        "raise type('N' * 10**6, (Exception,), {})",
    ),
    Fault(
        "escapes",
        "raises what a terminal and a CI system obey",
        FOUND,
        "self.task = asyncio.create_task(self.bad())",
        f"""
        async def bad(self):
            raise type("E{EVIL}", (Exception,), {{}})("{EVIL}")
        """,
        "self.bad = lambda: bad(self)",
    ),
    Fault(
        "group",
        "raises groups of exceptions within each other",
        EITHER,
        """
        error = ValueError("x")
        for _ in range(2000): error = ExceptionGroup("g", [error])
        raise error
        """,
    ),
    # what hangs
    Fault("loop", "loops for ever", FOUND, "while True: pass"),
    Fault(
        "loop_deaf",
        "loops for ever, whatever is raised",
        FOUND,
        """
        while True:
            try:
                while True: pass
            except BaseException: pass
        """,
    ),
    Fault(
        "loop_unwatched",
        "takes the watcher's timer away, and loops",
        FOUND,
        """
        signal.setitimer(signal.ITIMER_REAL, 0)
        while True: pass
        """,
    ),
    Fault("c_call", "stays in one call of C for ever", FOUND, "re.match(r'(a+)+$', 'a' * 64 + 'b')"),
    Fault(
        "del_loop", "loops in a destructor", FOUND, "D()", "class D:\n    def __del__(self):\n        while True: pass"
    ),
    Fault(
        "atexit_loop",
        "leaves something that loops at the process' end",
        NOTHING,
        "atexit.register(endless)",
        "def endless():\n    while True: pass",
    ),
    # memory
    Fault(
        "memory", "fills its memory, little by little", FOUND, "keep = []\nwhile True: keep.append(bytearray(8 << 20))"
    ),
    Fault("memory_at_once", "asks for 4 GB at once", EITHER, "bytearray(4 << 30)"),
    # files
    Fault("closes_all", "closes all files", FOUND, "os.closerange(3, 400)"),
    Fault("closes_out", "closes its standard streams", NOTHING, "os.closerange(0, 3)"),
    Fault("no_stdout", "takes `sys.stdout` away", NOTHING, "sys.stdout = sys.stderr = None"),
    Fault(
        "prints", "prints 5 MB, and what a terminal obeys", NOTHING, f'os.write(1, b"{EVIL}")\nprint("x" * 5_000_000)'
    ),
    Fault(
        "garbage",
        "writes nonsense to whatever is open",
        FOUND,
        """
        for number in range(3, 60):
            try: os.write(number, b"\\0\\0\\0\\x04nope" * 3)
            except OSError: pass
        """,
    ),
    Fault(
        "chdir",
        "changes its folder, and removes it",
        NOTHING,
        "import tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    ),
    Fault("no_files", "may open no more files", EITHER, "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 4096))"),
    Fault("no_processes", "forks, and leaves the child behind", EITHER, "if not os.fork(): os._exit(0)"),
    Fault("children", "forks a child that hangs", EITHER, "if not os.fork():\n    while True: time.sleep(1)"),
    # what the process is
    Fault(
        "deaf",
        "ignores signals",
        EITHER,
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
        """,
    ),
    Fault(
        "alarm",
        "lets the watcher's signal end the process",
        FOUND,
        "signal.signal(signal.SIGALRM, signal.SIG_DFL)\nwhile True: pass",
    ),
    Fault("shallow", "allows hardly any recursion", EITHER, "sys.setrecursionlimit(60)"),
    Fault("traced", "sets a trace function that raises", EITHER, "sys.settrace(lambda *a: 1 / 0)"),
    Fault(
        "collects", "turns the collector on, and collects at every turn", NOTHING, "gc.enable(); gc.set_threshold(1)"
    ),
    Fault("no_print", "takes builtins away", NOTHING, "builtins.print = None; builtins.breakpoint = None"),
    Fault("no_exit", "puts something else in the place of `os._exit`", NOTHING, "os._exit = lambda code: None"),
    Fault("stops_loop", "stops the event loop", EITHER, "asyncio.get_running_loop().stop()"),
    Fault("closes_loop", "closes the event loop", EITHER, "asyncio.get_running_loop().close()"),
    Fault(
        "thread_loop",
        "starts a thread that loops",
        EITHER,
        "threading.Thread(target=endless, daemon=True).start()",
        "def endless():\n    while True: pass",
    ),
    # what makes executions differ
    Fault("counts", "counts over executions, and loses every 101st event", EITHER, "", "C = [0]", "C[0] += 1"),
    Fault("dice", "asks the kernel for random numbers", EITHER, "if os.urandom(1)[0] < 128: await asyncio.sleep(0)"),
    # what is wrong before anything is executed
    Fault("import_exits", "ends the program when it is imported", CANNOT, before="injected(); sys.exit(0)"),
    Fault("import_ends", "ends the process when it is imported", CANNOT, before="injected(); os._exit(0)"),
    Fault("import_segv", "reads at address 0 when it is imported", CANNOT, before="injected(); ctypes.string_at(0)"),
    Fault("import_loops", "loops when it is imported", CANNOT, before="injected()\nwhile True: pass"),
    Fault("import_raises", "raises when it is imported", CANNOT, before=f'injected(); raise ImportError("{EVIL}")'),
    Fault("init_exits", "ends the program when it is made", CANNOT, made="injected(); sys.exit(0)"),
)
