"""The HTML page, readable without its script, from autoescaped Jinja templates.

Every value that a template writes is escaped and shortened by a filter that templates cannot bypass.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import jinja2
import msgspec
from markupsafe import Markup

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.definition import Definition
from kubekeep.model.severity import Severity
from kubekeep.model.text import utc_text, visible
from kubekeep.model.verdict import Status
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.reports.html import script_data
from kubekeep.reports.html.fix_first import list_first
from kubekeep.reports.html.vulnerabilities import ImagePart, build_parts
from kubekeep.reports.shared import content
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.attack_svg import attack_svg
from kubekeep.reports.shared.vulnerabilities import PackageCoverage, list_subjects, measure_coverage
from kubekeep.reports.shared.vulnerability_text import describe_container
from kubekeep.reports.shared.wording import count_noun, describe_enforcement, describe_input, percent, reason_text

_STATIC: Final = importlib.resources.files(__package__) / "static"
_SCRIPTS: Final = ("findings.js", "details.js", "table.js", "vulnerabilities.js", "main.js")
_MAX_IMAGES: Final = 50
"""Images and SBOMs with a summary; the list that the script shows has the vulnerabilities of all."""
_MAX_UPGRADES: Final = 15
_MAX_CONTAINERS: Final = 10
"""Containers that the part of an image names."""
_MAX_ROWS: Final = 200
"""Rows of other tables of an image."""
_LONGEST: Final = 1000
"""Maximum characters of a text; longer ones are only found in malicious input."""


class _RunningImage(msgspec.Struct, frozen=True):
    """A container of a workload with the image that it runs."""

    container: WorkloadContainer
    part: ImagePart


class _PriorityRow(msgspec.Struct, frozen=True):
    """Numbers of findings of controls and of vulnerabilities with a priority."""

    level: Severity
    controls: int
    vulnerabilities: int

    @property
    def total(self) -> int:
        """Number of all findings with the priority."""
        return self.controls + self.vulnerabilities


def generate_page(assessment: Assessment) -> Iterator[str]:
    """Yield the page in pieces."""
    images = build_parts(list_subjects(assessment))
    first = list_first(assessment, (part.subject for part in images))
    coverage = measure_coverage(assessment) or PackageCoverage()
    assessment = msgspec.structs.replace(assessment, summaries=assessment.controls)
    report = content.build_content(assessment)
    style, script = Markup(_style()), Markup("\n".join(map(_static, _SCRIPTS)))  # noqa: S704 - our own files
    yield from (
        _environment()
        .get_template("report.html")
        .generate(
            a=assessment,
            report=report,
            policy=_policy(style, script),
            style=style,
            script=script,
            exceptions=_exceptions(report),
            picture=_picture(assessment),
            script_data=map(Markup, script_data.encode_findings(report, images)),
            images=images,
            has_controls=bool(assessment.summaries) or not images,
            priorities=_count_priorities(report, images),
            open_vulnerabilities=sum(len(part.subject.open) for part in images),
            fixable_vulnerabilities=sum(part.fixable for part in images),
            exploited_vulnerabilities=sum(part.exploited for part in images),
            coverage=coverage,
            first=first,
            running=list(_list_running(images)),
            max_images=_MAX_IMAGES,
            max_upgrades=_MAX_UPGRADES,
            max_containers=_MAX_CONTAINERS,
            max_rows=_MAX_ROWS,
            position={summary.definition.slug: number for number, summary in enumerate(assessment.summaries)},
        )
    )
    yield "\n"


def _count_priorities(report: content.ReportContent, images: Sequence[ImagePart]) -> list[_PriorityRow]:
    """Return the numbers of findings of controls and of open vulnerabilities, highest priority first."""
    findings = {row.level: row.urgent for row in report.levels}
    vulnerabilities = Counter(get_level(entry) for part in images for entry in part.subject.open)
    return [_PriorityRow(level, findings.get(level, 0), vulnerabilities[level]) for level in content.LEVELS]


def _list_running(images: Sequence[ImagePart]) -> Iterator[_RunningImage]:
    """Yield each container that runs an image with open vulnerabilities, exposed ones and the most urgent first."""
    running = [
        _RunningImage(container, part) for part in images if part.subject.open for container in part.subject.containers
    ]
    yield from sorted(running, key=lambda entry: (not entry.container.exposure, not entry.container.power))


def _picture(assessment: Assessment) -> str:
    """Return the attack paths as SVG, or an empty text if there are none."""
    if assessment.attacks is None or not assessment.attacks.paths:
        return ""
    return Markup(attack_svg(assessment.attacks))  # noqa: S704 - attack_svg escapes all text


def _policy(style: str, script: str) -> str:
    """Return a policy that allows nothing but the page's own style and script, by hash (CSP Level 3, §8.1)."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _style() -> str:
    inks = "".join(f"  --{level.label.lower()}: {level.print_colour};\n" for level in Severity)
    return f":root {{\n{inks}}}\n{_static('report.css')}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_static),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shorten,
    )
    environment.globals |= {
        "percent": percent,
        "grade": content.grade,
        "count_noun": count_noun,
        "risk": content.risk,
        "known_score": content.known_score,
        "describe_input": describe_input,
        "result": _result,
        "chapters": _chapters,
        "links": _links,
        "describe_enforcement": describe_enforcement,
        "moment": utc_text,
        "share": _share,
        "describe_container": describe_container,
    }
    return environment


