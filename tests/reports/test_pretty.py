"""The terminal report: safe on every terminal, short, and with the next step."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from tests.command_line import run_command_line
from tests.reports.rendering import long_view

import kubekeep
from kubekeep.model.assessment import Assessment
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.format import View
from kubekeep.reports.shared.terminal import Span, Terminal, cells

OURS = re.compile(r"\x1b\[[0-9;]+m|\x1b\]8;;(?:(?:file:///|https://)[!-~]*)?\x1b\\")
"""All escape codes that Kubekeep writes: colours, and links to files and to the documentation."""


def render_pretty(assessment: Assessment, options: ReportOptions | None = None) -> str:
    """Return the report by control, unless the options select another of the long views."""
    stream = io.StringIO()
    load("pretty").render(assessment, stream, long_view(options))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_control_characters_are_escaped(width: int, assessment: Assessment) -> None:
    plain_text = render_pretty(assessment, ReportOptions(width=width))
    assert all(char == "\n" or char.isprintable() for char in plain_text)
    styled_text = render_pretty(assessment, ReportOptions(width=width, colour=True, links=True))
    assert OURS.sub("", styled_text) == plain_text


@pytest.mark.parametrize("width", [80, 200])
def test_lines_wrap_at_the_width(width: int, assessment: Assessment) -> None:
    for line in render_pretty(assessment, ReportOptions(width=width, verbose=True)).splitlines():
        assert line == line.rstrip()
        if "very long folder" not in line and "<script>" not in line:
            assert cells(line) <= width


def test_worst_first(assessment: Assessment) -> None:
    text = render_pretty(assessment)
    order = [text.index(f"✖ {word}") for word in ("CRITICAL", "HIGH", "MEDIUM", "LOW")]
    assert order == sorted(order)
    assert text.index("C-0057") < text.index("C-0012"), "equal priorities are sorted by number of failures"


def test_locations_values_and_fixes(assessment: Assessment) -> None:
    text = render_pretty(assessment)
    assert "  HIGH      deploy/web-0.yaml:21  Deployment default/web-0\n" in text
    assert "    set spec.template.spec.containers[0].securityContext.privileged to false\n" in text
    assert "    line 44: set spec.template.spec.containers[1]" in text
    assert '    add metadata.labels.owner: "me"\n' in text
    assert "    delete spec.hostPID  (now true; " in text
    assert "    review rules[0].verbs[0] of Role r  (now create)\n" in text
    assert "Fix: Set what is named to what is safe. The place is shown above.\n" in text


def test_possible_secrets_are_hidden(assessment: Assessment) -> None:
    assert "    review spec.containers[0].env[0].value\n" in render_pretty(assessment)


def test_code_is_coloured_or_keeps_backticks(assessment: Assessment) -> None:
    first = assessment.summaries[0]
    fix = "Set `hostPID: false`.\n\nMore."
    summary = msgspec.structs.replace(first, definition=msgspec.structs.replace(first.definition, fix=fix))
    coded = msgspec.structs.replace(assessment, summaries=(summary,), frameworks=())
    assert "Fix: Set `hostPID: false`.\n" in render_pretty(coded)
    assert "Set \x1b[36mhostPID: false\x1b[0m.\n" in render_pretty(coded, ReportOptions(colour=True))


def test_locations_are_in_file_order(assessment: Assessment) -> None:
    lines = re.findall(r"web-0.yaml:(\d+)|line (\d+): ", render_pretty(assessment, ReportOptions(verbose=True)))
    numbers = [int(head or line) for head, line in lines][:8]
    assert numbers == sorted(numbers)


def test_settings_and_kustomizations(assessment: Assessment) -> None:
    text = render_pretty(assessment)
    assert (
        "  HIGH      chart/charts/cache/templates/deploy.yaml:31  Deployment default/cache\n"
        "    set spec.template.spec.containers[0].securityContext.privileged to false\n"
        "      from chart/values.yaml:14 cache.securityContext.privileged\n"
    ) in text
    assert "      from --set cache.debug\n" in text
    assert "  HIGH      base/web.yaml:9  Deployment default/web  in overlays/prod\n" in text


@pytest.mark.parametrize("view", [View.CONTROL, View.RESOURCE, View.FILE, View.ALL])
def test_views_show_every_finding(view: View, assessment: Assessment) -> None:
    text = render_pretty(assessment, ReportOptions(view=view))
    words = "".join(text.split())
    for finding in assessment.findings:
        name = str(finding.location.file) if view is View.FILE and finding.location else finding.subject.name
        assert "".join(visible(name).split()) in words
    if view is View.FILE:
        counts = [int(number) for number in re.findall(r"(\d+) locations?$", text, re.MULTILINE)]
        rows = re.findall(r"^(?: {6}| +\d+)  (?:CRITICAL|HIGH|MEDIUM|LOW) ", text, re.MULTILINE)
        assert len(rows) == sum(counts) == sum(max(1, len(finding.evidence)) for finding in assessment.findings)
    elif view is View.CONTROL:
        rows = re.findall(r"^  (?:CRITICAL|HIGH|MEDIUM|LOW)\b", text, re.MULTILINE)
        assert len(rows) == len(assessment.findings)
    assert "… and" not in text


def test_long_lists_of_passed_controls_are_cut_unless_verbose(assessment: Assessment) -> None:
    assert "C-0271  Memory limits" not in render_pretty(assessment)
    verbose = render_pretty(assessment, ReportOptions(verbose=True))
    assert "web-6" in verbose
    assert "--verbose" not in verbose
    assert "C-0271  Memory limits" in verbose


def test_gaps_and_idle_controls(assessment: Assessment) -> None:
    text = render_pretty(assessment)
    assert "• 3 controls not evaluated" in text
    assert "  C-0069, C-0070\n    It reads files of the nodes: scan with a host agent.\n" in text
    assert "  charts/broken.yaml:12  mapping values are not allowed here\n" in text
    assert "· 1 control without matching resources" in text


def test_percentages_are_rounded_down(assessment: Assessment) -> None:
    rows = [line.split() for line in render_pretty(assessment).splitlines() if line.startswith("  mitre")]
    assert rows == [["mitre", "99", "%", "█████████░", "66", "%", "2", "0", "1"]]
    assert "13 findings by priority: 1 critical · 10 high · 1 medium · 1 low" in " ".join(
        render_pretty(assessment).split()
    )


def test_last_line_is_the_next_step(assessment: Assessment) -> None:
    assert render_pretty(assessment).endswith(
        "→ Next: start with host-pid (Host process namespace): kubekeep explain host-pid\n"
    )
    full_coverage = tuple(summary for summary in assessment.summaries if summary.status is Status.PASSED)
    gaps = tuple(summary for summary in assessment.summaries if summary.is_gap)
    clean_assessment = msgspec.structs.replace(
        assessment, summaries=full_coverage, results=(), frameworks=(), unread=()
    )
    assert render_pretty(clean_assessment).endswith("✔ No control failed, and all input was evaluated.\n")
    assert "fix the input that was not read, and scan again" in render_pretty(
        msgspec.structs.replace(clean_assessment, unread=assessment.unread)
    )
    assert "provide the missing data" in render_pretty(msgspec.structs.replace(clean_assessment, summaries=gaps))
    empty = msgspec.structs.replace(
        clean_assessment, summaries=(), counts=msgspec.structs.replace(clean_assessment.counts, failed=0)
    )
    assert "no resources found" in render_pretty(empty)


def test_all_controls_row_is_unique(assessment: Assessment) -> None:
    assert "  overall  " in render_pretty(assessment)
    whole = msgspec.structs.replace(
        assessment.frameworks[0], controls=tuple(summary.definition.slug for summary in assessment.summaries)
    )
    assert "  overall  " not in render_pretty(
        msgspec.structs.replace(assessment, frameworks=(whole, assessment.frameworks[1]))
    )


def test_ascii_stream_gets_ascii_symbols(assessment: Assessment) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    load("pretty").render(assessment, stream, long_view())
    stream.flush()
    assert b"x CRITICAL" in raw.getvalue()
    assert b"-> Next" in raw.getvalue()


def test_wide_characters_take_two_columns() -> None:
    assert (cells("数据库"), cells("e\u0301"), cells("ok")) == (6, 1, 2)
    stream = io.StringIO()
    terminal = Terminal(stream, ReportOptions(width=40))
    terminal.line(Span("数据库 " * 8), indent=2)
    assert stream.getvalue().splitlines() == ["  " + "数据库 " * 4 + "数据库", "    数据库 数据库 数据库"]


def test_last_commit_of_a_line(assessment: Assessment) -> None:
    text = " ".join(render_pretty(assessment).split())
    assert "last changed in 4f2a4f2a4f 2026-03-01 Ann \\x1b[31mred" in text


def test_by_resource(assessment: Assessment) -> None:
    text = render_pretty(assessment, ReportOptions(view=View.RESOURCE))
    assert text.count("control fails") + text.count("controls fail") == 12
    assert text.startswith("✖ Pod "), "the most severe first"
    web = text[text.index("✖ Deployment default/web-0") :].splitlines()
    assert web[0].endswith("1 control fails")
    assert web[1].split()[:2] == ["HIGH", "C-0057"]
    assert "lines 21, 24, 44 and 5 more locations" in " ".join(" ".join(web[1:3]).split())
    assert "\x1b[31mred" not in text


def test_problem_comes_before_the_requirement(assessment: Assessment) -> None:
    assert "✖ HIGH  failed: Privileged container  C-0057" in render_pretty(assessment)


def test_fields_of_a_binding_and_its_role_share_one_message() -> None:
    file = Path(__file__).parents[2] / "examples" / "online-shop" / "operations" / "on-call.yaml"
    text = render_pretty(kubekeep.scan(file, controls=["C-0035"]))
    block = text.partition("Group on-call\n")[2].partition("  Fix: ")[0]
    assert block.count("can perform all actions") == 1
    assert "rules[0] of ClusterRole cluster-admin" in " ".join(block.split())
    assert len(block.splitlines()) <= 4


def test_file_view_shows_the_text_of_the_line(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: web\n    image: nginx:1.29\n"
        "    env:\n    - name: DB_PASSWORD\n      value: Hunter2-Secret-9x\n"
        "    securityContext:\n      privileged: true # for now\n"
    )
    text = run_command_line("scan", file, "--view", "file").stdout
    assert re.search(
        r"^    12  privileged: true # for now\n        CRITICAL  container web: privileged is true", text, re.MULTILINE
    )
    assert re.search(r"^    10  value: .*X{6}", text, re.MULTILINE)
    assert "Hunter2" not in text
