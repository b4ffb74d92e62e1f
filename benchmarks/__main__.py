"""The whole suite: ``python -m benchmarks`` runs every benchmark in turn, or those named.

    python -m benchmarks [--json FOLDER] [--plots FOLDER] [--quick] [NAME ...]

Each is a command of its own as well, ``python -m benchmarks.<name> --help``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SUITE = ("speed", "strategies", "peers", "defects", "silent", "kills")
PLAIN = ("kills",)
"""Those without figures to write or draw."""


def main() -> None:
    """Run them one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SUITE)}; all of them unless named")
    parser.add_argument("--json", metavar="FOLDER", type=Path, help="write the figures as JSON files")
    parser.add_argument("--plots", metavar="FOLDER", type=Path, help="draw pictures")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: to see that they run")
    options = parser.parse_args()
    unknown = set(options.names) - set(SUITE)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    failed = []
    for name in options.names or SUITE:
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if name in PLAIN:
            command += ["--kills", "3"] if options.quick else []
        else:
            command += ["--quick"] if options.quick else []
            command += ["--plots", str(options.plots)] if options.plots else []
            if options.json:
                options.json.mkdir(parents=True, exist_ok=True)
                command += ["--json", str(options.json / f"{name}.json")]
        print(f"\n## {' '.join(command[1:])}\n", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
