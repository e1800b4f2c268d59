"""HTTP of this service: each route's signature is its policy, each access goes through the one door."""

from fastapi import APIRouter

from tenant_data.routes import call, guest, internal, transcript

router = APIRouter()
router.include_router(guest.router)
router.include_router(call.router)
router.include_router(transcript.router)
router.include_router(internal.router)
