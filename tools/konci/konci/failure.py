"""A command that could not do its work: what is wrong and what to do next, on one line. It never hides a cause."""

from stack.settings import StackError


class Failed(StackError):
    """The work was not done: exit code 1. Wrong use is `typer.BadParameter`, exit code 2."""

    def __init__(self, what: str, do: str) -> None:
        """`what` went wrong, and what to `do` about it; both without a full stop, neither with a secret."""
        super().__init__(f"{what}: {do}")
