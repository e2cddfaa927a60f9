"""`hf-catalog` for tests that run many commands: each one runs in a fork of a process that has imported the program.

Most of what a short command takes is imports. A fork has the arguments, environment, folder, streams and signals of the
program that its client stands for. huggingface_hub is left to the fork, since it reads the environment when imported.
Tests of starting, of imports and of killing start the program itself.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.environment import user_environment

PRELOADED_PACKAGES = ("db", "analysis")
PRELOADED_MODULES = ("click", "rich.progress", "rich.table", "httpx2", "pandas", "alembic.command")
NOT_PRELOADED = ("db.migrations", "huggingface_hub")

ROOT = Path(__file__).resolve().parents[1]

START = "import sys; sys.path.append(sys.argv[1]); from tests.forked_program import serve; serve(sys.argv[2])"

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
sent = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(server, [len(sent).to_bytes(8, "big")], [0, 1, 2])
server.sendall(sent)
answers = server.makefile("rb")
process = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(process, number))
os.close(0), os.close(1), os.close(2)  # so that a pipe ends with the program
os._exit(int(answers.readline() or 255))
"""


@lru_cache(maxsize=1)
def forked_program() -> Path:
    """An executable `hf-catalog` whose commands run in forks of one process, which ends with this one."""
    folder = Path(mkdtemp(prefix="hf-catalog-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address, program = folder / "socket", folder / "bin" / "hf-catalog"
    program.parent.mkdir()
    program.write_text(CLIENT.format(python=sys.executable, address=str(address)), encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-P", "-c", START, str(ROOT), str(address)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=user_environment())
    atexit.register(process.communicate)  # closes its standard input, which ends it
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    return program


def serve(address: str) -> None:
    """Forks for each client until its parent ends."""
    preload()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children need not be waited for
        while listener in select.select([listener, sys.stdin], [], [])[0]:  # standard input ends with the parent
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run_fork(client)
            client.close()


def preload() -> None:
    for name in PRELOADED_MODULES:
        importlib.import_module(name)
    for package in PRELOADED_PACKAGES:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not found.name.startswith(NOT_PRELOADED):
                with suppress(ImportError):  # of an extra
                    importlib.import_module(found.name)
    assert "huggingface_hub" not in sys.modules


def run_fork(client: socket.socket) -> None:
    """Becomes the program that a client stands for."""
    status = 1
    try:
        length, streams, _, _ = socket.recv_fds(client, 8, 3)
        sent = b""
        while len(sent) < int.from_bytes(length, "big"):
            sent += client.recv(1 << 16)
        words, environment, folder = json.loads(sent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        client.sendall(b"%d\n" % os.getpid())
        take_place(environment, folder, streams)
        status = run(words)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):
            client.sendall(b"%d\n" % status)
        os._exit(status)


def take_place(environment: dict[str, str], folder: str, streams: Sequence[int]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    time.tzset()
    random.seed()
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115


def run(words: Sequence[str]) -> int:
    """Runs the program to its end, as the interpreter would; its exit status."""
    from crawler.cli import main

    status: Any = 0
    sys.argv = ["hf-catalog", *words]
    try:
        main()
    except SystemExit as end:
        status = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the end of an interpreter does
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    return int(status)
