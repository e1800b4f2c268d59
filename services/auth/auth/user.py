"""A user of a client: what is sealed, what an administrator sees and may change. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, GetJsonSchemaHandler, field_validator
from pydantic_core import CoreSchema

from auth import address
from guard.body import Body
from guard.keys import SubjectKey

TABLE = "client_user"

Role = Literal["admin", "agent", "viewer"]
Status = Literal["invited", "active", "disabled"]


def _an_address(text: str) -> str:
    text = text.strip()
    if not address.is_address(text):
        raise ValueError("not an e-mail address")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("blank")
    return text


Email = Annotated[
    str, Field(max_length=address.LONGEST, json_schema_extra={"format": "email"}), AfterValidator(_an_address)
]
Name = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"\S"}), AfterValidator(_not_blank)
]


class Invite(Body):
    """Who is invited, and as what."""

    email: Email
    name: Name
    role: Role


class Activation(Body):
    """An invited user's first password."""

    token: Annotated[str, Field(min_length=1, max_length=256)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class Change(Body):
    """A `PATCH`: a field that is absent stays, `null` is refused."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_null(cls, value: object) -> object:
        if value is None:
            raise ValueError("null is not a value here")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core))
        for field in schema["properties"].values():
            # `X | None` is how a field may be absent, in Python only: the contract must not offer null.
            (said,) = (choice for choice in field.pop("anyOf") if choice != {"type": "null"})
            field.pop("default", None)
            field.update(said)
        return schema


class UserChange(Change):
    """What an administrator may change of a user."""

    name: Name | None = None
    role: Role | None = None
    status: Literal["active", "disabled"] | None = None


class User(BaseModel):
    """A user as its client's administrator, or itself, sees it."""

    id: UUID
    email: str
    name: str
    role: Role
    status: Status
    totp_enrolled: bool
    version: int
    created_at: datetime


class Invited(BaseModel):
    """A user and the token with which the first password is set: shown once."""

    user: User
    activation_token: str


@dataclass(frozen=True, slots=True, repr=False)
class UserRow:
    """A user as it is stored."""

    user_id: UUID
    email_index: bytes
    sealed: bytes
    role: str
    status: str
    has_totp: bool
    version: int
    created_at: datetime


def seal(key: SubjectKey, user_id: UUID, *, email: str, name: str) -> bytes:
    """Every word about the person, for its row."""
    return key.seal({"email": email, "name": name}, about=(TABLE, user_id))


def words(key: SubjectKey, user_id: UUID, sealed: bytes) -> Mapping[str, str]:
    """`email` and `name`."""
    return key.open(sealed, about=(TABLE, user_id))


def reveal(row: UserRow, key: SubjectKey) -> User:
    """The user as it is shown."""
    content = words(key, row.user_id, row.sealed)
    return User.model_validate(
        {
            "id": row.user_id,
            "email": content["email"],
            "name": content["name"],
            "role": row.role,
            "status": row.status,
            "totp_enrolled": row.has_totp,
            "version": row.version,
            "created_at": row.created_at,
        }
    )
