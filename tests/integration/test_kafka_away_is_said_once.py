"""A command whose server does not answer says so in one line, and what to do; its client's own words stay out of it."""

import os
import subprocess

from support.machine import KONCI, Machine


def test_dead_letters(stack: Machine) -> None:
    done = subprocess.run(
        [str(KONCI), "dlq", "list"],
        env={**os.environ, **stack.stack.environment(), "KONCI_PORT": "1024"},  # nothing listens there, nor behind it
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert "Kafka does not answer" in line
    assert "konci up" in line
