"""HTTP without a caller: the keys that verify tokens, and the contract of the platform. Nobody's data."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from auth.office import TheOffice

router = APIRouter(tags=["public"])


@router.get("/.well-known/jwks.json")
async def read_keys(office: TheOffice, response: Response) -> dict[str, list[dict[str, str]]]:
    response.headers["Cache-Control"] = "public, max-age=5"
    return await office.signer.key_set()


@router.get("/v1/openapi.json", include_in_schema=False)
async def read_contract(request: Request, office: TheOffice) -> JSONResponse:
    own: dict[str, Any] = request.app.openapi()
    return JSONResponse(await office.documents.whole(own))
