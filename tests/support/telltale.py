"""What an attacker can learn from an answer: everything in it but what only names the request."""

import json
from collections.abc import Mapping

import httpx2

from support.book import Book


def shown(answer: httpx2.Response) -> tuple[int, str]:
    """What an attacker can tell two answers apart by: all but what names the request."""
    try:
        body = answer.json()
    except ValueError:
        return answer.status_code, answer.text
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in ("request_id", "instance")}
    return answer.status_code, json.dumps(body, sort_keys=True)


def headers_of(answer: httpx2.Response) -> Mapping[str, str]:
    named = ("x-request-id", "access-event", "date")
    return {name: "…" if name in named else value for name, value in answer.headers.items()}


def marks(book: Book) -> set[str]:
    """What of a hotel must never be in another's answer."""
    hotel = book.hotel
    people = (hotel.admin, hotel.agent, hotel.viewer)
    return {str(hotel.client_id), hotel.name, *(p.user_id for p in people), *(p.email for p in people), *book.made}


def tells(answer: httpx2.Response, book: Book, asked: tuple[str, ...] = ()) -> bool:
    """Whether the answer has anything of the hotel's in it that was not in the question."""
    whole = answer.text + json.dumps(dict(answer.headers))
    return any(mark in whole for mark in marks(book) - set(asked))
