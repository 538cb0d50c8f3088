"""Write the Grafana dashboards of Kubekeep as JSON: `python dashboards.py` after a change. With `--check`, write nothing.

Needs the package grafana-foundation-sdk. Queries use only metrics of `kubekeep scan -f prometheus` and `kubekeep watch`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, gauge, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, DataSourceRef, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

FOLDER: Final = Path(__file__).parent
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="$datasource")
_SELECTOR: Final = 'instance=~"$instance"'
_SEVERITIES: Final = (("critical", "dark-red"), ("high", "red"), ("medium", "yellow"), ("low", "blue"))


def build_posture() -> Any:
    """Return the dashboard of findings, frameworks and coverage."""
    board = _start("Kubekeep: posture", "kubekeep-posture", "kubekeep_info")
    board.with_row(Row("Now"))
    for severity, colour in _SEVERITIES:
        query = f'sum(kubekeep_findings{{{_SELECTOR}, severity="{severity}"}})'
        board.with_panel(_stat(f"{severity.capitalize()} findings", query, colour).span(3).height(4))
    board.with_panel(_ratio("Compliance", f"avg(kubekeep_compliance_ratio{{{_SELECTOR}}})").span(4).height(4))
    board.with_panel(_ratio("Controls evaluated", f"avg(kubekeep_coverage_ratio{{{_SELECTOR}}})").span(4).height(4))
    unread = _stat("Unread input", f"sum(kubekeep_unread{{{_SELECTOR}}})", "red")
    board.with_panel(unread.description("Parts of the input that could not be read.").span(4).height(4))
    board.with_row(Row("Findings"))
    for panel in _list_finding_panels():
        board.with_panel(panel)
    board.with_row(Row("Frameworks and coverage"))
    for panel in _list_framework_panels():
        board.with_panel(panel)
    return board.build()


def _list_finding_panels() -> Iterator[Any]:
    yield (
        timeseries.Panel()
        .title("Findings by severity")
        .datasource(_SOURCE)
        .with_target(_query(f"sum by (severity) (kubekeep_findings{{{_SELECTOR}}})", "{{severity}}"))
        .min(0)
        .span(12)
        .height(8)
    )
    yield (
        bargauge.Panel()
        .title("Namespaces with most findings")
        .datasource(_SOURCE)
        .with_target(
            _query(
                f"topk(15, sum by (namespace) (kubekeep_namespace_findings{{{_SELECTOR}}}))", "{{namespace}}", now=True
            )
        )
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .min(0)
        .span(12)
        .height(8)
    )
    failed = f"sum by (control, severity) (kubekeep_control_failed_resources{{{_SELECTOR}}})"
    titles = f"max by (control, severity, title) (kubekeep_control_info{{{_SELECTOR}}})"
    yield _table(
        "Controls that most resources fail",
        f"topk(25, ({failed} * on (control, severity) group_right () {titles}) > 0)",
        {"control": "Control", "title": "Title", "severity": "Severity", "Value": "Resources"},
    )


def _list_framework_panels() -> Iterator[Any]:
    yield (
        timeseries.Panel()
        .title("Compliance by framework")
        .datasource(_SOURCE)
        .with_target(
            _query(f"avg by (framework) (kubekeep_framework_compliance_ratio{{{_SELECTOR}}})", "{{framework}}")
        )
        .unit("percentunit")
        .min(0)
        .max(1)
        .span(12)
        .height(8)
    )
    yield (
        bargauge.Panel()
        .title("Controls that were not evaluated, by cause")
        .datasource(_SOURCE)
        .with_target(_query(f"sum by (cause) (kubekeep_control_not_evaluated{{{_SELECTOR}}})", "{{cause}}", now=True))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .min(0)
        .span(12)
        .height(8)
    )
    yield _table(
        "Scans",
        f"(time() - kubekeep_scan_end_timestamp_seconds{{{_SELECTOR}}}) * on (job, instance) group_right () kubekeep_info",
        {"instance": "Instance", "version": "Version", "kubernetes_version": "Kubernetes", "Value": "Age"},
        unit="s",
    )


def build_watch() -> Any:
    """Return the dashboard of `kubekeep watch` itself."""
    board = _start("Kubekeep: watch", "kubekeep-watch", "kubekeep_watch_objects")
    connected = _stat("Connected", f"min(kubekeep_watch_current{{{_SELECTOR}}})", "green")
    board.with_panel(connected.description("1 if all kinds are being watched.").span(6).height(4))
    board.with_panel(_stat("Resources", f"sum(kubekeep_watch_objects{{{_SELECTOR}}})", "blue").span(6).height(4))
    gaps = _stat("Coverage gaps", f"sum(kubekeep_watch_gaps{{{_SELECTOR}}})", "red")
    board.with_panel(gaps.description("Kinds of resources that could not be listed.").span(6).height(4))
    age = f"time() - max(kubekeep_watch_last_event_timestamp_seconds{{{_SELECTOR}}})"
    board.with_panel(_stat("Time since the last event", age, "blue").unit("s").span(6).height(4))
    for title, expression, unit in (
        ("Events", f"sum by (instance) (rate(kubekeep_watch_events_total{{{_SELECTOR}}}[$__rate_interval]))", "ops"),
        (
            "Changed verdicts",
            f"sum by (instance) (increase(kubekeep_watch_turns_total{{{_SELECTOR}}}[$__rate_interval]))",
            "short",
        ),
        (
            "Time per evaluation",
            (
                f"sum by (instance) (kubekeep_watch_assess_seconds_total{{{_SELECTOR}}})"
                f" / sum by (instance) (kubekeep_watch_assessments_total{{{_SELECTOR}}})"
            ),
            "s",
        ),
        (
            "Lost connections",
            f"sum by (instance) (increase(kubekeep_watch_disconnects_total{{{_SELECTOR}}}[$__rate_interval]))",
            "short",
        ),
    ):
        board.with_panel(
            timeseries.Panel()
            .title(title)
            .datasource(_SOURCE)
            .with_target(_query(expression, "{{instance}}"))
            .unit(unit)
            .min(0)
            .span(12)
            .height(8)
        )
    return board.build()


def _start(title: str, uid: str, metric: str) -> Dashboard:
    """Return a dashboard with variables for the data source and for the instances that have `metric`."""
    instances = (
        QueryVariable("instance")
        .label("Instance")
        .datasource(_SOURCE)
        .query(f"label_values({metric}, instance)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(include_all=True)
        .all_value(".*")
        .multi(multi=True)
    )
    return (
        Dashboard(title)
        .uid(uid)
        .tags(["kubekeep", "security"])
        .refresh("1m")
        .time("now-24h", "now")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(instances)
    )


def _query(expression: str, legend: str = "", *, now: bool = False) -> Dataquery:
    query = Dataquery().expr(expression).legend_format(legend)
    return query.instant() if now else query.range()


def _stat(title: str, expression: str, colour: str) -> stat.Panel:
    """Return a panel with one number that has a colour unless it is zero."""
    steps = [Threshold(color="text", value=None), Threshold(color=colour, value=1.0)]
    return (
        stat.Panel()
        .title(title)
        .datasource(_SOURCE)
        .with_target(_query(expression))
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _ratio(title: str, expression: str) -> gauge.Panel:
    steps = [
        Threshold(color="red", value=None),
        Threshold(color="yellow", value=0.7),
        Threshold(color="green", value=0.9),
    ]
    return (
        gauge.Panel()
        .title(title)
        .datasource(_SOURCE)
        .with_target(_query(expression))
        .unit("percentunit")
        .min(0)
        .max(1)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    )


def _table(title: str, expression: str, columns: dict[str, str], unit: str = "short") -> table.Panel:
    """Return a table with some labels and the value as columns, in this order."""
    excluded = {name: True for name in ("Time", "job", "instance", "cause", "__name__") if name not in columns}
    options = {
        "excludeByName": excluded,
        "indexByName": {name: index for index, name in enumerate(columns)},
        "renameByName": columns,
    }
    return (
        table.Panel()
        .title(title)
        .datasource(_SOURCE)
        .with_target(_query(expression, now=True).format(PromQueryFormat.TABLE))
        .with_transformation(DataTransformerConfig(id_val="organize", options=options))
        .unit(unit)
        .span(24)
        .height(9)
    )


DASHBOARDS: Final = {"posture.json": build_posture, "watch.json": build_watch}


def write_dashboards() -> dict[str, str]:
    """Return the JSON of each dashboard by file name."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {name: encoder.encode(build()) + "\n" for name, build in DASHBOARDS.items()}


def main(arguments: list[str]) -> int:
    """Write the files, or check them; return 1 if a file is out of date."""
    outdated = [name for name, text in write_dashboards().items() if _read(name) != text]
    if "--check" not in arguments:
        for name, text in write_dashboards().items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    for name in outdated:
        sys.stderr.write(f"{name} is out of date: run {Path(__file__).name}\n")
    return int(bool(outdated))


def _read(name: str) -> str:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