def _shorten(value: Any) -> Any:
    """Return text that is not markup, escaped by `visible` and shortened; other values unchanged."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > _LONGEST:
        value = f"{value[:_LONGEST]}… ({len(value):,} characters)"
    return visible(value)


def _share(part: float | None, whole: float) -> str:
    """Return the width of a bar in percent; any value above zero is visible."""
    return f"{max(1.0, 100 * part / whole):.1f}" if part and whole else "0"


def _result(summary: DefinitionSummary) -> tuple[str, str]:
    """Return the result of a control as a style class and a text."""
    counts = summary.counts
    if summary.status is Status.FAILED:
        evaluated = counts.passed + counts.failed
        return "failed", f"{counts.failed:,} of {count_noun(evaluated, 'resource')} failed"
    if summary.status is Status.PASSED:
        excepted = f", {counts.excepted:,} by exceptions" if counts.excepted else ""
        return "passed", f"passed ({count_noun(counts.passed, 'resource')}{excepted})"
    if content.is_idle(summary):
        return "idle", "no matching resources"
    return "gap", f"not evaluated: {reason_text(summary.reason)}"


def _chapters(control: Definition) -> Iterator[tuple[str, list[list[tuple[str, bool]]]]]:
    """Yield the chapters of a control by heading: lines of text pieces, each with True if it is code."""
    for heading, text in control.chapters:
        lines = re.sub(r"\n[ \t]+", " ", text).splitlines()
        yield heading, [_coded(line) for line in lines if line.strip()]


def _coded(line: str) -> list[tuple[str, bool]]:
    parts = line.split("`")
    if len(parts) % 2 == 0:  # an unpaired backtick
        return [(line, False)]
    return [(part, bool(number % 2)) for number, part in enumerate(parts) if part]


def _links(control: Definition) -> list[str]:
    """Return the web links of a control; other URLs are dropped, because a custom control may contain any."""
    links = dict.fromkeys((control.page, *control.references))
    return [link for link in links if re.match(r"https?://[^\s]+\Z", link)]


def _exceptions(report: content.ReportContent) -> list[dict[str, Any]]:
    """Return each exception with its status and number of covered findings, unused ones last."""
    findings = (finding for group in report.excepted for finding in group.findings)
    finding_counts = Counter(exception for finding in findings for exception in finding.suppressions)
    uses = {use.exception: use for use in report.assessment.exceptions}
    rows = [
        {
            "exception": exception,
            "status": use.status.value if (use := uses.get(exception)) else "matched",
            "text": use.text if use else "",
            "count": finding_counts[exception],
        }
        for exception in dict.fromkeys((*finding_counts, *uses))
    ]
    return sorted(rows, key=lambda row: -row["count"])
