"""What a service says about itself: JSON logs, Prometheus metrics, spans (07.1). None of it ever holds personal data.

A log line is a fixed text and a few named fields; a field that is not on the list here is dropped, not printed.
"""

import json
import logging
import os
import ssl
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import orjson
from aiokafka.structs import ConsumerRecord
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Counter, Gauge, Histogram

# The only fields a log line may have beside its text. Ids of clients and events are ours; content never is.
_FIELDS = (
    "error", "attempt", "status", "operation", "migration", "origin", "cause", "request_id", "route", "at", "count",
    "kid", "topic", "offset", "seconds", "client_id", "program",
)  # fmt: skip
_QUIET = ("uvicorn", "aiokafka", "httpx2", "httpcore2", "asyncio", "asyncpg", "opentelemetry", "hvac", "urllib3")
_TRACED = 50  # requests a second; of more, a sample tells as much and costs less
_TRACE_BYTES = 50 * 2**20  # of one trace file, then it begins again: a convenience, not an archive

requests = Histogram(
    "konci_request_seconds", "Requests by route and status", ["service", "method", "route", "status"],
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 5, 10),
)  # fmt: skip
outbox_waiting = Gauge("konci_outbox_waiting", "Outbox rows not yet confirmed", ["service"])
outbox_age = Gauge("konci_outbox_age_seconds", "Age of the oldest outbox row", ["service"])
outbox_sent = Counter("konci_outbox_sent", "Outbox rows handed to Kafka", ["service"])
outbox_failures = Counter("konci_outbox_failures", "Outbox turns that failed", ["service"])
dead_letters = Counter("konci_dead_letters", "Messages that could not be handled", ["topic"])
vault_turns = Counter("konci_vault_turns", "Renewals of certificate, token and database users", ["service"])
certificate_ends = Gauge("konci_certificate_ends_seconds", "Unix time at which the certificate ends", ["service"])

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("guard")


def request_id() -> str:
    """The id of the request that is being served, or an empty text."""
    return _request_id.get()


def set_request_id(value: str) -> None:
    """Names the request that this task serves, for logs and for OpenBao's audit device."""
    _request_id.set(value)


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        # Third parties format values into their texts; only their name and level leave the process.
        ours = record.name.startswith(("guard", "stack", self._service))
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "said": str(record.msg) if ours else f"{record.module}:{record.lineno}",
        }
        line.update({name: record.__dict__[name] for name in _FIELDS if name in record.__dict__})
        if _request_id.get():
            line["request_id"] = _request_id.get()
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["at_line"] = where(record.exc_info[1])
        return json.dumps(line, default=str)


def where(error: BaseException) -> str:
    """File and line where `error` was raised, without its text: texts quote what they refuse."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-6:]))


def start(service: str, *, traces: Path | None, otlp: str | None) -> None:
    """Sets up logging and spans for this process. Call once, before anything else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    exporter: SpanExporter | None = None
    if otlp is not None:
        exporter = _Collector(f"{otlp.rstrip('/')}/v1/traces")
    elif traces is not None:
        exporter = _SpanFile(traces / f"{service}.jsonl")
    if exporter is not None:
        provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        trace.set_tracer_provider(provider)


def stop() -> None:
    """Hands on the spans that are still held. Call once, when the process ends."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.shutdown()


class _Collector(SpanExporter):
    """Spans to a collector by OTLP/HTTP. OpenTelemetry's own exporter would speak TLS 1.2 (invariant 10)."""

    def __init__(self, address: str, transport: httpx2.BaseTransport | None = None) -> None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._address = address
        self._http = httpx2.Client(verify=context, timeout=5.0, trust_env=False, transport=transport)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body, kind = encode_spans(spans).SerializeToString(), {"Content-Type": "application/x-protobuf"}
        try:
            answer = self._http.post(self._address, content=body, headers=kind)
        except httpx2.HTTPError:  # a collector that is away costs spans and nothing else
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if answer.is_success else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._http.close()


class _SpanFile(SpanExporter):
    """Spans as JSON lines, for a machine without a collector."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            is_full = self._path.exists() and self._path.stat().st_size > _TRACE_BYTES
            how = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_full else os.O_APPEND)
            with os.fdopen(os.open(self._path, how, 0o600), "wb") as out:
                out.writelines(map(_line, spans))
        except (OSError, orjson.JSONEncodeError):  # a full disk, or what is no JSON, costs spans and nothing else
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _line(span: ReadableSpan) -> bytes:
    # In the shape of OpenTelemetry's own `to_json`, which took more of a busy service than all its keys and policies.
    context, parent = span.context, span.parent
    return orjson.dumps(
        {
            "name": span.name,
            "context": context and {"trace_id": f"0x{context.trace_id:032x}", "span_id": f"0x{context.span_id:016x}"},
            "kind": str(span.kind),
            "parent_id": parent and f"0x{parent.span_id:016x}",
            "start_time": _time(span.start_time),
            "end_time": _time(span.end_time),
            "attributes": dict(span.attributes or {}),
            "links": [f"0x{link.context.trace_id:032x}" for link in span.links],
            "resource": {"attributes": {"service.name": span.resource.attributes.get("service.name")}},
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _time(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat()


class _Budget:
    """So many a second, and as many at once after a quiet second."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * self._per_second, self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


_budget = _Budget(_TRACED)


def _untraced(parent: Context) -> Context:
    # The same trace by its id, so that log and access event still name it; nobody further on records it either.
    origin, made = trace.get_current_span(parent).get_span_context(), RandomIdGenerator()
    trace_id, span_id = origin.trace_id or made.generate_trace_id(), origin.span_id or made.generate_span_id()
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    return trace.set_span_in_context(NonRecordingSpan(context), parent)


@contextmanager
def served(method: str, headers: dict[str, str]) -> Iterator[Span]:
    """The span of one request, a child of the gateway's when `headers` carry its `traceparent`."""
    parent = _propagator.extract(headers)
    if not _budget.take():
        parent = _untraced(parent)
    # No exception is recorded, here or below: its text may quote what it refuses.
    with _tracer.start_as_current_span(
        method, context=parent, kind=SpanKind.SERVER, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span


@contextmanager
def consumed(records: Sequence[ConsumerRecord]) -> Iterator[None]:
    """A span for a batch, linked to the access that made each message, and one inside each access's own trace."""
    traced = [record for record in records if any(_is_sampled(*header) for header in record.headers)]
    parents = [_propagator.extract({k: v.decode("ascii", "replace") for k, v in r.headers}) for r in traced]
    origins = [trace.get_current_span(parent).get_span_context() for parent in parents]
    links = [Link(origin) for origin in origins if origin.is_valid]
    with _tracer.start_as_current_span(
        "batch", kind=SpanKind.CONSUMER, links=links[:128], record_exception=False, set_status_on_exception=False
    ):
        yield
    for record, parent, origin in zip(traced, parents, origins, strict=True):
        if origin.is_valid:
            attributes = {"messaging.destination.name": record.topic, "messaging.kafka.offset": record.offset}
            _tracer.start_span("stored", context=parent, kind=SpanKind.CONSUMER, attributes=attributes).end()


def _is_sampled(name: str, value: bytes) -> bool:
    # Of a busy service most are not, and reading each header to learn that took as much as storing its event.
    return name == "traceparent" and value.endswith((b"-01", b"-03"))  # W3C: sampled, and with a random id


def traceparent() -> str:
    """The current span as a W3C `traceparent`, or an empty text."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent", "")


def trace_id() -> str | None:
    """The current trace's id, 32 hex digits, or None."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
