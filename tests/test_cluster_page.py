"""The how-to in docs/cluster.md works as it stands: a scheduler, two nodes, a module sent there, a campaign."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parent.parent / "docs" / "cluster.md").read_text(encoding="utf-8")
PORT = "8786"

COMMANDS = {"crosswire": "crosswire.fuzzer", "dask": "dask", "python": ""}


def test_the_page_works_as_it_stands(tmp_path: Path) -> None:
    commands, folder = tmp_path / "commands", tmp_path / "project"
    for made in (commands, folder):
        made.mkdir()
    for name, module in COMMANDS.items():
        file = commands / name
        file.write_text(f'#!/bin/sh\nexec "{sys.executable}" {f"-m {module}" if module else ""} "$@"\n')
        file.chmod(0o755)
    (target,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "chat.py").write_text(target)
    script = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    assert script.count(PORT) == 5
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ending = "trap 'kill $(jobs -p); wait' EXIT\n"
    with open(tmp_path / "err", "wb") as err_file:
        done = subprocess.run(
            ["bash", "-e", "-c", ending + script.replace(PORT, str(port))],
            cwd=folder,
            env={**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=err_file,
            text=True,
            timeout=600,
        )
    err = (tmp_path / "err").read_text()
    assert done.returncode == 1, err
    assert re.search(r"^1 bug\b", done.stdout, re.MULTILINE)
    assert "chat:Chat: the cluster runs 2 rounds at a time, on 2 workers" in err
    assert "400 executions in" in err
    assert "has the target's source" not in err
