"""05.3: a megabyte of faults costs its sender more than everybody else: few are found, and fewer are told."""

import json

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from guard import http
from guard.body import Body


class Thing(Body):
    name: str


def test_thousands_of_fields_are_one_fault() -> None:
    with pytest.raises(ValidationError) as refused:
        Thing.model_validate({"name": "x", **{f"f{number}": 1 for number in range(5000)}})
    assert refused.value.error_count() == 1


async def test_no_more_than_a_hundred_are_told() -> None:
    found = [{"type": "missing", "loc": ("body", "parts", number), "msg": "Field required"} for number in range(5000)]
    request = Request({"type": "http", "state": {"request_id": "r"}})
    answer = await http._invalid(request, RequestValidationError(found))
    assert len(json.loads(answer.body)["errors"]) == 100
