"""PostgreSQL as a local process: data folder, TLS 1.3, host rules, and the superuser's way in.

Roles and databases are `databases`'. It must never run as root, and never listen beyond the loopback (02.2, 03.2).
"""

import asyncio
import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import TypeAlias

import asyncpg

from stack import bao, private_file
from stack.program import NotReady, Program
from stack.settings import Stack, StackError, tool

# asyncpg is generic for type checkers alone.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

USER = "postgres"  # Debian's own user, when the stack runs as root
_BINARIES = ("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin")

# The superuser comes in by the bootstrap's certificate only. Everybody else is a short-lived user of OpenBao's with a
# certificate of ours, and roles.sql says into which database; the issuer of those users stays out of the services'.
_HOSTS = """\
# type   database  user            address       method
hostssl  all       postgres        127.0.0.1/32  cert map=superuser
hostssl  postgres  openbao_issuer  127.0.0.1/32  scram-sha-256 clientcert=verify-ca
hostssl  all       openbao_issuer  127.0.0.1/32  reject
hostssl  all       all             127.0.0.1/32  scram-sha-256 clientcert=verify-ca
"""
_IDENTS = "superuser  bootstrap  postgres\n"

_CONFIGURATION = """\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
dynamic_shared_memory_type = posix
password_encryption = scram-sha-256
# A caller who hangs up does not keep a session busy: closed connections are noticed in mid-statement.
client_connection_check_interval = '500ms'
timezone = 'UTC'
log_timezone = 'UTC'

ssl = on
ssl_min_protocol_version = 'TLSv1.3'
ssl_cert_file = '{identity}/identity.pem'
ssl_key_file = '{identity}/identity.pem'
ssl_ca_file = '{identity}/ca.pem'

# Nothing a guest said may reach the log: no statement, no parameter, and no DETAIL, which quotes rows.
log_destination = 'stderr'
logging_collector = off
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_statement = 'none'
"""


def prepare(stack: Stack) -> None:
    """Make the data folder (once) and write the configuration; the server's certificate comes from OpenBao."""
    place = home(stack)
    data = place / "data"
    if not (data / "PG_VERSION").exists():
        _initialise(place)
    private_file.write_if_changed(data / "pg_hba.conf", _HOSTS)
    private_file.write_if_changed(data / "pg_ident.conf", _IDENTS)
    identity = stack.identity("postgres").resolve()
    private_file.write_if_changed(
        data / "postgresql.conf", _CONFIGURATION.format(port=stack.port_of("postgres"), identity=identity)
    )
    _forget_dead_postmaster(data)


def program(stack: Stack) -> Program:
    """The server process."""
    data = stack.folder("postgres").resolve() / "data"
    return Program(
        name="postgres",
        command=[binary("postgres"), "-D", str(data)],
        ready=lambda: _ready(stack),
        user=_user(),
        stop_signal="INT",  # fast: sessions are ended, not waited for
        configuration=(data / "postgresql.conf", data / "pg_hba.conf", data / "pg_ident.conf"),
    )


def binary(name: str) -> str:
    """A server program of PostgreSQL; Debian keeps them off the path."""
    for folder in _BINARIES:
        if (Path(folder) / name).exists():
            return str(Path(folder) / name)
    return tool(name, hint="install the package postgresql-15 (`make up` does)")


async def superuser(stack: Stack, database: str = "postgres") -> Connection:
    """A connection as superuser, with the bootstrap's certificate. For `up` and for tests; close it after use."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=stack.port_of("postgres"),
        user="postgres",
        database=database,
        ssl=bao.tls(stack),
        timeout=5,
    )


def wipe(stack: Stack) -> None:
    """Delete the data folder, wherever it is."""
    link = stack.folder("postgres")
    if link.is_symlink() and link.resolve() == _outside(stack):
        shutil.rmtree(_outside(stack), ignore_errors=True)


async def _ready(stack: Stack) -> None:
    try:
        connection = await superuser(stack)
        await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError):
            raise
        raise NotReady(f"no session on port {stack.port_of('postgres')} ({type(error).__name__}: {error})") from error


def _user() -> str | None:
    return USER if os.geteuid() == 0 else None


def home(stack: Stack) -> Path:
    """The server's own folder, with the folder of its certificate; its user must be able to walk there."""
    private_file.folder(stack.run / "identity", mode=0o711)
    link, identity = stack.folder("postgres"), stack.identity("postgres")
    user = _user()
    if user is None:
        private_file.folder(identity)
        return private_file.folder(link)
    if not link.is_symlink() and _can_walk(user, stack.run):
        for folder in (link, identity):
            private_file.folder(folder)
            _give(folder, user)
        return link
    outside = _outside(stack)
    _own(outside, user)
    (outside / "identity").mkdir(exist_ok=True)
    _give(outside / "identity", user)
    for at, target in ((link, outside), (identity, outside / "identity")):
        if not at.is_symlink():
            at.symlink_to(target)
    note = f"PostgreSQL runs as the user {user}, who cannot enter {stack.run}: its data is in {outside}\n"
    private_file.write_if_changed(stack.run / "postgres.txt", note, mode=0o644)
    return outside


def _outside(stack: Stack) -> Path:
    digest = hashlib.sha256(str(stack.run.resolve()).encode()).hexdigest()[:12]
    return Path("/var/tmp") / f"konci-{digest}"  # noqa: S108 - made with mkdir, owner checked below


def _own(folder: Path, user: str) -> None:
    """Make a folder in a place that is open to all; one that somebody else put there is refused."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if folder.is_symlink() or folder.stat().st_uid != pwd.getpwnam(user).pw_uid:
            message = f"{folder} is not this stack's: delete it, or choose another KONCI_RUN"
            raise StackError(message) from None
    _give(folder, user)


def _give(folder: Path, user: str) -> None:
    account = pwd.getpwnam(user)
    folder.chmod(0o700)
    # A certificate may have been put here before the folder was this user's.
    for path in (*folder.glob("*.pem"), folder):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _can_walk(user: str, folder: Path) -> bool:
    return subprocess.run([*_as(user), "test", "-x", str(folder)], check=False, cwd="/").returncode == 0


def _as(user: str | None) -> list[str]:
    if user is None:
        return []
    setpriv = tool("setpriv", hint="install the package util-linux")
    return [setpriv, f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups", "--"]


def _initialise(home: Path) -> None:
    """Make it beside, then rename: an interrupted first start leaves no half-made data folder."""
    aside = home / "data.new"
    if (home / "data").exists():
        (home / "data").rmdir()  # an empty folder only; anything else is for a person to look at
    shutil.rmtree(aside, ignore_errors=True)
    options = ["--data-checksums", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    rules = ["--auth-local=reject", "--auth-host=reject"]
    command = [*_as(_user()), binary("initdb"), "-D", str(aside), *options, *rules]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, check=False, cwd=home, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        message = f"PostgreSQL's data folder could not be made ({reason}): free space or rights in {home}"
        raise StackError(message)
    aside.rename(home / "data")


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a postmaster.pid whose number now belongs to something else (after a reboot): it would block the start."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split(maxsplit=1)[0])
        alive = Path(f"/proc/{pid}/cwd").resolve() == data.resolve()
    except (FileNotFoundError, ValueError, IndexError):
        alive = False
    if not alive:
        lock.unlink(missing_ok=True)
