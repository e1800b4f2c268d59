"""04.4, 04.3: who may read the log, what each question finds, and that the reading is in the log too."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from events.uuid7 import uuid7
from support.hotel import Hotel

ROUTES = ["/v1/access-events", f"/v1/access-events/{uuid7()}", "/v1/access-events/export?format=csv"]


@pytest.fixture(scope="module")
def read(otter: Hotel) -> dict[str, str]:
    """A read of a guest: its guest, its event and where it came from."""
    guest = otter.guest()
    answer = otter.agent.get(f"/v1/guests/{guest['id']}")
    entry = otter.event(answer.headers["Access-Event"])
    return {"guest": guest["id"], "event": entry["id"], "ip": entry["ip"], "at": entry["occurred_at"]}


class TestRefusals:
    @pytest.mark.parametrize("path", ROUTES)
    def test_without_a_token(self, otter: Hotel, path: str) -> None:
        assert otter.http.get(path).status_code == 401

    @pytest.mark.parametrize("path", ROUTES)
    @pytest.mark.parametrize("role", ["agent", "viewer"])
    def test_without_the_right(self, otter: Hotel, path: str, role: str) -> None:
        answer = getattr(otter, role).get(path)
        assert answer.status_code == 403
        assert otter.event(answer.headers["Access-Event"])["outcome"] == "denied"

    def test_an_entry_of_another_client_is_like_none(self, otter: Hotel, heron: Hotel, read: dict[str, str]) -> None:
        foreign = heron.admin.get(f"/v1/access-events/{read['event']}")
        absent = heron.admin.get(f"/v1/access-events/{uuid7()}")
        assert foreign.status_code == absent.status_code == 404
        same = [{**answer.json(), "instance": "", "request_id": ""} for answer in (foreign, absent)]
        assert same[0] == same[1]
        entry = heron.event(foreign.headers["Access-Event"])
        assert (entry["outcome"], entry["resources"][0]["id"]) == ("denied", read["event"])

    @pytest.mark.parametrize("path", ["/v1/access-events", "/v1/access-events/export?format=jsonl"])
    def test_no_question_finds_another_client(self, heron: Hotel, read: dict[str, str], path: str) -> None:
        assert read["guest"] not in heron.admin.get(path, params={"resource_id": read["guest"], "format": "jsonl"}).text

    @pytest.mark.parametrize(
        "params",
        [{"from": "1"}, {"action": "x:y"}, {"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"resource_id": "\0"}],
    )
    def test_a_question_that_makes_no_sense(self, otter: Hotel, params: dict[str, str]) -> None:
        answer = otter.admin.get("/v1/access-events", params=params)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(params))}"

    def test_an_export_without_a_format(self, otter: Hotel) -> None:
        assert otter.admin.get("/v1/access-events/export").status_code == 422


class TestQuestions:
    @pytest.mark.parametrize(
        "of",
        [
            lambda otter, read: {"actor_id": otter.agent.user_id},
            lambda otter, read: {"action": "guest:read"},
            lambda otter, read: {"resource_type": "guest"},
            lambda otter, read: {"resource_id": read["guest"]},
            lambda otter, read: {"resource_type": "guest", "resource_id": read["guest"], "action": "guest:read"},
            lambda otter, read: {"from": read["at"], "to": "2100-01-01T00:00:00Z"},
        ],
    )
    def test_each_finds_the_read(self, otter: Hotel, read: dict[str, str], of: object) -> None:
        assert read["event"] in [entry["id"] for entry in otter.log(**of(otter, read))]

    @pytest.mark.parametrize(
        "other",
        [
            {"actor_id": "nobody"},
            {"action": "guest:delete"},
            {"resource_type": "call"},
            {"resource_id": str(uuid7())},
            {"to": "2020-01-01T00:00:00Z"},
            {"from": "2100-01-01T00:00:00Z"},
        ],
    )
    def test_each_leaves_out_what_does_not_fit(self, otter: Hotel, read: dict[str, str], other: dict[str, str]) -> None:
        asked = {"resource_id": read["guest"], **other}
        assert read["event"] not in [entry["id"] for entry in otter.log(**asked)]

    def test_by_address_in_a_body(self, otter: Hotel, read: dict[str, str]) -> None:
        body = {"ip": read["ip"], "resource_id": read["guest"]}
        found = otter.admin.post("/v1/access-events/search", json=body).json()["items"]
        assert read["event"] in [entry["id"] for entry in found]
        none = otter.admin.post("/v1/access-events/search", json={**body, "ip": "198.51.100.200"}).json()["items"]
        assert none == []

    def test_pages_hold_each_entry_once_newest_first_while_more_come(self, otter: Hotel) -> None:
        asked = {"limit": 3, "to": datetime.now(UTC).isoformat()}
        ids: list[str] = []
        while True:
            page = otter.admin.get("/v1/access-events", params=asked).json()
            ids += [entry["id"] for entry in page["items"]]
            if page["next_cursor"] is None or len(ids) >= 30:
                break
            asked["cursor"] = page["next_cursor"]
        assert ids == sorted(set(ids), reverse=True)
        assert len(ids) > 3


class TestReadingIsAnAccess:
    def test_a_page_names_what_it_returned(self, otter: Hotel, read: dict[str, str]) -> None:
        answer = otter.admin.get("/v1/access-events", params={"resource_id": read["guest"]})
        entry = otter.event(answer.headers["Access-Event"])
        assert entry["action"] == "access_event:list"
        named = {resource["id"] for resource in entry["resources"]}
        assert named == {item["id"] for item in answer.json()["items"]}
        assert entry["id"] in [found["id"] for found in otter.log(resource_id=read["event"])]

    def test_one_entry(self, otter: Hotel, read: dict[str, str]) -> None:
        answer = otter.admin.get(f"/v1/access-events/{read['event']}")
        assert answer.json()["actor"]["id"] == otter.agent.user_id
        entry = otter.event(answer.headers["Access-Event"])
        assert (entry["action"], entry["resources"]) == (
            "access_event:read",
            [{"type": "access_event", "id": read["event"]}],
        )


class TestExport:
    def test_csv_and_json_lines_hold_the_same_entries(self, otter: Hotel, read: dict[str, str]) -> None:
        asked = {"to": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
        table = otter.admin.get("/v1/access-events/export", params={"format": "csv", **asked})
        lines = otter.admin.get("/v1/access-events/export", params={"format": "jsonl", **asked})
        rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
        entries = [json.loads(line) for line in lines.text.splitlines()]
        assert [row["id"] for row in rows] == [entry["id"] for entry in entries]
        assert len({UUID(row["id"]) for row in rows}) == len(rows) > 0
        for answer in (table, lines):
            assert otter.event(answer.headers["Access-Event"])["action"] == "access_event:export"
            assert answer.headers["Content-Disposition"].startswith("attachment")
