"""A PostgreSQL server of the tests' own: made in a temporary folder, gone when they end.

PostgreSQL's programs are found on PATH or where Debian puts them. It refuses to run as root:
started by root, it runs as `postgres` or `nobody`, in a folder of theirs.
"""

import getpass
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.requirements import skip_or_fail

START_SECONDS = 60.0
USER = "watchword"
GUARDED = "guarded"  # a user who needs a password; all others are trusted
PASSWORD = "hunter2"

_MEMORY = "/dev/shm"
_ROOM = 1 << 30

# Nothing here outlives the tests: what makes it safe is left out
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "64MB",
    "dynamic_shared_memory_type": "mmap",  # in the folder, and so gone with it
    "autovacuum": "off",
}
_ACCESS = f"local all {GUARDED} scram-sha-256\nlocal all all trust\n"


class PostgresServer:
    """A running server; `database` makes an empty one, or a copy of another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    def url(self, database: str, user: str = USER) -> str:
        """Where Watchword finds a database of this server."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}"

    def execute(self, statement: str, *names: str, database: str = "postgres") -> None:
        """Run a statement; `{}` in it stand for names."""
        with self.connect(database) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection beside Watchword's."""
        return psycopg.connect(host=str(self.folder), dbname=database, user=USER, autocommit=True)

    @contextmanager
    def database(self, template: str = "template0", options: str = "") -> Iterator[str]:
        """A database of its own for as long as the block lasts; its name."""
        name = f"watchword_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {{}} TEMPLATE {{}} {options}", name, template)
        try:
            yield name
        finally:
            self.execute("DROP DATABASE {} WITH (FORCE)", name)

    def cut(self, database: str) -> None:
        """End all connections to a database and let nobody in, until `mend`."""
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", database)
        self.drop_connections(database)

    def mend(self, database: str) -> None:
        """Let everybody in again."""
        self.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", database)

    def drop_connections(self, database: str) -> None:
        """End all connections to a database; it takes new ones."""
        with self.connect("postgres") as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                (database,),
            )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for as long as the block lasts; skips the test where there is no PostgreSQL."""
    programs = _programs()
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="watchword-pg-", dir=_memory()))
    shutil.chown(folder, owner)
    try:
        _make(programs, folder, owner)
        server = PostgresServer(folder)
        with _running(programs, folder, owner, server):
            server.execute(f"CREATE USER {GUARDED} PASSWORD '{PASSWORD}'")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str | None:
    """A folder in memory with room enough: making databases writes a lot of files."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM else None
    except OSError:
        return None


def _programs() -> Path:
    """The folder of `initdb` and `postgres`."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        skip_or_fail("postgres", "neither initdb on PATH nor /usr/lib/postgresql/*/bin")
    return installed[-1].parent


def _owner() -> str:
    if os.geteuid() != 0:
        return getpass.getuser()
    known = {entry.pw_name for entry in pwd.getpwall()} & {"postgres", "nobody"}
    if not known:
        skip_or_fail("postgres", "it does not run as root, and there is no other user here")
    return max(known)


def _make(programs: Path, folder: Path, owner: str) -> None:
    options = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-sync")
    done = subprocess.run(
        [programs / "initdb", "--pgdata", folder / "data", "--locale=C", *options],
        **_as(owner, folder),
    )
    if done.returncode != 0:
        skip_or_fail("postgres", f"initdb failed: {done.stdout}")
    (folder / "data" / "pg_hba.conf").write_text(_ACCESS)


@contextmanager
def _running(programs: Path, folder: Path, owner: str, server: PostgresServer) -> Iterator[None]:
    settings: Sequence[str] = [
        part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")
    ]
    command = [programs / "postgres", "-D", folder / "data", "-k", folder, *settings]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=owner if os.geteuid() == 0 else None,
        )
    try:
        _wait(process, server, folder / "log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", server: PostgresServer, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.connect("postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                skip_or_fail("postgres", f"it does not start: {log.read_text()}")
            time.sleep(0.05)
        else:
            return


def _as(owner: str, folder: Path) -> dict[str, object]:
    return {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "cwd": folder,
        "user": owner if os.geteuid() == 0 else None,
    }
