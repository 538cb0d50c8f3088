"""Annotations for GitHub as its runner parses them: the most urgent first, ten per level, the rest counted."""

from __future__ import annotations

import datetime as dt
import io
import re

import msgspec
import pytest

from kubekeep.model.assessment import Assessment, SubjectResult, Target
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.git import GitRepository
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, load

COMMAND = re.compile(r"::(\w[\w-]*)(?: ([^:]*))?::(.*)")
"""Pattern of a workflow command; colons in properties are escaped, so the first pair ends them."""


class Annotation(msgspec.Struct):
    """An annotation as the runner parses it."""

    level: str
    properties: dict[str, str]
    message: str


def text(assessment: Assessment) -> str:
    stream = io.StringIO()
    load("github").render(assessment, stream, ReportOptions())
    return stream.getvalue()


def unescape(text: str) -> str:
    for escape, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, char)
    return text


def commands(text: str) -> list[Annotation]:
    """Return the commands of all lines that the runner executes, in order."""
    parsed = []
    for line in text.splitlines():
        if match := COMMAND.fullmatch(line.strip()):
            level, parameters, message = match.groups(default="")
            pairs = (pair.partition("=") for pair in parameters.split(",") if pair)
            properties = {name: unescape(value) for name, _, value in pairs}
            parsed.append(Annotation(level, properties, unescape(message)))
        else:
            assert not line.strip().startswith("::")
            assert "##[" not in line
    return parsed


def list_annotations(assessment: Assessment) -> list[Annotation]:
    return [
        annotation for annotation in commands(text(assessment)) if annotation.level in {"error", "warning", "notice"}
    ]


def select_finding(assessment: Assessment, name: str, *evidence: Evidence) -> Assessment:
    """Return the assessment with one finding of one resource and nothing else."""
    resource = Resource({"kind": "Pod", "metadata": {"name": name}})
    result = SubjectResult(resource, {"privileged": Verdict(Status.FAILED, evidence)})
    return msgspec.structs.replace(assessment, results=(result,), unread=())


def test_finding_marks_its_line(assessment: Assessment) -> None:
    by_file = {annotation.properties.get("file"): annotation for annotation in list_annotations(assessment)}
    assert by_file["deploy/web-1.yaml"] == Annotation(
        "error",
        {
            "file": "deploy/web-1.yaml",
            "line": "21",
            "endLine": "21",
            "col": "13",
            "endColumn": "29",
            "title": "High: Privileged container (C-0057)",
        },
        "Deployment default/web-1\n"
        "set spec.template.spec.containers[0].securityContext.privileged to false\n"
        "See https://example.com/privileged",
    )


def test_levels_follow_from_the_priority(assessment: Assessment) -> None:
    levels = {
        annotation.properties["title"].partition(":")[0]: annotation.level
        for annotation in list_annotations(assessment)
    }
    assert {"Critical": "error", "High": "error", "Low": "notice"}.items() <= levels.items()


def test_multiline_range_has_no_columns(assessment: Assessment) -> None:
    region = Region(Position(3, 5), Position(5, 2))
    (_, annotation) = list_annotations(
        select_finding(assessment, "a", Evidence("spec", exists=True, location=Location("a", region)))
    )
    assert annotation.properties["line"] == "3"
    assert annotation.properties["endLine"] == "5"
    assert "col" not in annotation.properties


def test_unread_input_is_an_error(assessment: Assessment) -> None:
    first, second, *_ = list_annotations(assessment)
    assert (first.level, first.properties["file"], first.properties["line"]) == ("error", "charts/broken.yaml", "12")
    assert first.message == "mapping values are not allowed here"
    assert second.level == "error"
    assert "line" not in second.properties


def test_unevaluated_controls_are_one_notice(assessment: Assessment) -> None:
    (gaps,) = [
        annotation for annotation in list_annotations(assessment) if "not evaluated" in annotation.properties["title"]
    ]
    assert gaps.level == "notice"
    assert gaps.message == (
        "C-0001: a parameter is missing in --controls-config\n"
        "C-0069, C-0070: data of the nodes is missing: run kubekeep host collect"
    )


