"""A recording that a legal hold keeps when its call or guest is deleted. No I/O, no framework."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel


class Kept(BaseModel):
    """What stays after a deletion because a legal hold keeps it."""

    type: Literal["recording"] = "recording"
    id: UUID
