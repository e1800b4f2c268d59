"""The merged document holds every public path, and no two services' schemas can be taken for one another."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant

from auth.documents import merged
from auth.routes import router
from guard.identity import May

# Who may ask without a token: whoever brings a secret of its own, and whoever reads what is everybody's.
WITHOUT_TOKEN = {
    "POST /v1/sessions",
    "POST /v1/sessions/challenge",
    "POST /v1/sessions/refresh",
    "POST /v1/users/activate",
    "GET /.well-known/jwks.json",
    "GET /v1/openapi.json",
}


def document(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "info": {"title": title},
        "paths": {f"/v1/{title}": {"get": {"schema": {"$ref": "#/components/schemas/Page"}}}, "/internal/x": {}},
        "components": {"schemas": {"Page": schema}},
    }


def test_equal_names_stay_apart() -> None:
    whole = merged([document("auth", {"a": 1}), document("audit", {"b": 2})])
    assert whole["components"]["schemas"] == {"auth.Page": {"a": 1}, "audit.Page": {"b": 2}}
    assert whole["paths"]["/v1/auth"]["get"]["schema"]["$ref"] == "#/components/schemas/auth.Page"
    assert "/internal/x" not in whole["paths"]


def application() -> FastAPI:
    api = FastAPI(title="auth")
    api.include_router(router)
    return api


def test_every_reference_leads_somewhere() -> None:
    whole = merged([application().openapi()])
    text = json.dumps(whole)
    references = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references
    assert references <= set(whole["components"]["schemas"])


def asks_for_a_right(dependant: Dependant) -> bool:
    return isinstance(dependant.call, May) or any(asks_for_a_right(inner) for inner in dependant.dependencies)


def routes(api: FastAPI):
    waiting = list(api.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting += inner.routes
        elif hasattr(route, "dependant"):
            yield route


def test_a_route_states_its_right_or_is_named_here() -> None:
    found = {
        f"{method} {route.path}"
        for route in routes(application())
        if not route.path.startswith("/internal/") and not asks_for_a_right(route.dependant)
        for method in route.methods
    }
    assert found == WITHOUT_TOKEN
