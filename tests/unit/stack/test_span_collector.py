"""Envoy's spans lose address, user agent and query before they are kept (04.4)."""

import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stack import traces

SAID = {
    "http.url": "https://localhost:8443/v1/guests?email=marker%40example.org",
    "http.method": "GET",
    "http.status_code": "200",
    "peer.address": "203.0.113.9",
    "user_agent": "marker-agent",
    "guid:x-request-id": "2b1f",
    "something.new": "marker",
}


def exported():
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    name = resource.resource.attributes.add()
    name.key, name.value.string_value = "service.name", "gateway"
    span = resource.scope_spans.add().spans.add()
    span.name, span.kind = "ingress", 2
    span.trace_id, span.span_id = bytes(range(16)), bytes(range(8))
    span.start_time_unix_nano, span.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_500_000_000
    for key, value in SAID.items():
        attribute = span.attributes.add()
        attribute.key, attribute.value.string_value = key, value
    return request


def test_nothing_that_names_a_person_is_left():
    request = exported()
    traces.scrub(request)
    text = "".join(traces.lines(request)) + str(request)
    for marker in ("marker", "203.0.113.9", "?"):
        assert marker not in text


def test_what_joins_it_to_the_services_is_kept():
    request = exported()
    traces.scrub(request)
    (line,) = (json.loads(text) for text in traces.lines(request))
    assert line["context"]["trace_id"] == "0x000102030405060708090a0b0c0d0e0f"
    assert line["attributes"] == {
        "url.path": "/v1/guests",
        "http.request.method": "GET",
        "http.response.status_code": "200",
        "request_id": "2b1f",
    }
    assert line["start_time"] == "2023-11-14T22:13:20Z"
    assert line["resource"]["attributes"] == {"service.name": "gateway"}
