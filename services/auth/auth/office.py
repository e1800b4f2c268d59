"""What auth works with beside the door, made once for each process in `app`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from auth.address import AddressBook
from auth.documents import Documents
from auth.password import Hasher
from auth.revocation import Herald
from auth.throttle import Throttle
from auth.token import Signer
from guard.keys import KeyService


@dataclass(frozen=True, slots=True, repr=False)
class Office:
    """Keys of the directory, room to hash, counters, and the ways out."""

    addresses: AddressBook
    hasher: Hasher
    throttle: Throttle
    signer: Signer
    herald: Herald
    documents: Documents
    vault: KeyService


async def _office(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


TheOffice = Annotated[Office, Depends(_office)]
"""The office as a route's parameter."""
