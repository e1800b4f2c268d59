"""03.4: a cursor that one client was given opens nothing for another."""

from support.hotel import Hotel, expect


def test_another_clients_cursor(otter: Hotel, heron: Hotel) -> None:
    for _ in range(3):
        heron.guest()
    cursor = expect(heron.agent.get("/v1/guests?limit=1"), 200).json()["next_cursor"]
    assert expect(heron.agent.get("/v1/guests", params={"limit": 1, "cursor": cursor}), 200).json()["items"]
    assert otter.agent.get("/v1/guests", params={"limit": 1, "cursor": cursor}).status_code == 422
