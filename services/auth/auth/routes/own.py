"""HTTP of a user's own credentials."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response, status

from auth import own
from auth.office import TheOffice
from auth.own import PasswordChange, TotpCode, TotpConfirmed, TotpOffer, TotpRemoval
from events.access import Action
from guard import contract, errors
from guard.access import EntryDoor
from guard.identity import Caller, may

router = APIRouter(tags=["own credentials"])

MayChangePassword = Annotated[Caller, Depends(may(Action.USER_PASSWORD))]
MayEnrol = Annotated[Caller, Depends(may(Action.TOTP_ENROL))]
MayConfirm = Annotated[Caller, Depends(may(Action.TOTP_CONFIRM))]
MayRemove = Annotated[Caller, Depends(may(Action.TOTP_REMOVE))]


@router.put("/v1/users/me/password", status_code=status.HTTP_204_NO_CONTENT)
async def change_password(body: PasswordChange, caller: MayChangePassword, door: EntryDoor, office: TheOffice) -> None:
    await own.change_password(office, door, caller, body)


@router.post("/v1/users/me/totp", status_code=status.HTTP_201_CREATED, responses=contract.problems(errors.Conflict))
async def enrol_totp(caller: MayEnrol, door: EntryDoor, response: Response) -> TotpOffer:
    response.headers["Cache-Control"] = "no-store"
    return await own.offer_totp(door, caller)


@router.post("/v1/users/me/totp/confirm", responses=contract.problems(errors.Conflict))
async def confirm_totp(
    body: TotpCode, caller: MayConfirm, door: EntryDoor, office: TheOffice, response: Response
) -> TotpConfirmed:
    response.headers["Cache-Control"] = "no-store"
    return await own.confirm_totp(office, door, caller, body)


@router.delete(
    "/v1/users/me/totp", status_code=status.HTTP_204_NO_CONTENT, responses=contract.problems(errors.Conflict)
)
async def remove_totp(body: TotpRemoval, caller: MayRemove, door: EntryDoor, office: TheOffice) -> None:
    await own.remove_totp(office, door, caller, body)
