"""An attacker in a process of its own: runs one function of a test file against a loopback port, and has an end.

It is nice to the scheduler (its own computing is not the platform's load: a real attacker has a machine of his own) and
to nobody else. It goes to 127.0.0.1 and nowhere else.
"""

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LONGEST = 120  # seconds; an attack that goes on for longer is ended from outside


@dataclass(frozen=True)
class Target:
    """A gateway under attack: its port on loopback, its CA, and a token that is good there."""

    port: int
    ca: str
    token: str


def attack(function: Callable[..., Any], target: Target, **options: Any) -> Any:
    """What `function(target, **options)` gives, run in a process of its own. It and its options are JSON's."""
    file = function.__globals__["__file__"]
    order = json.dumps({"file": file, "function": function.__name__, "target": asdict(target), "options": options})
    done = subprocess.run(
        [sys.executable, "-m", "support.attacker"],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        input=order.encode(),
        stdout=subprocess.PIPE,
        timeout=LONGEST,
        check=True,
    )
    return json.loads(done.stdout)


def _main() -> None:
    os.nice(5)
    order = json.load(sys.stdin)
    function = runpy.run_path(order["file"])[order["function"]]
    json.dump(function(Target(**order["target"]), **order["options"]), sys.stdout)


if __name__ == "__main__":
    _main()
