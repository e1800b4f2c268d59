"""Request bodies: closed, strict, and free of what no text column can hold."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

# What pydantic would convert: "5" to 5, "yes" to true. Texts that stand for a UUID or a time are JSON's only way.
_STRICT = ("bool", "float", "int")
_MEMBERS = 64  # of one object; each unknown one costs its own fault, a megabyte of them half a second of everybody's
_LONE = re.compile("[\ud800-\udfff]")


def pointer_of(*steps: str | int) -> str:
    """The JSON pointer (RFC 6901) of these steps from the root; of none: the whole document, an empty text."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _make_strict(schema: Any) -> None:
    if isinstance(schema, list | tuple):
        for part in schema:
            _make_strict(part)
    elif isinstance(schema, dict):
        if schema.get("type") in _STRICT:
            schema["strict"] = True
        for part in schema.values():
            _make_strict(part)


def _texts(data: Any) -> Iterator[tuple[str, str]]:
    """Every text in `data`, names of fields too, each with the pointer to it (a name: to what holds it)."""
    waiting: list[tuple[str, Any]] = [("", data)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, str):
            yield pointer, value
        elif isinstance(value, dict):
            yield from ((pointer, name) for name in value if isinstance(name, str))
            waiting += [(pointer + pointer_of(name), part) for name, part in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(pointer + pointer_of(place), part) for place, part in enumerate(value)]


class Body(BaseModel):
    """The base of every request body: unknown fields, wrong types, NUL and lone surrogates are a 422.

    A number is a number and a boolean a boolean; a UUID and a time are written as text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        """The schema with numbers and booleans strict, at any depth."""
        schema = handler(source)
        _make_strict(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _is_storable(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) > _MEMBERS:
            raise PydanticCustomError("too_many_fields", "An object has a few fields, not thousands")
        for pointer, text in _texts(data):
            # PostgreSQL refuses NUL, UTF-8 has no lone surrogates: better a clear 422 than a late 500.
            if "\0" in text or _LONE.search(text):
                said = "Text must not contain NUL or unpaired surrogates"
                raise PydanticCustomError("not_storable", said, {"pointer": pointer})
        return data
