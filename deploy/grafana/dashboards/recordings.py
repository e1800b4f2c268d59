"""The dashboard of who is on call for recording_storage: what is lost, what is in one zone, how the upkeep gets on.

It must show every alert of the group `recordings`.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from dashboards.panel import ASKED, alert, chart, figure, page, row

_LOOK = "konci logs recording_storage"
_DAY = 86_400


def _alert(name: str, look: str = _LOOK) -> str:
    return alert(name, look, "recording-lost")


def build() -> Dashboard:
    """The whole of it, in the order in which one asks in the night."""
    made = page("konci-recordings", "Recordings", "Whether recordings are safe, and are played and taken in.")
    made = _safe(made)
    made = _gone(made)
    made = _zones(made)
    made = _wounds(made)
    made = _upkeep(made)
    return _traffic(made)


def _safe(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Is anything lost, or not safe?",
        figure(
            "Lost in ten minutes",
            f"Segments that neither zone gives as they were written. {_alert('RecordingLost')}",
            units.Short,
            "increase(konci_recording_lost_total[10m])",
            red=0.001,
        ),
        figure(
            "Zone answers",
            f"1 when the zone answered its last call. {_alert('ZoneAway')}",
            units.Short,
            "min by (zone) (konci_zone_up)",
            "{{zone}}",
            green=1,
        ),
        figure(
            "In one zone alone",
            f"Recordings that are not in both zones yet; healed once the zone is back. {_alert('RecordingsDegraded')}",
            units.Short,
            "max(konci_recording_degraded)",
            red=1,
        ),
    )


def _gone(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Is everything gone that should be?",
        figure(
            "Time is over",
            f"Recordings that are there and should be deleted. {_alert('RecordingsOverdue')}",
            units.Short,
            "max(konci_recording_overdue)",
            red=1,
        ),
        figure(
            "Waiting to be erased",
            f"Deleted recordings, their keys destroyed, with objects left: a zone is away. {_alert('RemovalsWait')}",
            units.Short,
            "max(konci_recording_removals_waiting)",
            red=1,
        ),
        figure(
            "Keys under an old version",
            "What is left to rewrap after a rotation: it falls to 0. "
            f"{_alert('RecordingKeysOld', f'{_LOOK}; konci logs openbao')}",
            units.Short,
            "max(konci_recording_keys_old)",
            red=1,
        ),
    )


def _zones(made: Dashboard) -> Dashboard:
    seconds = "rate(konci_zone_seconds_bucket[$__rate_interval])"
    return row(
        made,
        "The two zones",
        chart(
            "Bytes",
            "Of objects written and read. One zone alone: the other is away, see Zone answers.",
            units.BytesPerSecondIEC,
            ("sum by (zone, operation) (rate(konci_zone_bytes_total[$__rate_interval]))", "{{zone}} {{operation}}"),
        ),
        chart(
            "99 of 100 calls within",
            f"p99 of calls to a zone that were answered. Rising in one: that disk or store. Look: {_LOOK}",
            units.Seconds,
            (f"histogram_quantile(0.99, sum by (zone, operation, le) ({seconds}))", "{{zone}} {{operation}}"),
        ),
        # What is rare is told as its sum since the process began: a rate does not show a first one.
        chart(
            "Failed calls since the start",
            f"Refused, or not answered in time. Rising: the zone is full, slow or away. Look: {_LOOK}",
            units.Short,
            ("sum by (zone, operation) (konci_zone_failures_total)", "{{zone}} {{operation}}"),
        ),
    )


def _wounds(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Wounds, and what healed them",
        chart(
            "Wounds since the start",
            f"Objects that a zone did not give rightly. Rising faster than Healed: the disk is bad. Look: {_LOOK}",
            units.Short,
            ("sum by (zone, kind) (konci_zone_wounds_total)", "{{zone}} {{kind}}"),
        ),
        chart(
            "Healed since the start",
            "Objects written anew into a zone, from the other. Standing while some are unsafe: see In one zone alone.",
            units.Short,
            ("sum by (zone) (konci_zone_healed_total)", "{{zone}} healed"),
            ("sum by (zone) (konci_zone_swept_total)", "{{zone}} orphans erased"),
        ),
        chart(
            "Written to the other alone since the start",
            "Objects that this zone does not hold and the other does. Rising: it is away or full, see Zone answers.",
            units.Short,
            ("sum by (zone) (konci_zone_degraded_writes_total)", "{{zone}}"),
        ),
    )


def _upkeep(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Upkeep",
        figure(
            "Differences",
            f"What the last comparison with the database found. {_alert('ZonesDiffer')}",
            units.Short,
            "max by (zone, kind) (konci_zone_differences)",
            "{{zone}} {{kind}}",
            red=1,
        ),
        figure(
            "Since the last comparison",
            f"Hourly, unless a zone is away; an hour after a start there is the first. {_alert('ZonesNotCompared')}",
            units.Seconds,
            "time() - max(konci_zone_compared_seconds)",
            red=3 * 3600,
        ),
        figure(
            "Since the last scrub",
            f"Each object is read every seven days. {_alert('ZonesNotScrubbed')}",
            units.Seconds,
            "time() - max(konci_zone_scrubbed_seconds)",
            red=14 * _DAY,
        ),
        chart(
            "Left to rewrap",
            "Rewrapping gets on when it falls. It stands: OpenBao or the database is away. Look: konci logs openbao",
            units.Short,
            ("max(konci_recording_keys_old)", "keys"),
        ),
    )


def _traffic(made: Dashboard) -> Dashboard:
    answers = f'konci_request_seconds_count{{service="recording_storage",{ASKED}}}'
    return row(
        made,
        "Uploads and plays",
        chart(
            "Running",
            "At the process's bound (README of recording_storage) clients are refused with 503: see Answers.",
            units.Short,
            ("sum by (what) (konci_recording_running)", "{{what}}"),
        ),
        chart(
            "Answers",
            f"429: a client has its share of places. 503: no place, no zone, no key or no database. Look: {_LOOK}",
            units.RequestsPerSecond,
            (f"sum by (status) (rate({answers}[$__rate_interval]))", "{{status}}"),
        ),
        chart(
            "Memory",
            f"Of the process; an upload or a play holds a few MiB. Growing without end: keep {_LOOK}, then restart it",
            units.BytesIEC,
            ('process_resident_memory_bytes{service="recording_storage"}', "resident"),
        ),
    )
