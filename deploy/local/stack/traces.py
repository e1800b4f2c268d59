"""The collector of Envoy's spans: OTLP over HTTP on loopback, kept as JSON lines or forwarded to `KONCI_OTLP`.
It drops what names a person (address, user agent, query) before anything is kept or sent on (04.4).
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.requests import Request
from starlette.responses import Response

log = logging.getLogger("keeper.traces")

# Closed list: a new Envoy may add an attribute, and must not thereby add a person.
_KEPT = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.protocol": "network.protocol.name",
    "http.url": "url.path",
    "guid:x-request-id": "request_id",
    "upstream_cluster.name": "peer.service",
    "response_flags": "envoy.response_flags",
    "request_size": "http.request.size",
    "response_size": "http.response.size",
    "error": "error",
}
_LARGEST_FILE = 50_000_000  # bytes; one older file of the same size is kept


class Collector:
    """Takes spans in. Exactly one of file and address gets them."""

    def __init__(self, file: Path, forward_to: str | None, http: httpx2.AsyncClient) -> None:
        self._file = file
        self._forward_to = forward_to.rstrip("/") + "/v1/traces" if forward_to else None
        self._http = http

    async def export(self, request: Request) -> Response:
        """OTLP/HTTP `POST /v1/traces`, protobuf."""
        export = ExportTraceServiceRequest()
        try:
            export.ParseFromString(await request.body())
        except DecodeError:
            return Response(status_code=400)
        scrub(export)
        if self._forward_to is None:
            self._append(lines(export))
            return Response(b"", media_type="application/x-protobuf")
        try:
            body, kind = export.SerializeToString(), {"content-type": "application/x-protobuf"}
            answer = await self._http.post(self._forward_to, content=body, headers=kind)
        except httpx2.TransportError as away:
            log.warning("spans lost", extra={"error": type(away).__name__})
            return Response(status_code=503)
        return Response(status_code=answer.status_code)

    def _append(self, spans: list[str]) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write("".join(f"{span}\n" for span in spans))
            full = file.tell() > _LARGEST_FILE
        if full:
            self._file.replace(self._file.with_suffix(".1.jsonl"))


def scrub(export: ExportTraceServiceRequest) -> None:
    """Leave on each span only what is listed, under OpenTelemetry's names, and of an address only its path."""
    for span in _spans(export):
        kept = {item.key: item.value.string_value for item in span.attributes if item.key in _KEPT}
        del span.attributes[:]
        for key, value in kept.items():
            attribute = span.attributes.add()
            attribute.key = _KEPT[key]
            attribute.value.string_value = httpx2.URL(value).path if key == "http.url" else value


def lines(export: ExportTraceServiceRequest) -> list[str]:
    """Each span as one line of JSON, in the shape of the services' own trace files (OpenTelemetry's `to_json`)."""
    found = []
    for resource in export.resource_spans:
        about = {item.key: item.value.string_value for item in resource.resource.attributes}
        service = about.get("service.name", "gateway")
        found += [json.dumps(_line(service, span)) for scope in resource.scope_spans for span in scope.spans]
    return found


def _line(service: str, span: Span) -> dict[str, Any]:
    return {
        "name": span.name,
        "context": {"trace_id": f"0x{span.trace_id.hex()}", "span_id": f"0x{span.span_id.hex()}", "trace_state": "[]"},
        "kind": Span.SpanKind.Name(span.kind).replace("SPAN_KIND_", "SpanKind."),
        "parent_id": f"0x{span.parent_span_id.hex()}" if span.parent_span_id else None,
        "start_time": _time(span.start_time_unix_nano),
        "end_time": _time(span.end_time_unix_nano),
        "status": {"status_code": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_")},
        "attributes": {item.key: item.value.string_value for item in span.attributes},
        "events": [],
        "links": [],
        "resource": {"attributes": {"service.name": service}, "schema_url": ""},
    }


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat().replace("+00:00", "Z")


def _spans(export: ExportTraceServiceRequest) -> list[Span]:
    return [span for resource in export.resource_spans for scope in resource.scope_spans for span in scope.spans]
