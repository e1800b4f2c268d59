"""Kafka as a local process: its jars, its generated properties and its launcher.
It must never hold topics or ACLs: those are `topics.py`, and are made again whenever a broker lacks them.
"""

import asyncio
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import NoReturn

from stack import configured, private_file
from stack.program import NotReady, Program
from stack.settings import Stack, StackError, tool

VERSION = "4.3.1"
NODE_ID = 1

# Small heap, serial collector, first compiler tier: ready in 3.3 s with 350 MB, measured on two cores.
JVM = ("-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


def jars_folder(stack: Stack) -> Path:
    """The cache of downloaded jars, shared by every stack of this user."""
    return stack.cache / f"kafka-{VERSION}"


def expected_jars(stack: Stack) -> dict[str, str]:
    """File name to SHA-256, from the committed list. Its third column, the Maven group, is for a bill of materials."""
    lines = (stack.repo / "deploy" / "kafka" / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name, *_ in (line.split() for line in lines)}


def wrong_jars(stack: Stack, folder: Path) -> list[str]:
    """Names that are missing, changed or unexpected in `folder`. An extra jar counts: the class path is `*`."""
    expected = expected_jars(stack)
    present = {jar.name: jar for jar in folder.glob("*.jar")}
    changed = [
        name
        for name, digest in expected.items()
        if name not in present or hashlib.sha256(present[name].read_bytes()).hexdigest() != digest
    ]
    return sorted([*changed, *(present.keys() - expected.keys())])


def install_jars(stack: Stack) -> Path:
    """Fetch the jars by Maven unless they are there, check each against the list, return their folder.
    Downloads aside and renames, so that a broken download never looks like an installation.
    """
    folder = jars_folder(stack)
    if not wrong_jars(stack, folder):
        return folder
    maven = tool("mvn", hint="install `maven`, which fetches Kafka's jars")
    aside = folder.with_name(f"{folder.name}.{os.getpid()}")
    pom = stack.repo / "deploy" / "kafka" / "pom.xml"
    command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={aside}"]
    try:
        fetched = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        wrong = wrong_jars(stack, aside)
        if fetched.returncode or wrong:
            reason = fetched.stdout.strip().splitlines()[:1] or wrong
            message = f"Kafka's jars could not be had as committed: {reason[0]}"
            raise StackError(message)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def home(stack: Stack) -> Path:
    """Everything of Kafka's in the run folder; losing it loses nothing that PostgreSQL does not hold."""
    return stack.folder("kafka")


def properties(stack: Stack) -> str:
    """The broker's configuration: deploy/kafka/server.properties with this stack's ports and paths filled in."""
    template = (stack.repo / "deploy" / "kafka" / "server.properties").read_text()
    return template.format(
        node_id=NODE_ID,
        broker_port=stack.port_of("kafka"),
        controller_port=stack.port_of("kafka_controller"),
        data=home(stack) / "data",
        keystore=stack.identity("kafka") / "identity.pem",
        truststore=stack.ca,
    )


def prepare(stack: Stack) -> None:
    """Write the properties. Idempotent; never touches the data."""
    folder = private_file.folder(home(stack))
    private_file.write_if_changed(folder / "server.properties", properties(stack))
    configured.note(stack, "kafka")


def program(stack: Stack) -> Program:
    """The launcher below, which becomes the broker."""
    return Program(
        name="kafka",
        command=[sys.executable, "-m", "stack", "kafka"],
        environment=stack.environment(),
        ready=lambda: ready(stack),
        configuration=(home(stack) / "server.properties",),
    )


async def ready(stack: Stack) -> None:
    """Raises NotReady until the broker's listener accepts connections. (That it answers is for the keeper to see.)"""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", stack.port_of("kafka"))
    except OSError as refused:
        reason = "the broker does not listen yet"
        raise NotReady(reason) from refused
    writer.close()
    await writer.wait_closed()


def launch(stack: Stack) -> NoReturn:
    """Format the storage when there is none, then become the broker (same process id, so that signals reach it).
    A wiped folder is formatted again here: the broker stops when its folder goes, the supervisor starts this.
    """
    prepare(stack)
    java = tool("java", hint="install a JRE of version 17 or later")
    configuration = home(stack) / "server.properties"
    base = [java, *JVM, *logging_options(), "-cp", f"{jars_folder(stack)}/*"]
    formatted = home(stack) / "formatted"
    if not (formatted.exists() and (home(stack) / "data" / "meta.properties").exists()):
        # Whatever is there is the remains of a wipe or of a formatting cut short: no broker starts on it.
        shutil.rmtree(home(stack) / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)
        command = [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(configuration)]
        subprocess.run(command, check=True)
        formatted.touch(mode=0o600)
    os.execv(java, [*base, "kafka.Kafka", str(configuration)])  # noqa: S606 - becomes the broker: no shell wanted


def logging_options() -> list[str]:
    """Warnings only, with times, to stderr: what the supervisor keeps. Kafka at INFO prints its whole configuration."""
    simple = "-Dorg.slf4j.simpleLogger"
    return [
        f"{simple}.defaultLogLevel=warn",
        f"{simple}.showDateTime=true",
        f"{simple}.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    ]
