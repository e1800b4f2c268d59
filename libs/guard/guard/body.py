"""Request bodies: closed, strict, and free of what no text column can hold."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Body(BaseModel):
    """The base of every request body: unknown fields are a 422, NUL and lone surrogates too."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _is_storable(cls, data: Any) -> Any:
        for text in _texts(data):
            # PostgreSQL refuses NUL, UTF-8 has no lone surrogates: better a clear 422 than a late 500.
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                raise ValueError("text must not contain NUL or unpaired surrogates")
        return data


def _texts(data: Any) -> Iterator[str]:
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
