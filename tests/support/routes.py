"""The routes of a service as FastAPI holds them, and the action whose right each asks for."""

from collections.abc import Iterator
from typing import Any

from fastapi.dependencies.models import Dependant

from events.access import Action


def routes(holder: Any) -> Iterator[Any]:
    """Every route below an application or a router, with its path, methods and dependant."""
    waiting = list(holder.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting += inner.routes
        elif hasattr(route, "dependant"):
            yield route


def action(dependant: Dependant) -> Action | None:
    """The action of the `may(action)` among what a route depends on, or None when it asks for no right."""
    called = dependant.call
    cells = [cell.cell_contents for cell in getattr(called, "__closure__", None) or ()]
    held = [one for one in (*cells, *vars(called).values()) if isinstance(one, Action)] if called else []
    if held:
        return held[0]
    return next((known for inner in dependant.dependencies if (known := action(inner)) is not None), None)
