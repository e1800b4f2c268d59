"""What the gateway is told: default deny, one reading of a path, problems for every answer of its own (02.1, 02.2)."""

import pytest

from stack import envoy
from stack.envoy import Limits
from stack.settings import SERVICES, Stack, StackError
from support.edge import SECURITY

PUBLIC = {
    ("POST", "/v1/sessions"),
    ("POST", "/v1/sessions/challenge"),
    ("POST", "/v1/sessions/refresh"),
    ("POST", "/v1/users/activate"),
    (None, "/.well-known/jwks.json"),
    (None, "/v1/openapi.json"),
    (None, "/v1/openapi/auth.json"),
    (None, "/v1/openapi/tenant_data.json"),
    (None, "/v1/openapi/audit.json"),
    (None, "/v1/openapi/recording_storage.json"),
}
JWT = "envoy.filters.http.jwt_authn"
BUFFER = "envoy.filters.http.buffer"
WHOLE = 5  # seconds until a body is there


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory):
    return envoy.configuration(Stack(run=tmp_path_factory.mktemp("run"), port=22_000), Limits())


@pytest.fixture(scope="module")
def manager(bootstrap):
    return bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][-1]["typed_config"]


@pytest.fixture(scope="module")
def routes(manager):
    return manager["route_config"]["virtual_hosts"][0]["routes"]


def http_filter(manager, name):
    return next(entry["typed_config"] for entry in manager["http_filters"] if entry["name"] == name)


def circuit(bootstrap, name):
    (thresholds,) = cluster(bootstrap, name)["circuit_breakers"]["thresholds"]
    return thresholds


def cluster(bootstrap, name):
    return next(entry for entry in bootstrap["static_resources"]["clusters"] if entry["name"] == name)


def held_by_an_upload(bootstrap, manager):
    """Bytes of an upload that may be in the gateway: where it comes in, in its HTTP/2 stream, and on its way out."""
    return (
        bootstrap["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"]
        + manager["http2_protocol_options"]["initial_stream_window_size"]
        + cluster(bootstrap, "recording_uploads")["per_connection_buffer_limit_bytes"]
    )


def seconds(duration):
    return int(duration.removesuffix("s"))


def test_only_these_routes_need_no_token(routes):
    open_routes = {
        (entry["match"].get("headers", [{}])[0].get("string_match", {}).get("exact"), entry["match"].get("path"))
        for entry in routes
        if JWT in entry.get("typed_per_filter_config", {}) and "route" in entry
    }
    assert open_routes == PUBLIC


def test_everything_else_needs_one(manager):
    rules = http_filter(manager, JWT)["rules"]
    assert [rule["match"] for rule in rules] == [{"prefix": "/"}, {"connect_matcher": {}}]
    assert all(rule["requires"] == {"provider_name": "auth"} for rule in rules)


def test_nothing_internal_is_routed(routes):
    forwarded = [entry["match"] for entry in routes if "route" in entry]
    paths = {
        match.get("path") or match.get("path_separated_prefix") or match["safe_regex"]["regex"] for match in forwarded
    }
    assert all(path.startswith("/v1/") or path == "/.well-known/jwks.json" for path in paths)


def test_a_stranger_may_hold_no_more_memory_than_credentials_need(routes):
    for entry in routes:
        if JWT in entry.get("typed_per_filter_config", {}):
            body = entry["typed_per_filter_config"][BUFFER]["buffer"]
            assert body["max_request_bytes"] <= 16_384


def test_all_that_callers_may_hold_fits_into_the_memory(bootstrap, manager):
    heap = bootstrap["overload_manager"]["resource_monitors"][0]["typed_config"]["max_heap_size_bytes"]
    buckets = {
        entry["entries"][0]["key"]: entry["token_bucket"]
        for entry in http_filter(manager, "limit_caller")["descriptors"]
        if entry["entries"][0]["key"].endswith("bytes")
    }
    held = {name: each["max_tokens"] + WHOLE * each["tokens_per_fill"] for name, each in buckets.items()}
    places = circuit(bootstrap, "recording_uploads")
    uploads = places["max_connections"] + places["max_pending_requests"]
    small = 16_384 * Limits().connections
    assert held["bytes"] + small + uploads * held_by_an_upload(bootstrap, manager) < 0.9 * heap
    assert held["session_bytes"] < held["client_bytes"] < 0.3 * heap


def test_a_body_is_whole_within_five_seconds_whatever_its_route(manager, routes):
    """Direct answers have the listener's limit, and so would a route that forgot its own (ADR 14)."""
    assert seconds(manager["common_http_protocol_options"]["max_stream_duration"]) == WHOLE
    for entry in routes:
        if "route" in entry:
            assert seconds(entry["route"]["max_stream_duration"]["max_stream_duration"]) == WHOLE
            assert "timeout" not in entry["route"], "Envoy does not look at it beside the other"


