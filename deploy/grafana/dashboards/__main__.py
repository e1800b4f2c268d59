"""`python -m dashboards` writes deploy/grafana/boards anew. What is there is what the code builds, and nothing else."""

from pathlib import Path

from dashboards import recordings, services
from dashboards.panel import text_of

BOARDS = Path(__file__).parents[1] / "boards"
_ALL = {"recordings": recordings.build, "services": services.build}


def wanted() -> dict[str, str]:
    """Each file of `boards` by its name, as the code builds it now."""
    return {f"{name}.json": text_of(build()) for name, build in _ALL.items()}


def stale(folder: Path = BOARDS) -> list[str]:
    """Files of `folder` that differ from what the code builds, are missing, or belong to no dashboard."""
    built = wanted()
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}
    return sorted(name for name in found | built if found.get(name) != built.get(name))


def write(folder: Path = BOARDS) -> None:
    """All of them; what belongs to no dashboard is left to who put it there."""
    for name, text in wanted().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
