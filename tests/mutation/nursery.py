"""Runs pytest for the gate, each time in a fork of a process that has other people's modules loaded and none of ours.

Loading them anew for each mutant would cost more than the tests. Started by `killer.py` inside the twin, as a script.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import time
import warnings

_LOADED = (
    "_hypothesis_pytestplugin", "aiokafka", "argon2", "asyncpg", "cryptography.x509", "dateutil.parser", "fastapi",
    "httpx2", "hypothesis.internal.observability", "hypothesis.strategies", "joserfc.jws", "kafka", "opentelemetry",
    "opentelemetry.exporter.otlp.proto.common.trace_encoder", "opentelemetry.sdk.trace.export", "orjson",
    "prometheus_client", "pydantic_settings", "pyotp", "pytest_asyncio.plugin", "sqlglot", "starlette", "uvicorn",
    "uvloop", "yaml", "zxcvbn",
)  # fmt: skip
_child = 0


def _end(*_: object) -> None:
    if _child:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(_child, signal.SIGKILL)
    os._exit(1)


def _tested(arguments: list[str], output: str) -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    status = int(_pytest.main(arguments))
    sys.stdout.flush()
    os._exit(status)


def _waited(seconds: float) -> int | None:
    """The child's exit code, or None when it had to be ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(_child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(_child, signal.SIGKILL)
    os.waitpid(_child, 0)
    return None


def main() -> None:
    """One line of JSON for each run: arguments, output file and seconds in; the exit code out."""
    global _child  # noqa: PLW0603 - the one thing that the signal handler has to know
    answers = os.dup(1)
    for line in sys.stdin:
        asked = json.loads(line)
        _child = os.fork()
        if not _child:
            _tested(asked["arguments"], asked["output"])
        status = _waited(asked["seconds"])
        _child = 0
        os.write(answers, f"{json.dumps(status)}\n".encode())


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: its modules are the gate's, not the suite's
    signal.signal(signal.SIGTERM, _end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in _LOADED:
            importlib.import_module(module)
    _pytest = importlib.import_module("pytest")
    gc.freeze()
    main()