def test_nothing_takes_longer_than_an_answer_but_what_flows(routes):
    longest = {
        entry["name"]: seconds(entry["route"]["max_stream_duration"]["grpc_timeout_header_max"])
        for entry in routes
        if "route" in entry
    }
    assert {name for name, most in longest.items() if most > 25} == {"export", "play", "upload"}
    for entry in routes:
        if longest.get(entry["name"], 0) > 25:
            assert seconds(entry["route"]["idle_timeout"]) <= 30


def test_the_time_is_lifted_only_behind_the_buffer_and_only_by_us(manager):
    order = [entry["name"] for entry in manager["http_filters"]]
    assert order[-4:] == [BUFFER, "whole", "look_again", "envoy.filters.http.router"]
    mutations = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
    assert {"remove": "grpc-timeout"} in mutations


def test_the_second_look_finds_the_route_whose_token_was_checked(manager, routes):
    """Between the two looks `whole` sets one header and `look_again` none: no route goes by it."""
    (mutation,) = http_filter(manager, "whole")["mutations"]["request_mutations"]
    assert mutation["append"]["header"]["key"] == "grpc-timeout"
    matched = {header["name"] for entry in routes for header in entry["match"].get("headers", [])}
    assert matched == {":method"}
    assert not any("query_parameters" in entry["match"] or "runtime_fraction" in entry["match"] for entry in routes)


class TestUpload:
    @pytest.fixture
    def upload(self, routes):
        return next(entry for entry in routes if entry["name"] == "upload")

    def test_it_alone_is_not_held_whole(self, routes):
        unheld = [
            entry["name"]
            for entry in routes
            if entry.get("typed_per_filter_config", {}).get(BUFFER, {}).get("disabled")
        ]
        assert unheld == ["upload"]

    def test_it_is_never_tried_again(self, upload):
        policy = upload["route"]["retry_policy"]
        assert "retry_on" not in policy
        assert policy["num_retries"] == 0

    def test_it_has_a_least_rate(self, upload):
        (mutation,) = upload["typed_per_filter_config"]["whole"]["mutations"]["request_mutations"]
        told = mutation["append"]["header"]
        assert told == {
            "key": "grpc-timeout",
            "value": "%CEL('content-length' in request.headers ? 60 + request.size / 65536 : 3600)%S",
        }
        assert mutation["append"]["append_action"] == "OVERWRITE_IF_EXISTS_OR_ADD"
        assert seconds(upload["route"]["max_stream_duration"]["grpc_timeout_header_max"]) >= 60 + 2**31 / 65536

    def test_it_ends_at_two_gibibytes(self, manager):
        assert http_filter(manager, "envoy.filters.http.body_size_limit")["max_request_bytes"] == 2**31

    def test_so_many_begin_and_no_more(self, upload, bootstrap):
        own = upload["typed_per_filter_config"]["limit_caller"]
        assert own["filter_enforced"]["default_value"] == {"numerator": 100, "denominator": "HUNDRED"}
        buckets = {entry["entries"][0]["key"]: entry["token_bucket"] for entry in own["descriptors"]}
        assert buckets["session"]["max_tokens"] <= 20
        assert buckets["session"]["tokens_per_fill"] <= 2
        assert buckets["client"]["max_tokens"] <= 40
        assert buckets["client"]["tokens_per_fill"] <= 4
        assert own["token_bucket"]["max_tokens"] <= 2 * circuit(bootstrap, "recording_uploads")["max_requests"]

    def test_it_is_too_small_to_be_reset_when_memory_runs_low(self, bootstrap, manager):
        power = bootstrap["overload_manager"]["buffer_factory_config"]["minimum_account_to_track_power_of_two"]
        assert held_by_an_upload(bootstrap, manager) <= 2**power

    def test_it_takes_no_place_from_who_reads(self, upload, routes):
        assert [entry["name"] for entry in routes if entry.get("route", {}).get("cluster") == "recording_uploads"] == [
            upload["name"]
        ]


@pytest.mark.parametrize("name", ["recording_storage", "recording_uploads"])
def test_a_recording_waits_for_a_handshake_on_a_busy_machine(bootstrap, manager, name):
    """At 1 s plays were a 503; and after all tries his route still has time for the answer."""
    wait = seconds(cluster(bootstrap, name)["connect_timeout"])
    tries = 1 + manager["route_config"]["virtual_hosts"][0]["retry_policy"]["num_retries"]
    assert wait >= 5
    assert tries * wait < 25


