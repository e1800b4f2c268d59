"""A guest: what is sealed, what is searchable, and how one becomes the other. No I/O, no framework."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from guard.body import Body
from guard.keys import SubjectKey
from tenant_data.held_recording import Kept
from tenant_data.language import Language

TABLE = "guest"


def normal_email(email: str) -> str:
    """The form in which two spellings of one address are equal: NFKC, folded, trimmed."""
    # Folding can undo the normal form (and the other way round), so it is normalised on both sides.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold()).strip()


def normal_phone(phone: str) -> str:
    """The digits of a number of any script, after `+` when international (ITU-T E.164; `00` is `+`)."""
    text = unicodedata.normalize("NFKC", phone)
    digits = "".join(str(unicodedata.decimal(sign)) for sign in text if sign.isdecimal())
    before_digits = text[: next((at for at, sign in enumerate(text) if sign.isdecimal()), 0)]
    if "+" in before_digits:
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def normal_external_ref(reference: str) -> str:
    """A reference of the client's own system: NFKC and trimmed; case may mean something there."""
    return unicodedata.normalize("NFKC", reference).strip()


def _an_address(email: str) -> str:
    account, _, domain = normal_email(email).rpartition("@")
    if not account or not domain or any(sign.isspace() for sign in account + domain):
        raise ValueError("an e-mail address has an account, an @ and a domain, without spaces")
    return email


def _a_number(phone: str) -> str:
    if not normal_phone(phone).removeprefix("+"):
        raise ValueError("a phone number has digits")
    return phone


def _a_reference(reference: str) -> str:
    if not normal_external_ref(reference):
        raise ValueError("a reference has a character that is not a space")
    return reference


Name = Annotated[str, Field(min_length=1, max_length=200)]
Email = Annotated[
    str, Field(min_length=3, max_length=320, json_schema_extra={"format": "email"}), AfterValidator(_an_address)
]
Phone = Annotated[
    str, Field(min_length=1, max_length=32, json_schema_extra={"pattern": r"\d"}), AfterValidator(_a_number)
]
ExternalRef = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"\S"}), AfterValidator(_a_reference)
]
Notes = Annotated[str, Field(max_length=10_000)]


class GuestContent(Body):
    """Every word about a guest: the body that creates one, and what the sealed blob holds."""

    name: Name
    email: Email | None = None
    phone: Phone | None = None
    language: Language | None = None
    notes: Notes | None = None
    external_ref: ExternalRef | None = None


class GuestChange(GuestContent):
    """The fields to replace; null clears one, and a guest cannot be without a name."""

    name: Name = ""  # never the value of a change: a field that was not given is not merged


class GuestSearch(Body):
    """What to look up, exactly. Several fields must all match."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    email: Email | None = None
    phone: Phone | None = None
    external_ref: ExternalRef | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.email is None and self.phone is None and self.external_ref is None:
            raise ValueError("give at least one of email, phone, external_ref")
        return self


class Guest(BaseModel):
    """A guest as a caller sees it."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    language: str | None
    notes: str | None
    external_ref: str | None
    version: int
    created_at: datetime


class ErasedGuest(BaseModel):
    """The answer to an erasure: `kept` names what a legal hold keeps."""

    id: UUID
    kept: list[Kept]


@dataclass(frozen=True, slots=True)
class GuestRow:
    """A guest as the database has it, with the key that opens it."""

    guest_id: UUID
    sealed: bytes
    key: SubjectKey
    version: int
    created_at: datetime


def seal(content: GuestContent, guest_id: UUID, key: SubjectKey) -> bytes:
    """The blob of a guest, bound to its row: moved to another row, table or client it does not open."""
    return key.seal(content.model_dump(mode="json"), about=(TABLE, guest_id))


def content_of(row: GuestRow) -> GuestContent:
    """What was sealed. It was checked when it came in; a later, stricter rule must not make it unreadable."""
    return GuestContent.model_construct(**row.key.open(row.sealed, about=(TABLE, row.guest_id)))


def reveal(row: GuestRow) -> Guest:
    """The guest in clear."""
    return known(row.guest_id, content_of(row), row.version, row.created_at)


def known(guest_id: UUID, content: GuestContent, version: int, created_at: datetime) -> Guest:
    """The guest with this content, as a caller sees it."""
    return Guest(id=guest_id, version=version, created_at=created_at, **content.model_dump())


def merge(content: GuestContent, change: GuestChange) -> GuestContent:
    """`content` with the given fields of `change` in place of its own; null clears."""
    return content.model_copy(update=change.model_dump(exclude_unset=True))


def searchable(content: GuestContent | GuestSearch) -> Mapping[str, str]:
    """The normalised values that a guest is found by, for blinding; a field without a value is not there."""
    normal = {
        "email": content.email and normal_email(content.email),
        "phone": content.phone and normal_phone(content.phone),
        "external_ref": content.external_ref and normal_external_ref(content.external_ref),
    }
    return {field: value for field, value in normal.items() if value}
