"""HTTP of recordings. Each route's signature is its policy; each access goes through the one door."""

from fastapi import APIRouter

router = APIRouter(tags=["recordings"])