def test_the_last_two_routes_answer_for_all_the_rest(routes):
    assert [entry["direct_response"]["status"] for entry in routes[-2:]] == [404, 404]
    assert routes[-1]["match"] == {"prefix": "/"}


def test_a_token_is_read_from_the_header_only_and_dies_on_time(manager):
    provider = http_filter(manager, "envoy.filters.http.jwt_authn")["providers"]["auth"]
    assert provider["from_headers"] == [{"name": "authorization", "value_prefix": "Bearer "}]
    assert provider["clock_skew_seconds"] == 1
    assert provider["require_expiration"] is True
    assert provider["audiences"] == ["konci"]
    assert "from_params" not in provider
    assert "forward_payload_header" not in provider


def test_what_callers_say_of_themselves_is_dropped_before_anything_reads_it(manager):
    mutations = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
    prefixes = {entry["remove_on_match"]["key_matcher"]["prefix"] for entry in mutations if "remove_on_match" in entry}
    assert "x-" in prefixes
    assert {"forwarded", "traceparent", "baggage"} <= {entry.get("remove") for entry in mutations}


def test_every_service_is_asked_over_mutual_tls_1_3_and_by_its_own_name(bootstrap, tmp_path):
    ports = Stack(run=tmp_path, port=22_000).ports()
    services = [entry for entry in bootstrap["static_resources"]["clusters"] if entry["name"] != "traces"]
    assert {entry["name"] for entry in services} == {*SERVICES, "recording_uploads"}
    for entry in services:
        name = "recording_storage" if entry["name"] == "recording_uploads" else entry["name"]
        address = entry["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
        assert address["socket_address"] == {"address": "127.0.0.1", "port_value": ports[name]}
        tls = entry["transport_socket"]["typed_config"]["common_tls_context"]
        assert tls["tls_params"]["tls_minimum_protocol_version"] == "TLSv1_3"
        assert tls["tls_certificate_sds_secret_configs"]
        names = tls["validation_context"]["match_typed_subject_alt_names"]
        assert names == [{"san_type": "URI", "matcher": {"exact": f"spiffe://konci/{name}"}}]


def test_every_answer_of_its_own_is_a_problem_with_the_security_headers(manager):
    mappers = manager["local_reply_config"]["mappers"]
    assert len(mappers) == len(envoy.REPLIES)
    for mapper in mappers:
        body = mapper["body_format_override"]
        assert body["content_type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "request_id"} <= body["json_format"].keys()
        assert body["json_format"]["status"] == mapper["status_code"]
        sent = {entry["header"]["key"]: entry["header"]["value"] for entry in mapper["headers_to_add"]}
        assert SECURITY.items() <= sent.items()


@pytest.mark.parametrize("status", [429, 503])
def test_busy_and_away_say_when_to_come_back(manager, status):
    mappers = [entry for entry in manager["local_reply_config"]["mappers"] if entry["status_code"] == status]
    assert mappers
    for mapper in mappers:
        assert any(entry["header"]["key"] == "retry-after" for entry in mapper["headers_to_add"])


def test_nothing_personal_in_the_access_log(manager):
    entry = manager["access_log"][0]["typed_config"]["log_format"]["json_format"]
    text = " ".join(entry.values())
    for word in ("ADDRESS", "AUTHORIZATION", "USER-AGENT", "COOKIE", "%REQ(:PATH)%", "X-ENVOY-EXTERNAL"):
        assert word not in text


def test_what_envoy_would_log_of_a_caller_is_silenced(tmp_path):
    """A body that is too large: Envoy's logger `http` writes the address and the query down, as an error."""
    command = envoy.program(Stack(run=tmp_path, port=22_000)).command
    assert "http:critical" in command[command.index("--component-log-level") + 1].split(",")


def test_the_admin_interface_is_on_loopback_and_changes_nothing(bootstrap):
    admin = bootstrap["admin"]
    assert admin["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 22_016}
    assert not any("quit" in str(path) or "logging" in str(path) for path in admin["allow_paths"])


class TestLimits:
    def test_a_setting(self):
        assert Limits.here({"KONCI_LIMIT_SESSION": "7"}).session == 7

    @pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "²"])
    def test_a_bad_setting_names_itself(self, text):
        with pytest.raises(StackError, match="KONCI_LIMIT_CLIENT"):
            Limits.here({"KONCI_LIMIT_CLIENT": text})

    def test_each_becomes_a_bucket(self):
        rates = envoy.rates(Limits(session=5))
        assert rates["limit_session"] == 5
        assert rates["limit_session_burst"] == 10
