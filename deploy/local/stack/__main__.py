"""Processes of the stack that are ours: `keeper`, the `kafka` launcher, and the installation step `kafka-jars`.
Starting and stopping the whole belongs to `up` and `down`.
"""

import sys

from stack import kafka, keeper
from stack.settings import Stack, StackError

USAGE = (
    "usage: python -m stack keeper | kafka | kafka-jars (processes of a stack; konci up starts them)."
    " Example: python -m stack kafka-jars"
)


def main(arguments: list[str]) -> int:
    """Run one verb; 2 on wrong use, 1 with one line that says what to do when it cannot."""
    stack = Stack.here()
    match arguments:
        case ["kafka"]:
            kafka.launch(stack)
        case ["keeper"]:
            keeper.main(stack)
        case ["kafka-jars"]:
            sys.stdout.write(f"{kafka.install_jars(stack)}\n")
        case _:
            sys.stderr.write(f"{USAGE}\n")
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except StackError as refused:
        sys.stderr.write(f"{refused}\n")
        sys.exit(1)
