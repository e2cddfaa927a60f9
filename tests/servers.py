"""Real servers for tests: PostgreSQL of the system, in a temporary folder that is removed at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
OPTIONS = "-c listen_addresses='' -c fsync=off -c full_page_writes=off -c shared_buffers=32MB -c max_connections=40"


class PostgreSQL:
    """A running server that listens on a socket in `folder`, and creates a new database for each test."""

    def __init__(self, folder: Path, control: Callable[[str], None] = lambda action: None) -> None:
        """`control` starts or stops the server: `start`, `stop`."""
        self.folder = folder
        self.control = control
        self._names = (f"test{number}" for number in count())

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        """URL of a new database, a copy of `template`, to which nothing may be connected."""
        name = next(self._names)
        self.execute(f"create database {name} template {template} encoding 'UTF8' locale 'C'")
        return self.url(name)

    def reader_url(self, url: str) -> str:
        """URL of the same database for a role that may read its catalog and nothing else."""
        from db.maintain.grant_reader import grant_reader

        grant_reader(url, "reader", apply=True)
        return url.replace("//postgres@", "//reader@")

    def execute(self, sql: str, database: str = "postgres") -> Any:
        import psycopg

        with psycopg.connect(f"host={self.folder} user=postgres dbname={database}", autocommit=True) as connection:
            return connection.execute(sql)


def postgresql_binaries() -> Path | None:
    """The folder with initdb and pg_ctl; None where PostgreSQL is not installed."""
    found = [
        match for pattern in FOLDERS for match in sorted(Path("/").glob(pattern[1:])) if (match / "initdb").exists()
    ]
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).parent if on_path and shutil.which("pg_ctl") else None


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server for the duration of the block; skips the test where PostgreSQL or psycopg is not installed."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgres]'")
    binaries = postgresql_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server on this machine: apt-get install postgresql")
    with _running(binaries, "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N") as server:
        yield server


@contextmanager
def running_standby(primary: PostgreSQL) -> Iterator[PostgreSQL]:
    """A hot standby that streams from `primary`, whose databases it has as they are when the block begins."""
    binaries = postgresql_binaries()
    assert binaries is not None
    words = ("-h", str(primary.folder), "-U", "postgres", "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
    with _running(binaries, "pg_basebackup", *words) as standby:
        yield standby


@contextmanager
def _running(binaries: Path, maker: str, *options: str) -> Iterator[PostgreSQL]:
    """A server for the duration of the block, whose files the program `maker` makes."""
    user = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="hf-catalog-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        run(binaries / maker, "-D", folder / "data", *options, user=user)
        settings = f"{OPTIONS} -c unix_socket_directories='{folder}'"

        def control(action: str) -> None:
            words = ("-o", settings, "-l", folder / "log") if action == "start" else ("-m", "immediate")
            run(binaries / "pg_ctl", "-D", folder / "data", "-w", *words, action, user=user)

        control("start")
        try:
            yield PostgreSQL(folder, control)
        finally:
            control("stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_of(url: str) -> str:
    """The name of the database in a URL of `PostgreSQL.url`."""
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def running_pgbouncer(server: PostgreSQL) -> Iterator[PostgreSQL]:
    """pgbouncer in transaction mode before a server, with two connections for all clients and no settings of ours."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        pytest.skip("no pgbouncer on this machine: apt-get install pgbouncer")
    user = "postgres" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="hf-catalog-pool-"))
    try:
        users, settings = folder / "users.txt", folder / "pgbouncer.ini"
        users.write_text('"postgres" ""\n', encoding="utf-8")
        settings.write_text(
            f"[databases]\n* = host={server.folder}\n[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 5432\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\ndefault_pool_size = 2\n",
            encoding="utf-8",
        )
        if user is not None:
            shutil.chown(folder, user)
        process = subprocess.Popen(
            [program, "-q", settings], user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            while not (folder / ".s.PGSQL.5432").exists():
                assert process.poll() is None, "pgbouncer did not start"
                time.sleep(0.01)
            yield PostgreSQL(folder)
        finally:
            process.terminate()
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(*command: str | Path, user: str | None) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # the server inherits it, so a pipe would never be closed
        stderr=subprocess.PIPE if "initdb" in str(command[0]) else subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        why = (done.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{Path(command[0]).name} failed with {done.returncode}: {' '.join(why)}")
