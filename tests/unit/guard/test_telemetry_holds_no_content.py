"""07.1, 04.4: log lines and spans have a fixed set of fields; no text of a person, a body or an exception is there."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from aiokafka.structs import ConsumerRecord
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guard import telemetry

MARKER = "marker-91c2"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FORMAT = telemetry._JsonLines("things").format


def line(name: str, text: str, *arguments: object, **extra: object) -> dict[str, object]:
    record = logging.getLogger(name).makeRecord(
        name, logging.WARNING, __file__, 1, text, arguments, None, extra=extra
    )  # fmt: skip
    formatted: dict[str, object] = json.loads(FORMAT(record))
    return formatted


class TestLog:
    def test_a_field_that_is_not_on_the_list_is_dropped(self) -> None:
        said = line("guard.keys", "fixed text", status=503, guest=MARKER, email=MARKER, body={"a": MARKER})
        assert said["said"] == "fixed text"
        assert said["status"] == 503
        assert MARKER not in json.dumps(said)

    def test_a_text_is_not_filled_in(self) -> None:
        assert MARKER not in json.dumps(line("guard.keys", "refused %s", MARKER))

    @pytest.mark.parametrize("name", ["faststream", "aiokafka.consumer", "uvicorn.error", "asyncpg", "hvac"])
    def test_others_say_where_and_not_what(self, name: str) -> None:
        assert MARKER not in json.dumps(line(name, f"could not parse {MARKER}"))

    def test_an_exception_is_its_type_and_place(self) -> None:
        try:
            raise ValueError(MARKER)
        except ValueError:
            record = logging.LogRecord("guard.x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
        said = FORMAT(record)
        assert MARKER not in said
        assert json.loads(said)["error"] == "ValueError"

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\x1b[2K", '"}\n{"said": "all is well"}'])
    def test_a_line_stays_one_line(self, end: str) -> None:
        """A value from outside neither ends its line nor begins another, nor moves a terminal."""
        telemetry.set_request_id(f"request{end}")
        try:
            record = logging.getLogger("guard.x").makeRecord(
                "guard.x", logging.WARNING, __file__, 1, "text", (), None, extra={"cause": f"a{end}b"}
            )  # fmt: skip
            said = FORMAT(record)
        finally:
            telemetry.set_request_id("")
        assert said.isascii()
        assert said.isprintable()
        assert json.loads(said)["cause"] == f"a{end}b"

    def test_a_line_says_when_in_utc_who_and_how_grave(self) -> None:
        said = line("guard.keys", "text")
        assert {"at", "level", "service", "logger", "said"} <= said.keys()
        assert datetime.fromisoformat(str(said["at"])).utcoffset() == timedelta(0)

    def test_the_request_is_named(self) -> None:
        telemetry.set_request_id("request-3")
        try:
            assert line("guard.x", "text")["request_id"] == "request-3"
        finally:
            telemetry.set_request_id("")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def record(offset: int, traceparent: str) -> ConsumerRecord:
    headers = [("event_id", b"x"), ("traceparent", traceparent.encode())]
    return ConsumerRecord("access.auth", 0, offset, 0, 0, b"k", MARKER.encode(), None, 1, len(MARKER), headers)


class TestSpans:
    def test_a_request_goes_on_with_the_gateways_trace(self, spans: InMemorySpanExporter) -> None:
        with telemetry.served("GET", {"traceparent": PARENT}):
            assert telemetry.trace_id() == "0af7651916cd43dd8448eb211c80319c"
            assert telemetry.traceparent().startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert telemetry.traceparent() == ""
        (span,) = spans.get_finished_spans()
        assert span.parent is not None
        assert span.parent.span_id == 0xB7AD6B7169203331

    def test_a_fault_leaves_no_text(self, spans: InMemorySpanExporter) -> None:
        with pytest.raises(ValueError, match=MARKER), telemetry.served("GET", {}):
            raise ValueError(MARKER)
        with pytest.raises(ValueError, match=MARKER), telemetry.consumed([record(1, PARENT)]):
            raise ValueError(MARKER)
        assert len(spans.get_finished_spans()) == 2
        assert all(MARKER not in span.to_json() for span in spans.get_finished_spans())

    def test_a_message_ends_in_the_trace_of_its_access(self, spans: InMemorySpanExporter) -> None:
        with telemetry.consumed([record(7, PARENT), record(8, ""), record(9, "nonsense")]):
            pass
        batch, stored = spans.get_finished_spans()
        assert len(batch.links) == 1
        assert stored.context is not None
        assert f"{stored.context.trace_id:032x}" in PARENT
        assert stored.attributes == {"messaging.destination.name": "access.auth", "messaging.kafka.offset": 7}
        assert MARKER not in batch.to_json() + stored.to_json()


def some_span() -> ReadableSpan:
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("t").start_span("GET /v1/things", kind=trace.SpanKind.SERVER)
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


class TestExport:
    def test_a_file_is_private_and_bounded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        exporter = telemetry._SpanFile(tmp_path / "traces" / "things.jsonl")
        file = tmp_path / "traces" / "things.jsonl"
        for _ in range(3):
            assert exporter.export([some_span()]) is SpanExportResult.SUCCESS
        lines = file.read_text().splitlines()
        assert [json.loads(text)["name"] for text in lines] == ["GET /v1/things"] * 3
        assert file.stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr(telemetry, "_TRACE_BYTES", 10)
        exporter.export([some_span()])
        assert len(file.read_text().splitlines()) == 1

    def test_a_folder_that_is_gone_costs_spans_only(self, tmp_path: Path) -> None:
        exporter = telemetry._SpanFile(tmp_path / "traces" / "things.jsonl")
        (tmp_path / "traces").rmdir()
        assert exporter.export([some_span()]) is SpanExportResult.FAILURE

    def test_what_is_no_json_costs_spans_only(self, tmp_path: Path) -> None:
        exporter = telemetry._SpanFile(tmp_path / "traces" / "things.jsonl")
        span = some_span()
        span._attributes = {"bytes": b"as OpenTelemetry allows"}
        assert exporter.export([span]) is SpanExportResult.FAILURE

    def test_a_collector_gets_protobuf(self) -> None:
        got: list[ExportTraceServiceRequest] = []

        def collector(request: httpx2.Request) -> httpx2.Response:
            got.append(ExportTraceServiceRequest.FromString(request.content))
            return httpx2.Response(200)

        exporter = telemetry._Collector("https://collector.test/v1/traces", httpx2.MockTransport(collector))
        assert exporter.export([some_span()]) is SpanExportResult.SUCCESS
        exporter.shutdown()
        assert got[0].resource_spans[0].scope_spans[0].spans[0].name == "GET /v1/things"

    def test_a_collector_that_is_away_costs_spans_only(self) -> None:
        def away(_: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused")

        exporter = telemetry._Collector("https://collector.test/v1/traces", httpx2.MockTransport(away))
        assert exporter.export([some_span()]) is SpanExportResult.FAILURE
        exporter.shutdown()
