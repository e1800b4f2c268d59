"""The dashboard of the platform: what every service needs, and each service by the same measurements.

It must show every alert of the group `platform`.
"""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.models import units

from dashboards.panel import ASKED, alert, chart, choice, figure, page, row

_DAY = 86_400


def build() -> Dashboard:
    """The whole of it: what all need first, since it is what breaks all."""
    made = page("konci-services", "Services", "What all services need, and each service chosen above.")
    made = made.with_variable(choice("service", 'label_values(up{job="services"}, service)'))
    made = _ground(made)
    made = _trust(made)
    made = _events(made)
    made = _requests(made)
    made = _inside(made)
    return _renewal(made)


def _ground(made: Dashboard) -> Dashboard:
    return row(
        made,
        "What all of them need",
        figure(
            "Answers",
            f"1 when Prometheus reached it. {alert('ServiceDown', 'konci status; konci logs SERVICE', 'service-down')}",
            units.Short,
            "up",
            "{{service}}",
            green=1,
        ),
        figure(
            "PostgreSQL",
            f"1 when it answers the keeper. {alert('PostgresDown', 'konci logs postgres', 'postgresql-down')}",
            units.Short,
            "konci_postgres_up",
            green=1,
        ),
        figure(
            "Kafka",
            f"1 when it answers the keeper. {alert('KafkaDown', 'konci logs kafka', 'kafka-wiped')}",
            units.Short,
            "konci_kafka_up",
            green=1,
        ),
        figure(
            "OpenBao is unsealed",
            f"Nothing shown: it is away. {alert('OpenBaoSealed', 'konci logs openbao', 'openbao-sealed')}",
            units.Short,
            "max(vault_core_unsealed)",
            green=1,
        ),
    )


def _trust(made: Dashboard) -> Dashboard:
    return row(
        made,
        "The gateway, and certificates",
        chart(
            "The gateway cannot connect",
            "Connections to a service that failed. "
            + alert("GatewayRefusesUpstream", "konci logs envoy", "service-down"),
            units.Short,
            (
                "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_connect_fail[1m]))",
                "{{envoy_cluster_name}}",
            ),
        ),
        figure(
            "Certificates end in",
            "On disk; renewed between a third and half of their life. "
            + alert("CertificateNotRenewed", "konci logs keeper; konci status", "certificates-expired"),
            units.Seconds,
            'konci_certificate_on_disk_ends_seconds{identity!="migrator"} - time()',
            "{{identity}}",
            # A third of the day that a certificate lives, unless KONCI_CERT_TTL says otherwise.
            green=_DAY / 3,
        ),
    )


def _events(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Events",
        chart(
            "Oldest event that audit has not confirmed",
            "Over a minute nothing moves. "
            + alert("AccessEventsNotStored", "konci logs audit; konci logs kafka", "outbox-growing"),
            units.Seconds,
            ("max by (service) (konci_outbox_age_seconds)", "{{service}}"),
        ),
        chart(
            "Dead letters in ten minutes",
            f"Records that could not be read. {alert('DeadLetters', 'konci dlq list', 'dead-letters')}",
            units.Short,
            (r'increase(konci_kafka_topic_records{topic=~".+\\.dlq"}[10m])', "{{topic}}"),
        ),
        chart(
            "Messages that stand",
            f"All behind such a message waits. {alert('MessageStands', 'konci logs SERVICE', 'dead-letters')}",
            units.Short,
            (r'increase(konci_dead_letters_total{topic!~"access\\..+"}[10m])', "{{service}} {{topic}}"),
        ),
    )


def _requests(made: Dashboard) -> Dashboard:
    chosen = f'service=~"$service",{ASKED}'
    seconds = f"rate(konci_request_seconds_bucket{{{chosen}}}[$__rate_interval])"
    return row(
        made,
        "Requests of $service",
        chart(
            "Answers by status",
            "429: a client is at its limit. 503: database, keys or places are missing: docs/runbooks/service-down.md",
            units.RequestsPerSecond,
            (
                f"sum by (service, status) (rate(konci_request_seconds_count{{{chosen}}}[$__rate_interval]))",
                "{{service}} {{status}}",
            ),
        ),
        chart(
            "Half of the answers within",
            "Median. Rising for all services: PostgreSQL or the machine; for one: konci logs SERVICE.",
            units.Seconds,
            (f"histogram_quantile(0.5, sum by (service, le) ({seconds}))", "{{service}}"),
        ),
        chart(
            "99 of 100 answers within",
            "p99, streams to their end. Rising alone: one route; see traces, then konci logs SERVICE.",
            units.Seconds,
            (f"histogram_quantile(0.99, sum by (service, le) ({seconds}))", "{{service}}"),
        ),
    )


def _inside(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Inside $service",
        chart(
            "Outbox",
            "Events not yet confirmed; turns that failed since the start. Rising: docs/runbooks/outbox-growing.md",
            units.Short,
            ('max by (service) (konci_outbox_waiting{service=~"$service"})', "{{service}} waiting"),
            ('sum by (service) (konci_outbox_failures_total{service=~"$service"})', "{{service}} failed turns"),
        ),
        chart(
            "Connections to its database",
            "At PostgreSQL; pools are bounded, so it levels off. 0: docs/runbooks/postgresql-down.md",
            units.Short,
            ('max by (database) (konci_postgres_numbackends{database=~"$service"})', "{{database}}"),
        ),
        chart(
            "Size of its database",
            "On disk. Growing faster than the traffic: docs/runbooks/disk-full.md",
            units.BytesIEC,
            ('max by (database) (konci_postgres_bytes{database=~"$service"})', "{{database}}"),
        ),
    )


def _renewal(made: Dashboard) -> Dashboard:
    return row(
        made,
        "Renewal and memory of $service",
        chart(
            "The served certificate ends in",
            "Saw teeth. A line that falls to 0: docs/runbooks/certificates-expired.md",
            units.Seconds,
            ('max by (service) (konci_certificate_ends_seconds{service=~"$service"}) - time()', "{{service}}"),
        ),
        chart(
            "Renewals since the start",
            "Of certificate, token and database users. It stands for hours: docs/runbooks/openbao-sealed.md",
            units.Short,
            ('sum by (service) (konci_vault_turns_total{service=~"$service"})', "{{service}}"),
        ),
        chart(
            "Memory",
            "Of the process. Growing without end: keep konci logs SERVICE, then restart it.",
            units.BytesIEC,
            ('max by (service) (process_resident_memory_bytes{service=~"$service"})', "{{service}}"),
        ),
    )
