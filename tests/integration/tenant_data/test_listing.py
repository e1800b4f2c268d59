"""03.4, 04.4: lists are pages, newest first, stable while others write; every row that is shown is in the log."""

from typing import Any
from uuid import uuid4

import pytest

from support.hotel import Hotel, expect


def pages(hotel: Hotel, path: str, limit: int, **params: Any) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor = None
    while True:
        asked = {**params, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = expect(hotel.agent.get(path, params=asked), 200).json()
        found.append(page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def calls_of(hotel: Hotel, *started_at: str, **facts: Any) -> tuple[str, list[dict[str, Any]]]:
    guest_id = hotel.guest()["id"]
    return guest_id, [hotel.call(guest_id=guest_id, started_at=at, **facts) for at in started_at]


class TestRefused:
    @pytest.mark.parametrize("path", ["/v1/guests", "/v1/calls"])
    def test_without_a_token(self, otter: Hotel, path: str) -> None:
        assert otter.http.get(path).status_code == 401

    @pytest.mark.parametrize("path", ["/v1/guests", "/v1/calls"])
    @pytest.mark.parametrize(
        "params",
        [{"limit": 0}, {"limit": 201}, {"limit": "many"}, {"cursor": "x"}, {"cursor": "%00"}, {"cursor": "A" * 600}],
    )
    def test_bad_pages(self, otter: Hotel, path: str, params: dict[str, Any]) -> None:
        answer = otter.agent.get(path, params=params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(params))}"

    def test_another_clients_cursor(self, otter: Hotel, heron: Hotel) -> None:
        for _ in range(2):
            heron.guest()
        cursor = heron.agent.get("/v1/guests", params={"limit": 1}).json()["next_cursor"]
        assert otter.agent.get("/v1/guests", params={"cursor": cursor}).status_code == 422

    def test_another_lists_cursor(self, otter: Hotel) -> None:
        for _ in range(2):
            otter.guest()
        cursor = otter.agent.get("/v1/guests", params={"limit": 1}).json()["next_cursor"]
        assert otter.agent.get("/v1/calls", params={"cursor": cursor}).status_code == 422

    @pytest.mark.parametrize(
        "params", [{"from": "yesterday"}, {"to": "2026-11-01T10:00:00"}, {"guest_id": "7"}, {"from": "5"}]
    )
    def test_bad_filters(self, otter: Hotel, params: dict[str, str]) -> None:
        answer = otter.agent.get("/v1/calls", params=params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(params))}"

    def test_the_calls_of_another_clients_guest(self, otter: Hotel, heron: Hotel) -> None:
        guest_id, _ = calls_of(heron, "2026-11-01T10:00:00Z")
        assert otter.agent.get("/v1/calls", params={"guest_id": guest_id}).json()["items"] == []


def test_guests_newest_first_and_no_other_clients(otter: Hotel, heron: Hotel) -> None:
    foreign = heron.guest()
    made = [otter.guest() for _ in range(3)]
    items = expect(otter.viewer.get("/v1/guests", params={"limit": 3}), 200).json()["items"]
    assert items == made[::-1]
    assert foreign["id"] not in {guest["id"] for page in pages(otter, "/v1/guests", 200) for guest in page}


def test_pages_are_whole_and_the_last_says_so(otter: Hotel) -> None:
    guest_id, made = calls_of(otter, *(f"2026-11-01T10:00:0{second}Z" for second in range(6)))
    for limit, sizes in ((4, [4, 2]), (3, [3, 3]), (6, [6]), (1, [1] * 6)):
        found = pages(otter, "/v1/calls", limit, guest_id=guest_id)
        assert [len(page) for page in found] == sizes
        assert [call for page in found for call in page] == made[::-1]


def test_pages_are_stable_under_inserts(otter: Hotel) -> None:
    made = [otter.guest()["id"] for _ in range(4)]
    first = otter.agent.get("/v1/guests", params={"limit": 2}).json()
    otter.guest()
    second = otter.agent.get("/v1/guests", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [guest["id"] for guest in first["items"] + second["items"]] == made[::-1]


def test_calls_of_one_moment_are_neither_lost_nor_shown_twice(otter: Hotel) -> None:
    guest_id, made = calls_of(otter, *["2026-11-01T10:00:00.123456Z"] * 5)
    found = [call["id"] for page in pages(otter, "/v1/calls", 2, guest_id=guest_id) for call in page]
    assert sorted(found) == sorted(call["id"] for call in made)
    assert found == sorted(found, reverse=True)


def test_calls_within_a_time(otter: Hotel) -> None:
    guest_id, made = calls_of(otter, "2026-11-01T10:00:00Z", "2026-11-01T11:00:00Z", "2026-11-01T12:00:00Z")

    def within(**params: str) -> list[int]:
        found = otter.agent.get("/v1/calls", params={"guest_id": guest_id, **params}).json()["items"]
        return [made.index(call) for call in found]

    assert within() == [2, 1, 0]
    assert within(**{"from": "2026-11-01T11:00:00Z"}) == [2, 1]
    assert within(to="2026-11-01T11:00:00Z") == [0]
    assert within(**{"from": "2026-11-01T12:00:00+01:00", "to": "2026-11-01T12:00:00Z"}) == [1]
    assert within(**{"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}) == []


def test_calls_of_nobody_are_listed_too(otter: Hotel) -> None:
    call = otter.call(started_at="2031-01-01T00:00:00Z", from_number="+49 1")
    page = otter.agent.get("/v1/calls", params={"from": "2031-01-01T00:00:00Z", "to": "2031-01-01T00:00:01Z"}).json()
    assert call in page["items"]


def test_the_log_names_every_row_that_was_shown(otter: Hotel) -> None:
    guest_id, made = calls_of(otter, *(f"2026-11-01T10:00:0{second}Z" for second in range(3)))
    answer = otter.agent.get("/v1/calls", params={"guest_id": guest_id, "limit": 2})
    event = otter.event(answer.headers["Access-Event"])
    assert (event["action"], event["outcome"]) == ("call:list", "allowed")
    assert {resource["id"] for resource in event["resources"]} == {made[2]["id"], made[1]["id"]}


def test_the_log_does_not_name_who_is_on_the_next_page(otter: Hotel) -> None:
    made = [otter.guest()["id"] for _ in range(3)]
    answer = otter.agent.get("/v1/guests", params={"limit": 2})
    event = otter.event(answer.headers["Access-Event"])
    assert event["resources"] == [{"type": "guest", "id": guest_id} for guest_id in made[:0:-1]]


def test_an_empty_list_is_an_access_too(otter: Hotel) -> None:
    answer = otter.agent.get("/v1/calls", params={"guest_id": str(uuid4())})
    assert answer.json() == {"items": [], "next_cursor": None}
    assert otter.event(answer.headers["Access-Event"])["resources"] == []
