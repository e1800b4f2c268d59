"""A panel and the dashboard around it: how a figure and a chart look here, and what each of them must say (07.1).

A panel has a title, a unit, and one line that ends with what to do when it is bad; it must never show a client.
"""

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode, BigValueGraphMode, BigValueTextMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

_GREEN, _RED = "green", "red"
_WIDTH = 24  # columns of Grafana's grid
# Chosen above the dashboard, so that the same file serves a Prometheus of any name.
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# Without what the supervisor and Prometheus ask every few seconds: beside it, nobody's waiting would be seen.
ASKED = 'route!~"/(healthz|readyz|metrics)"'

Panel = stat.Panel | timeseries.Panel


def alert(name: str, look: str, runbook: str) -> str:
    """What a panel says about the alert on the same expression: its name, where to look, what to do."""
    return f"Its alert: {name}. Look: {look}. Then docs/runbooks/{runbook}.md"


def figure(
    title: str,
    says: str,
    unit: str,
    query: str,
    legend: str = "",
    *,
    red: float | None = None,
    green: float | None = None,
) -> stat.Panel:
    """What `query` is now: red from `red` on, or until `green` is reached."""
    steps = [Threshold(value=None, color=_GREEN if green is None else _RED)]
    if red is not None:
        steps.append(Threshold(value=red, color=_RED))
    if green is not None:
        steps.append(Threshold(value=green, color=_GREEN))
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .unit(unit)
        .datasource(SOURCE)
        .height(5)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .color_mode(BigValueColorMode.BACKGROUND)
        .text_mode(BigValueTextMode.VALUE_AND_NAME if legend else BigValueTextMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        # Asked for this instant: of a course, the last value of what has gone away would still be shown.
        .with_target(_asked(query, legend or title, "A").instant())
        .no_value("nothing")
    )


def chart(title: str, says: str, unit: str, *queries: tuple[str, str]) -> timeseries.Panel:
    """The course of each (query, legend)."""
    made = timeseries.Panel().title(title).description(says).unit(unit).datasource(SOURCE).height(8).min(0)
    for letter, (query, legend) in zip("ABCD", queries, strict=False):
        made = made.with_target(_asked(query, legend, letter))
    return made


def page(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """A dashboard without a panel, of the last hour, with the choice of its Prometheus."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["konci"])
        .readonly()
        .timezone("utc")
        .time("now-1h", "now")
        .refresh("10s")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )


def choice(name: str, values: str) -> dashboard.QueryVariable:
    """A variable of one or several of `values` (a `label_values` query); all of them at first."""
    return (
        dashboard.QueryVariable(name)
        .query(values)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .multi(True)  # noqa: FBT003 - the builder's own way
        .include_all(True)  # noqa: FBT003 - the same
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def row(made: dashboard.Dashboard, title: str, *panels: Panel) -> dashboard.Dashboard:
    """A row of the dashboard, its panels of one width side by side."""
    made = made.with_row(dashboard.Row(title))
    for panel in panels:
        made = made.with_panel(panel.span(_WIDTH // len(panels)))
    return made


def text_of(made: dashboard.Dashboard) -> str:
    """The one way a dashboard is written to disk."""
    built = made.build()
    # In the order of the page: a link to one panel holds until one is put before it.
    for number, panel in enumerate(built.panels or [], start=1):
        panel.id_val = number
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(built) + "\n"


def _asked(query: str, legend: str, letter: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query).legend_format(legend).ref_id(letter).datasource(SOURCE)
