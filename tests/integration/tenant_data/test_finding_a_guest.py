"""02.1, 03.4: a guest is found by what is sealed, exactly, within its own client, and through a body, never a URL."""

from uuid import uuid4

import pytest

from support.hotel import Hotel, expect


def found(hotel: Hotel, **asked: str) -> list[str]:
    page = expect(hotel.agent.post("/v1/guests/search", json=asked), 200).json()
    assert page["next_cursor"] is None
    return [guest["id"] for guest in page["items"]]


class TestRefused:
    @pytest.mark.parametrize(
        "body", [{}, {"name": "Ada"}, {"email": None}, {"email": "x" * 400}, {"phone": "none"}, []]
    )
    def test_no_question(self, otter: Hotel, body: object) -> None:
        answer = otter.agent.post("/v1/guests/search", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"]

    def test_without_a_token(self, otter: Hotel) -> None:
        assert otter.http.post("/v1/guests/search", json={"email": "ada@example.com"}).status_code == 401

    def test_another_clients_guest(self, otter: Hotel, heron: Hotel) -> None:
        reference = str(uuid4())
        guest = heron.guest(external_ref=reference, phone="+49 1", email=f"{reference}@example.com")
        assert found(heron, external_ref=reference) == [guest["id"]]
        assert found(otter, external_ref=reference) == []
        assert found(otter, email=f"{reference}@example.com") == []


def test_by_each_field(otter: Hotel) -> None:
    mark = uuid4().int
    guest = otter.guest(email=f"Ada.{mark}@Example.com", phone=f"+49 ({mark % 10**9}) 7", external_ref=f"Ref-{mark}")
    assert found(otter, email=f" ada.{mark}@EXAMPLE.COM") == [guest["id"]]
    assert found(otter, phone=f"0049-{mark % 10**9}-7") == [guest["id"]]
    assert found(otter, external_ref=f"Ref-{mark} ") == [guest["id"]]
    assert found(otter, email=f"ada.{mark}@example.com", phone=f"+49{mark % 10**9}7") == [guest["id"]]


def test_all_given_fields_must_match(otter: Hotel) -> None:
    mark = str(uuid4())
    otter.guest(email=f"{mark}@example.com", external_ref=mark)
    assert found(otter, email=f"{mark}@example.com", external_ref=f"{mark}-other") == []


def test_a_value_of_one_field_is_not_found_as_another(otter: Hotel) -> None:
    mark = f"{uuid4()}@example.com"
    otter.guest(email=mark)
    assert found(otter, external_ref=mark) == []


def test_part_of_a_value_finds_nothing(otter: Hotel) -> None:
    mark = str(uuid4())
    otter.guest(email=f"{mark}@example.com")
    assert found(otter, email=f"{mark}@example.co") == []


def test_several_are_answered_newest_first_in_pages(otter: Hotel) -> None:
    reference = str(uuid4())
    made = [otter.guest(external_ref=reference)["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = expect(
            otter.agent.post("/v1/guests/search", json={"external_ref": reference}, params=params), 200
        ).json()
        seen += [guest["id"] for guest in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_after_a_change_only_the_new_value_finds(otter: Hotel) -> None:
    before, after = str(uuid4()), str(uuid4())
    guest = otter.guest(external_ref=before, email=f"{before}@example.com")
    expect(otter.agent.patch(f"/v1/guests/{guest['id']}", json={"external_ref": after, "email": None}), 200)
    assert found(otter, external_ref=before) == []
    assert found(otter, email=f"{before}@example.com") == []
    assert found(otter, external_ref=after) == [guest["id"]]


def test_the_log_names_whom_it_found_and_not_what_was_asked(otter: Hotel) -> None:
    reference = str(uuid4())
    guest = otter.guest(external_ref=reference)
    answer = otter.agent.post("/v1/guests/search", json={"external_ref": reference})
    event = otter.event(answer.headers["Access-Event"])
    assert event["action"] == "guest:search"
    assert event["resources"] == [{"type": "guest", "id": guest["id"]}]
    assert reference not in str(event)


def test_finding_nobody_is_an_access_too(otter: Hotel) -> None:
    answer = otter.agent.post("/v1/guests/search", json={"external_ref": str(uuid4())})
    event = otter.event(answer.headers["Access-Event"])
    assert (event["action"], event["outcome"], event["resources"]) == ("guest:search", "allowed", [])
