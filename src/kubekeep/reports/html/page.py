"""The page around the findings: what is readable without the script, from a template that escapes everything.

Each value that a template writes is made harmless and cut on its way out, so that no template can forget it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
import re
from collections.abc import Iterator
from typing import Any, Final

import jinja2
from markupsafe import Markup

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.model.severity import Severity
from kubekeep.model.text import utc_text, visible
from kubekeep.reports.html import data
from kubekeep.reports.shared import content as shared
from kubekeep.reports.shared.attack_svg import attack_svg
from kubekeep.reports.shared.wording import enforced, number, percent, scanned

_STATIC: Final = importlib.resources.files(__package__) / "static"
_SCRIPTS: Final = ("findings.js", "details.js", "table.js", "main.js")
_LONGEST: Final = 1000
"""Characters of a text that are shown; what is longer is somebody's trick and no text."""


def pieces(assessment: Assessment) -> Iterator[str]:
    """The page in pieces, ready to be written one after the other."""
    content = shared.content(assessment)
    style, script = Markup(_style()), Markup(_script())  # noqa: S704 - our own files
    yield from (
        _environment()
        .get_template("report.html")
        .generate(
            a=assessment,
            content=content,
            policy=_policy(style, script),
            style=style,
            script=script,
            waivers=_exceptions(content),
            picture=_picture(assessment),
            data=map(Markup, data.pieces(content)),
            position={item.control.slug: number for number, item in enumerate(assessment.controls)},
        )
    )
    yield "\n"


def _picture(assessment: Assessment) -> str:
    """The attack paths as SVG; empty without any."""
    if assessment.attacks is None or not assessment.attacks.paths:
        return ""
    return Markup(attack_svg(assessment.attacks))  # noqa: S704 - it escapes what it shows itself


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded or run but the one style and the one script of the page (CSP Level 3, §8.1 hashes)."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _style() -> str:
    inks = "".join(f"  --{level.label.lower()}: {level.ink};\n" for level in Severity)
    return f":root {{\n{inks}}}\n{_static('report.css')}"


def _script() -> str:
    return "\n".join(map(_static, _SCRIPTS))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_static),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {
        "percent": percent,
        "grade": shared.grade,
        "number": number,
        "risk": shared.risk,
        "scanned": scanned,
        "result": _result,
        "chapters": _chapters,
        "links": _links,
        "enforced": enforced,
        "moment": utc_text,
        "share": _share,
    }
    return environment


def _shown(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if len(value) > _LONGEST:
        value = f"{value[:_LONGEST]}… ({len(value):,} characters)"
    return visible(value)


def _share(part: float | None, whole: float) -> str:
    """The width of a bar in percent; what is there at all can be seen."""
    return f"{max(1.0, 100 * part / whole):.1f}" if part and whole else "0"


def _result(summary: ControlSummary) -> tuple[str, str]:
    """How a control came out: a word to style it by, and what to say."""
    counts = summary.counts
    if summary.status is Status.FAILED:
        evaluated = counts.passed + counts.failed
        return "failed", f"{counts.failed:,} of {number(evaluated, 'resource')} failed"
    if summary.status is Status.PASSED:
        excepted = f", {counts.excepted:,} by waivers" if counts.excepted else ""
        return "passed", f"passed ({number(counts.passed, 'resource')}{excepted})"
    reason = summary.reason.text if summary.reason else "no reason is known"
    return ("idle", "nothing to look at") if shared.is_idle(summary) else ("gap", f"not evaluated: {reason}")


def _chapters(control: Control) -> Iterator[tuple[str, list[list[tuple[str, bool]]]]]:
    """The chapters by heading: lines, each of pieces of text and whether they are code."""
    for heading, text in control.chapters:
        lines = re.sub(r"\n[ \t]+", " ", text).splitlines()
        yield heading, [_coded(line) for line in lines if line.strip()]


def _coded(line: str) -> list[tuple[str, bool]]:
    parts = line.split("`")
    if len(parts) % 2 == 0:  # a backtick without its fellow
        return [(line, False)]
    return [(part, bool(number % 2)) for number, part in enumerate(parts) if part]


def _links(control: Control) -> list[str]:
    """Where to read on; nothing but the web, as a control that somebody brought may name anything."""
    found = dict.fromkeys((control.page, *control.references))
    return [link for link in found if re.match(r"https?://[^\s]+\Z", link)]


def _exceptions(content: shared.Content) -> list[dict[str, Any]]:
    """Each waiver with what became of it and how many findings it covers, those that cover nothing last."""
    covered: dict[Any, int] = {}
    for group in content.excepted:
        for finding in group.findings:
            for exception in finding.exceptions:
                covered[exception] = covered.get(exception, 0) + 1
    uses = {use.exception: use for use in content.assessment.exceptions}
    rows = [
        {
            "waiver": exception,
            "status": use.status.value if (use := uses.get(exception)) else "matched",
            "text": use.text if use else "",
            "count": covered.get(exception, 0),
        }
        for exception in dict.fromkeys((*covered, *uses))
    ]
    return sorted(rows, key=lambda row: -row["count"])
