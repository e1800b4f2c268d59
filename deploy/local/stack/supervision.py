"""supervisord for this stack: its configuration, its life, and what it says about each program.

It restarts and logs; order and readiness are `up`'s. It must never be asked for anything over the network: its socket
is a 0700 file in the run folder.
"""

import hashlib
import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from stack import private_file, process
from stack.program import Program
from stack.settings import Stack, StackError, tool

# What a child sees of the caller's environment; an operator's shell may hold secrets that are none of its business.
_INHERITED = ("HOME", "LANG", "PATH", "JAVA_HOME", "XDG_CACHE_HOME", "KONCI_OTLP")

# Leaves the stat line as pid file, then becomes the program: same process id, same start time. setpriv comes last, so
# that the kernel ends the program when supervisord dies by kill -9, under whatever user it runs.
_LAUNCH = 'read -r line </proc/$$/stat && printf "%s\\n" "$line" >"$0" && exec "$@"'

_CONFIGURATION = """\
[supervisord]
nodaemon=false
pidfile={run}/supervisord.pid
logfile={run}/log/supervisord.log
logfile_maxbytes=10MB
logfile_backups=1
loglevel=info
directory={run}
umask=077

[unix_http_server]
file={run}/supervisord.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{run}/supervisord.sock

[include]
files=supervisor.d/*.conf
"""

_PROGRAM = """\
[program:{name}]
command={command}
environment={environment}
stdout_logfile={log}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
redirect_stderr=true
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
stopasgroup=false
killasgroup=true
priority={priority}
"""


class Supervisor:
    """One stack's supervisord, running or not."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._socket = stack.run / "supervisord.sock"

    def running(self) -> bool:
        """Whether it answers."""
        try:
            self._call("getState")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def ensure(self) -> list[str]:
        """Start it unless it runs. Ends what a killed predecessor left behind first; the names of those."""
        if self.running():
            return []
        ended = self._clear()
        run = self._stack.run
        private_file.write_if_changed(run / "supervisord.conf", _CONFIGURATION.format(run=_escaped(str(run))))
        command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(run / "supervisord.conf")]
        started = subprocess.run(
            command, check=False, env=_environment(), cwd=run, capture_output=True, text=True, timeout=30
        )
        deadline = time.monotonic() + 10
        while not self.running():
            if started.returncode or time.monotonic() > deadline:
                reason = (started.stderr or started.stdout).strip().splitlines() or ["it does not answer"]
                message = f"supervisord did not start ({reason[-1]}): see {self._stack.log('supervisord')}"
                raise StackError(message)
            time.sleep(0.05)
        return ended

    def load(self, programs: list[Program], *, order: Sequence[str]) -> None:
        """Give it these programs as they are now; what changed is stopped. Shutdown is in reverse `order`."""
        folder = private_file.folder(self._stack.run / "supervisor.d")
        for program in programs:
            priority = order.index(program.name) + 1
            private_file.write_if_changed(folder / f"{program.name}.conf", self._section(program, priority))
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self.stop(name)
            self._call("removeProcessGroup", name)
        for name in (*changed, *added):
            self._call("addProcessGroup", name)

    def start(self, name: str) -> bool:
        """Start a program; False when it runs already."""
        if self.info(name)["statename"] in {"RUNNING", "STARTING", "BACKOFF"}:
            return False
        self._call("startProcess", name, False)  # noqa: FBT003 - XML-RPC: do not wait
        return True

    def stop(self, name: str, *, wait: bool = True) -> None:
        """Stop a program, by default until it is gone."""
        try:
            self._call("stopProcess", name, wait)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def info(self, name: str) -> dict[str, Any]:
        """Its state in supervisord's words (statename, pid, start, now)."""
        found: dict[str, Any] = self._call("getProcessInfo", name)
        return found

    def all(self) -> list[dict[str, Any]]:
        """The state of every program, in start order; empty when supervisord is not there."""
        try:
            found: list[dict[str, Any]] = self._call("getAllProcessInfo")
        except (OSError, http.client.HTTPException):
            return []
        return found

    def shutdown(self, *, together: Container[str] = ()) -> list[str]:
        """Stop supervisord and all programs, those in `together` at once, the others one by one in reverse order.

        Answers the names of what was running.
        """
        names = [info["name"] for info in self.all() if info["statename"] not in {"STOPPED", "EXITED", "FATAL"}]
        pid = self._pid()
        if self.running():
            for name in names:
                if name in together:
                    self.stop(name, wait=False)
            self._call("shutdown")
            deadline = time.monotonic() + 120
            while pid and _alive(pid) and time.monotonic() < deadline:
                time.sleep(0.1)
        return [*names, *(name for name in self._clear() if name not in names)]

    def _clear(self) -> list[str]:
        """End a supervisord that no longer answers, and every process whose file says that it is ours."""
        pid = self._pid()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if pid is not None and _alive(pid):
                os.kill(pid, number)
                deadline = time.monotonic() + 10
                while _alive(pid) and time.monotonic() < deadline:
                    time.sleep(0.1)
        ended = process.end(self._stack)
        for leftover in (self._socket, self._stack.run / "supervisord.pid"):
            leftover.unlink(missing_ok=True)
        return ended

    def _pid(self) -> int | None:
        """Its process id, if that process is this stack's supervisord and not a later owner of the number."""
        try:
            pid = int((self._stack.run / "supervisord.pid").read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self._stack.run / "supervisord.conf") in arguments else None

    def _section(self, program: Program, priority: int) -> str:
        pid_file = private_file.folder(process.folder(self._stack)) / program.name
        digest = hashlib.sha256()
        for file in program.configuration:
            digest.update(file.read_bytes() if file.exists() else b"")
        environment = {
            "KONCI_RUN": str(self._stack.run),
            "KONCI_PORT": str(self._stack.port),
            "TZ": "UTC",
            # supervisord restarts a program whose section changes: so does a changed configuration file.
            "KONCI_CONFIGURATION": digest.hexdigest()[:16],
            **program.environment,
        }
        command = ["/bin/sh", "-c", _LAUNCH, str(pid_file), *_setpriv(program), *program.command]
        pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in environment.items())
        return _PROGRAM.format(
            name=program.name,
            command=_escaped(shlex.join(command)),
            environment=pairs,
            log=_escaped(str(self._stack.log(program.name))),
            stop_signal=program.stop_signal,
            stop_seconds=program.stop_seconds,
            priority=priority,
        )

    def _call(self, method: str, *arguments: Any) -> Any:
        if not self._socket.exists():
            raise FileNotFoundError(self._socket)
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(self._socket))
        with proxy:
            return getattr(proxy.supervisor, method)(*arguments)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # closed with the connection, whatever follows
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        # Kept, as the base class does: what is kept is closed with the proxy.
        self._connection = host, _Connection(self._path)
        return self._connection[1]


def _setpriv(program: Program) -> list[str]:
    command = [tool("setpriv", hint="install the package util-linux"), "--pdeathsig", program.stop_signal]
    if program.user and os.geteuid() == 0:
        command += [f"--reuid={program.user}", f"--regid={program.user}", "--init-groups"]
    return [*command, "--"]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **kept}


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    if '"' in text or "\n" in text:
        # supervisord knows no way to write them
        raise StackError(f"a quotation mark or line break in {text!r}: remove it from the setting or path")
    return _escaped(text)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"
