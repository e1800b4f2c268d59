"""The key set and the contract are everybody's, and hold nothing that is not."""

from support.hotel import Hotel, expect


def test_the_key_set_holds_no_private_key(otter: Hotel) -> None:
    keys = expect(otter.http.get("/.well-known/jwks.json"), 200).json()["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}
        assert (key["kty"], key["crv"], key["alg"]) == ("OKP", "Ed25519", "EdDSA")


def test_the_contract_of_all_services(otter: Hotel) -> None:
    whole = expect(otter.http.get("/v1/openapi.json"), 200).json()
    assert whole["openapi"].startswith("3.1")
    assert {"/v1/sessions", "/v1/users/me/totp", "/v1/guests/{guest_id}", "/v1/access-events"} <= set(whole["paths"])
    assert not [path for path in whole["paths"] if path.startswith("/internal")]
    for service in ("auth", "tenant_data", "audit", "recording_storage"):
        assert expect(otter.http.get(f"/v1/openapi/{service}.json"), 200).json()["info"]["title"] == service