def test_ten_per_level_and_the_rest_counted(assessment: Assessment) -> None:
    multiply_findings = msgspec.structs.replace(assessment, results=assessment.results * 40)
    report_text = text(multiply_findings)
    levels = [command.level for command in commands(report_text)]
    assert {level: levels.count(level) for level in ("error", "warning", "notice")} == {
        "error": 10,
        "warning": 10,
        "notice": 10,
    }
    findings = 40 * 13
    results = findings + 3
    assert f"\n{results - 30} results not shown as annotations" in report_text
    folded = report_text.partition("::group::")[2].partition("::endgroup::")[0]
    assert len(folded.splitlines()) - 1 == results - 30
    levels = [line.partition(":")[0] for line in folded.splitlines()[1:]]
    assert levels == sorted(levels, key=["error", "warning", "notice"].index)


def test_few_findings_are_not_folded(assessment: Assessment) -> None:
    report_text = text(select_finding(assessment, "a", Evidence("spec", exists=True)))
    assert "::group::" not in report_text
    assert "not shown" not in report_text


def test_excepted_findings_are_only_counted(assessment: Assessment) -> None:
    exception = AppliedException(
        name="legacy", source=ExceptionSource.FILE, expires=dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    )
    resource = Resource({"kind": "Pod", "metadata": {"name": "kept"}})
    evidence = Evidence("spec.a", exists=True, exception=exception)
    result = SubjectResult(resource, {"privileged": Verdict(Status.PASSED, (evidence,))})
    report_text = text(msgspec.structs.replace(assessment, results=(result,)))
    assert "kept" not in report_text
    assert report_text.endswith("\n1 finding covered by exceptions.\n")


@pytest.mark.parametrize(
    "hostile",
    [
        "%0A::error file=x::owned",
        "%250A::error::owned",
        "\n::error::owned",
        "\r\n::add-mask::a",
        "::stop-commands::x",
        "a,file=x,title=y::z",
        "##[error]owned",
        "\u2028::error::owned",
        "\x85::error::owned",
    ],
)
def test_hostile_text_starts_no_command(hostile: str, assessment: Assessment) -> None:
    location = Location(hostile, Region(Position(1, 1), Position(1, 2)))
    evidence = Evidence(hostile, exists=True, location=location, fix='"x"', message=hostile)
    tame = msgspec.structs.replace(evidence, path="a", location=Location("a", location.region), message="a")
    one, other = (
        [(command.level, tuple(command.properties)) for command in commands(text(multiply_findings(assessment, *case)))]
        for case in ((hostile, evidence), ("a", tame))
    )
    assert one == other


def multiply_findings(assessment: Assessment, name: str, evidence: Evidence) -> Assessment:
    """Return an assessment with more findings than annotations, so that the folded group is present."""
    one = select_finding(assessment, name, evidence)
    return msgspec.structs.replace(one, results=one.results * 15)


def test_escaped_path_reads_back(assessment: Assessment) -> None:
    region = Region(Position(1, 1), Position(1, 2))
    name = "100%0A, and: more.yaml"
    (_, annotation) = list_annotations(
        select_finding(assessment, "a", Evidence("b", exists=True, location=Location(name, region)))
    )
    assert annotation.properties["file"] == name


@pytest.mark.parametrize(
    ("base", "file", "shown"),
    [
        ("/srv/repo", "deploy/a.yaml", "deploy/a.yaml"),
        ("/srv/repo/charts/web", "templates/a.yaml", "charts/web/templates/a.yaml"),
        ("/srv/repo/charts", "/srv/repo/deploy/a.yaml", "deploy/a.yaml"),
        ("/srv", "/srv/repository/a.yaml", "/srv/repository/a.yaml"),
        ("/srv", "repo/a.yaml", "a.yaml"),
        ("/tmp", "/etc/a.yaml", "/etc/a.yaml"),  # noqa: S108 - a name, nothing is written
        ("/srv/repo", "<stdin>", "<stdin>"),
    ],
)
def test_paths_are_relative_to_the_repository(base: str, file: str, shown: str, assessment: Assessment) -> None:
    location = Location(file, Region(Position(1, 1), Position(1, 2)))
    one = select_finding(assessment, "a", Evidence("b", exists=True, location=location))
    cloned = msgspec.structs.replace(
        one, target=Target((".",), base), repository=GitRepository("/srv/repo"), results=one.results * 11
    )
    files = [
        annotation.properties["file"] for annotation in list_annotations(cloned) if "file" in annotation.properties
    ]
    assert files == [shown] * 10
    assert f"\nerror: {shown}:1 " in text(cloned)
