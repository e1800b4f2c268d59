"""HTTP of this service: each route's signature is its policy, each access goes through the one door."""

from fastapi import APIRouter

from auth.routes import client, internal, own, public, session, user

router = APIRouter()
# `own` before `user`: `/v1/users/me/…` is not the user with the id `me`.
for part in (session, own, user, client, public, internal):
    router.include_router(part.router)
