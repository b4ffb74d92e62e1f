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
    Fault("no_processes", "forks, and leaves the child behind", CANNOT, "if not os.fork(): os._exit(0)"),
    Fault("children", "forks a child that hangs", CANNOT, "if not os.fork():\n    while True: time.sleep(1)"),
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
    # what is done to Python and its libraries
    Fault(
        "no_len",
        "replaces builtins that everything uses",
        EITHER,
        "builtins.len = builtins.isinstance = lambda *a: 1 / 0",
    ),
    Fault(
        "no_open",
        "replaces `open` and `__import__`",
        EITHER,
        "builtins.open = builtins.__import__ = lambda *a, **k: 1 / 0",
    ),
    Fault("no_modules", "forgets all modules", EITHER, "sys.modules.clear()"),
    Fault("no_path", "empties the path of modules", EITHER, "sys.path[:] = []; sys.meta_path[:] = []"),
    Fault(
        "import_hook",
        "has every import raise",
        EITHER,
        "sys.meta_path.insert(0, Hook())",
        "class Hook:\n    def find_spec(self, *a, **k): raise SystemExit(0)",
    ),
    Fault(
        "time_raises",
        "has every clock raise",
        EITHER,
        "time.monotonic = time.time = time.perf_counter = lambda: 1 / 0",
    ),
    Fault(
        "seeded", "puts something else in the place of `random.Random`", EITHER, "random.Random = random.seed = None"
    ),
    Fault("no_json", "breaks `json`", EITHER, "import json; json.dumps = json.loads = lambda *a, **k: 1 / 0"),
    Fault("no_pickle", "breaks `pickle`", EITHER, "import pickle; pickle.loads = pickle.dumps = None"),
    Fault(
        "no_os",
        "breaks `os.write`, `os.read` and `os.fork`",
        EITHER,
        "os.write = os.read = os.fork = lambda *a: 1 / 0",
    ),
    Fault(
        "no_signals",
        "puts something else in the place of `signal.signal`",
        EITHER,
        "signal.signal = signal.setitimer = lambda *a: 1 / 0",
    ),
    Fault("profiled", "sets a profile function that raises", EITHER, "sys.setprofile(lambda *a: 1 / 0)"),
    Fault(
        "hooks",
        "sets hooks for what nobody catches that end the process",
        EITHER,
        "sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *a: os._exit(9)",
    ),
    Fault(
        "del_raises",
        "leaves objects whose destructors raise",
        EITHER,
        "for _ in range(100): D()",
        "class D:\n    def __del__(self): raise SystemExit(3)",
    ),
    Fault(
        "faulthandler",
        "turns the fault handler off, and crashes",
        FOUND,
        "import faulthandler; faulthandler.disable(); ctypes.string_at(0)",
    ),
    Fault(
        "dump_later",
        "has the fault handler end the process later",
        EITHER,
        "import faulthandler; faulthandler.dump_traceback_later(0.05, exit=True)",
    ),
    Fault("warnings", "makes errors of warnings", EITHER, "import warnings; warnings.simplefilter('error')"),
    Fault(
        "silent_logs",
        "turns logging off",
        NOTHING,
        "import logging; logging.disable(logging.CRITICAL); logging.shutdown()",
    ),
    Fault(
        "locale",
        "changes locale, umask, time zone and environment",
        EITHER,
        (
            "import locale; locale.setlocale(locale.LC_ALL, 'C'); os.umask(0o777); os.environ.clear(); "
            "os.environ['TZ'] = 'Asia/Kathmandu'; time.tzset()"
        ),
    ),
    Fault(
        "policy",
        "sets a policy of event loops that has none",
        EITHER,
        (
            "asyncio.set_event_loop_policy(type('P', (asyncio.DefaultEventLoopPolicy,), "
            "{'get_event_loop': None, 'new_event_loop': None})())"
        ),
    ),
    Fault("no_loop", "says that there is no running loop", EITHER, "asyncio._set_running_loop(None)"),
    Fault("group_killed", "kills its process group", FOUND, "os.killpg(0, signal.SIGKILL)"),
    Fault(
        "parent_signals",
        "sends SIGUSR1 to a thread of its own",
        FOUND,
        "signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)",
    ),
    Fault(
        "no_cpu",
        "limits its processor time to a second, and computes",
        FOUND,
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass",
    ),
    Fault("no_size", "may write no more bytes to files", EITHER, "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"),
    Fault(
        "all_files",
        "opens files until there are no more",
        EITHER,
        (
            "self.files = []\ntry:\n    while True: self.files.append(os.open('/dev/null', os.O_RDONLY))\n"
            "except OSError: pass"
        ),
    ),
    Fault(
        "session",
        "forks a child in a session of its own that outlives it, and ends",
        CANNOT,
        "if not os.fork():\n    os.setsid(); time.sleep(5); os._exit(0)\nos._exit(0)",
    ),
    Fault(
        "threads",
        "starts many threads that outlive executions",
        EITHER,
        "for _ in range(50): threading.Thread(target=time.sleep, args=(30,), daemon=True).start()",
    ),
    Fault("thread_raises", "starts a thread that raises", EITHER, "threading.Thread(target=lambda: 1 / 0).start()"),
    Fault(
        "pool",
        "starts processes by multiprocessing",
        CANNOT,
        "import multiprocessing; p = multiprocessing.get_context('fork').Process(target=int); p.start(); p.join()",
    ),
    Fault(
        "odd_frame",
        "sends frames of objects that raise whatever is done",
        EITHER,
        "for ws in self.rooms[event.to]:\n    try: await ws.send_json({'x': Odd()})\n    except Exception: pass",
        (
            "class Odd(dict):\n    def __eq__(self, o): raise SystemExit\n"
            "    def __repr__(self): raise SystemExit\n"
            "    __hash__ = __str__ = __iter__ = __len__ = items = keys = __repr__"
        ),
    ),
    Fault(
        "deep_frame",
        "sends frames that hold themselves, or are nested deeply",
        EITHER,
        (
            "for ws in self.rooms[event.to]:\n    deep = []\n    for _ in range(100_000): deep = [deep]\n"
            "    round_ = {}; round_['x'] = round_\n    for value in (deep, round_):\n"
            "        try: await ws.send_json(value)\n        except (ValueError, RecursionError): pass\n"
            "    await ws.send_text('[' * 100_000)"
        ),
    ),
    Fault(
        "huge_frame",
        "sends frames of 20 MB",
        EITHER,
        "for ws in self.rooms[event.to]: await ws.send_text('x' * 20_000_000)",
    ),
    Fault(
        "odd_text",
        "sends lone surrogates and null characters",
        EITHER,
        "for ws in self.rooms[event.to]: await ws.send_text('\\ud800\\x00\\x1b[2J')",
    ),
    Fault(
        "str_class",
        "raises texts of a class of its own",
        EITHER,
        "raise ValueError(Text('x'))",
        (
            "class Text(str):\n    def __str__(self): raise SystemExit\n"
            "    __repr__ = __len__ = __iter__ = __getitem__ = encode = __str__"
        ),
    ),
    Fault(
        "cause_ring",
        "raises exceptions that are each other's cause",
        EITHER,
        "a, b = ValueError('a'), ValueError('b'); a.__cause__ = b; b.__cause__ = a; raise a",
    ),
    Fault(
        "meta",
        "raises an exception whose class has no name",
        EITHER,
        "raise Odd()",
        (
            "class M(type):\n    @property\n    def __name__(cls): raise SystemExit\n"
            "class Odd(Exception, metaclass=M): pass"
        ),
    ),
    Fault(
        "class_lies",
        "raises an exception that lies about its class",
        EITHER,
        "raise Odd('x')",
        (
            "class Odd(Exception):\n    __class__ = property(lambda self: 1 / 0)\n"
            "    def __getattribute__(self, name): raise SystemExit"
        ),
    ),
    Fault(
        "eats_frames",
        "reads and changes the caller's variables",
        EITHER,
        "f = sys._getframe()\nwhile f.f_back: f = f.f_back; f.f_trace = None\ngc.get_objects()",
    ),
    Fault(
        "gc_freeze",
        "switches off the collector for ever, by its own name",
        EITHER,
        "gc.disable(); gc.freeze(); gc.collect = None",
    ),
    Fault(
        "rmtree",
        "deletes what is beside it",
        (*EITHER, *CANNOT),
        (
            "import shutil; "
            "shutil.rmtree(os.path.join(os.path.dirname(INJECTED), '__pycache__'), ignore_errors=True); "
            "os.path.exists(__file__) and os.remove(__file__)"
        ),
    ),
    Fault("fork_bomb", "forks three times, and all go on", CANNOT, "for _ in range(3): os.fork()"),
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
