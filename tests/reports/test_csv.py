"""The CSV report: Kubescape's columns, a row for each verdict, and no cell that a spreadsheet evaluates."""

from __future__ import annotations

import csv
import datetime as dt
import io

import msgspec
import pytest

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.reports import ReportOptions, load

KUBESCAPE = (
    "Control Name,Control ID,Severity,Status,Resource Name,Resource Kind,Resource Namespace,API Version,"
    "Failed Paths,Fix Paths,Remediation,Control URL,Source Path"
)
EXCEPTION = AppliedException(
    name="legacy", source=ExceptionSource.FILE, reason="moves in June", expires=dt.datetime(2027, 6, 30, tzinfo=dt.UTC)
)


def text(assessment: Assessment) -> str:
    stream = io.StringIO()
    load("csv").render(assessment, stream, ReportOptions())
    return stream.getvalue()


def rows(assessment: Assessment) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(assessment)), strict=True))


def select_verdict(assessment: Assessment, *evidence: Evidence, status: Status = Status.FAILED) -> list[dict[str, str]]:
    """Return the rows of one resource with one verdict."""
    result = SubjectResult(assessment.results[2].subject, {"privileged": Verdict(status, evidence)})
    all_rows = rows(msgspec.structs.replace(assessment, results=(result,)))
    return [row for row in all_rows if row["Resource Name"]]


def test_kubescapes_columns_come_first(assessment: Assessment) -> None:
    head, *others = text(assessment).split("\r\n")
    ours = "File,Line,Column,Frameworks,Sub Status,Message,Priority"
    assert head == f"{KUBESCAPE},{ours},Package,Installed Version,Fixed Version,Known Exploited,EPSS,Workloads"
    assert others[-1] == ""
    assert "\n" not in "".join(others)


def test_each_verdict_has_a_row(assessment: Assessment) -> None:
    all_rows = rows(assessment)
    statuses = [verdict.status for result in assessment.results for verdict in result.verdicts.values()]
    with_resource = [row["Status"] for row in all_rows if row["Resource Name"]]
    assert with_resource.count("failed") == statuses.count(Status.FAILED)
    assert with_resource.count("passed") == statuses.count(Status.PASSED)
    assert with_resource.count("skipped") == statuses.count(Status.NOT_EVALUATED)


def test_a_finding(assessment: Assessment) -> None:
    (row,) = [row for row in rows(assessment) if row["Resource Name"] == "web-1" and row["Status"] == "failed"]
    path = "spec.template.spec.containers[0].securityContext.privileged"
    assert row == {
        "Control Name": "Privileged container",
        "Control ID": "C-0057",
        "Severity": "High",
        "Status": "failed",
        "Resource Name": "web-1",
        "Resource Kind": "Deployment",
        "Resource Namespace": "default",
        "API Version": "apps/v1",
        "Failed Paths": path,
        "Fix Paths": f"{path}=false",
        "Remediation": "Set what is named to what is safe. The place is shown above. A second paragraph.",
        "Control URL": "https://example.com/privileged",
        "Source Path": "deploy/web-1.yaml",
        "File": "deploy/web-1.yaml",
        "Line": "21",
        "Column": "13",
        "Frameworks": "NSA",
        "Sub Status": "",
        "Message": "",
        "Priority": "High",
        "Package": "",
        "Installed Version": "",
        "Fixed Version": "",
        "Known Exploited": "",
        "EPSS": "",
        "Workloads": "",
    }


def test_location_in_another_file(assessment: Assessment) -> None:
    by_name = {row["Resource Name"]: row for row in rows(assessment) if row["Status"] == "failed"}
    assert (by_name["web"]["Source Path"], by_name["web"]["File"], by_name["web"]["Line"]) == (
        "overlays/prod",
        "base/web.yaml",
        "9",
    )
    assert (by_name["robot"]["Source Path"], by_name["robot"]["File"], by_name["robot"]["Line"]) == (
        "",
        "rbac.yaml",
        "12",
    )


def test_gaps_have_rows(assessment: Assessment) -> None:
    without = [row for row in rows(assessment) if not row["Resource Name"]]
    gaps = {row["Control ID"]: (row["Status"], row["Sub Status"]) for row in without if row["Control ID"]}
    assert gaps == {
        "C-0001": ("skipped", "configuration"),
        "C-0069": ("skipped", "integration"),
        "C-0070": ("skipped", "integration"),
    }
    unread = [row for row in without if row["Status"] == "unread"]
    assert next((row["Source Path"], row["Line"], row["Message"]) for row in unread) == (
        "charts/broken.yaml",
        "12",
        "mapping values are not allowed here",
    )
    assert len(unread) == 2


def test_excepted_findings_pass(assessment: Assessment) -> None:
    (row,) = select_verdict(assessment, Evidence("spec.a", exists=True, exception=EXCEPTION), status=Status.PASSED)
    assert (row["Status"], row["Sub Status"], row["Failed Paths"]) == ("passed", "w/exceptions", "spec.a")
    assert row["Message"] == "covered by exception legacy: moves in June (until 2027-06-30)"


def test_partly_excepted_finding_fails(assessment: Assessment) -> None:
    (row,) = select_verdict(
        assessment,
        Evidence("spec.a", exists=True, exception=EXCEPTION),
        Evidence("spec.b", exists=True, message="too wide"),
    )
    assert (row["Status"], row["Sub Status"], row["Failed Paths"]) == ("failed", "", "spec.b")
    assert row["Message"] == "too wide; covered by exception legacy: moves in June (until 2027-06-30)"


def test_failure_without_evidence_has_remediation(assessment: Assessment) -> None:
    (row,) = select_verdict(assessment)
    assert (row["Status"], row["Failed Paths"]) == ("failed", "")
    assert row["Remediation"].startswith("Set what is named")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_is_a_formula(start: str, assessment: Assessment) -> None:
    resource = assessment.results[2].subject
    metadata = {"name": f"{start}cmd|' /C calc'!A0", "namespace": f"{start}1"}
    hostile = msgspec.structs.replace(resource, content={"kind": f"{start}A1", "metadata": metadata})
    evidence = Evidence(f"{start}path", exists=True, message=f"{start}message", fix='"x"')
    result = SubjectResult(hostile, {"privileged": Verdict(Status.FAILED, (evidence,))})
    table = list(csv.reader(io.StringIO(text(msgspec.structs.replace(assessment, results=(result,))))))
    cells = [cell for row in table for cell in row]
    assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"}]  # noqa: RUF001
    assert any("cmd|' /C calc'!A0" in cell for cell in cells)
