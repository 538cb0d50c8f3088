"""Reports in JSON v2 and baselines have the records of their scans; hostile files end in an error with the path."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.compare import compare
from kubekeep.baseline.file import format_baseline, read_baseline_or_report
from kubekeep.baseline.report_findings import get_canonical_id, record_report
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import ScanRecord
from kubekeep.model.fingerprint import Granularity, Identity
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.kubescape_v2.read import MAXIMUM_BYTES, ReportError
from kubekeep.usecases.compare import COARSE_WARNING, compare_records
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.requests import ALL_CONTROLS

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "h7Zq-planted"  # noqa: S105 - a value to search for, no secret


@pytest.fixture(scope="module")
def assessment(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """Return a scan of all examples, an unreadable file, and a failing pod full of secrets."""
    folder = tmp_path_factory.mktemp("scanned")
    (folder / "broken.yaml").write_text("a: b: c\n")
    variables = f"[{{name: DB_PASSWORD, value: {SECRET}}}]"
    (folder / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        f"  - {{name: c, image: x, args: [--token={SECRET}, {SECRET}], env: {variables}}}\n"
    )
    return scan(ScanRequest(ScanInput(paths=(str(EXAMPLES), str(folder))), rules=ALL_CONTROLS))


@pytest.fixture(scope="module")
def report(assessment: Assessment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.json"
    with path.open("w", encoding="utf-8") as stream:
        load("json").render(assessment, stream, ReportOptions())
    return path


def describe(record: ScanRecord) -> Counter[Any]:
    return Counter(
        (finding.control, finding.identity, finding.path, finding.file, finding.level) for finding in record.findings
    )


def test_record_of_a_report_equals_its_scan(assessment: Assessment, report: Path) -> None:
    live, read = record_assessment(assessment), record_report(report)
    assert len(live.findings) > 400
    assert describe(read) == describe(live)
    assert [finding.title for finding in read.findings[:1]] != [""]
    assert read.controls == live.controls
    assert (read.gaps, read.resources, read.unread) == (live.gaps, live.resources, live.unread)
    assert read.settings == live.settings
    places, record = (
        {str(finding.report_location.location) for finding in findings.findings} for findings in (live, read)
    )
    assert len(record) > 100
    assert record - {"None"} <= places


def test_baseline_has_findings_and_no_secrets(assessment: Assessment, tmp_path: Path) -> None:
    live = record_assessment(assessment)
    text = "".join(format_baseline(live))
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    known = read_baseline_or_report(path)
    assert describe(known) == describe(live)
    record = compare(known, live)
    assert (len(record.new), len(record.resolved), len(record.incomparable), record.warnings) == (0, 0, 0, ())
    assert SECRET not in text
    assert "XXXXXX" not in text
    written = json.loads(text)
    lists = [written[key] for key in ("findings", "alsoIn", "notEvaluatedOn")]
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.startswith("    ")]
    assert lines == [line for each in lists for line in sorted(map(json_text, each))]
    assert len(lists[0]) == len(live.findings)
    assert (known.gaps, known.unread) == (live.gaps, live.unread)
    assert known.resources == {finding.identity: (live.resources or {})[finding.identity] for finding in live.findings}
    assert "".join(format_baseline(record_assessment(assessment))) == text


def test_first_format_is_read_without_other_files(tmp_path: Path) -> None:
    known = {"control": "C-0057", "severity": "High", "resource": {"kind": "Pod", "name": "p"}, "file": "a.yaml"}
    head = {"kubekeepBaseline": 1, "paths": "v2", "settings": {}, "controls": ["C-0057"], "notEvaluated": []}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**head, "findings": [known]}))
    record = read_baseline_or_report(path)
    assert [(finding.identity.name, finding.file) for finding in record.findings] == [("p", "a.yaml")]
    assert (record.resources, record.gaps, record.unread) == (None, {}, frozenset())


@pytest.mark.parametrize("more", [{"alsoIn": [{"file": 1}]}, {"notEvaluatedOn": [{}]}, {"notRead": None}, {"x": 1}])
def test_damaged_baseline_is_an_error(more: dict[str, Any], assessment: Assessment, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    whole = json.loads("".join(format_baseline(record_assessment(assessment))))
    path.write_text(json.dumps(whole | more))
    with pytest.raises(ReportError, match=r"damaged\.json: not a baseline: "):
        read_baseline_or_report(path)


def kubescape(*paths: dict[str, Any], status: str = "failed", **more: Any) -> dict[str, Any]:
    """Return a report in Kubescape's form, of one Deployment in a cluster."""
    name = "apps/v1/shop/Deployment/web"
    containers = [{"name": "side"}, {"name": "app"}]
    template = {"spec": {"containers": containers}}
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": template},
    }
    fix = {"path": "", "value": ""}
    rules = [
        {"name": "rule", "status": status, "paths": [{"fixPath": fix, **path} for path in paths]},
        {"name": "other", "status": "passed", "paths": None},
    ]
    outcome = {"controlID": "C-0057", "name": "Privileged", "status": {"status": status}, "rules": rules}
    summary = {"statusInfo": {"status": status}, "severity": "High", "name": "Privileged"}
    return {
        "generationTime": "2026-11-20T10:00:00Z",
        "summaryDetails": {"controls": {"C-0057": summary}},
        "resources": [{"resourceID": name, "object": web}],
        "attributes": None,
        "results": [{"resourceID": name, "controls": [outcome]}],
        "metadata": {
            "scanMetadata": {"kubescapeVersion": "v4.0.12", "targetType": "Framework", "targetNames": ["NSA"]}
        },
        **more,
    }


def read(report: Any, folder: Path) -> ScanRecord:
    path = folder / "report.json"
    path.write_text(report if isinstance(report, str) else json.dumps(report), encoding="utf-8")
    return record_report(path)


PRIVILEGED = "spec.template.spec.containers[1].securityContext.privileged"


def test_kubescape_report_with_a_place_twice(tmp_path: Path) -> None:
    report = kubescape({"failedPath": PRIVILEGED}, {"fixPath": {"path": PRIVILEGED, "value": "false"}})
    (record,) = read(report, tmp_path).findings
    assert record.path == "spec.template.spec.containers[name=app].securityContext.privileged"
    assert (record.identity, record.level) == (Identity("apps", "Deployment", "shop", "web"), Severity.HIGH)
    assert (record.report_location.entry, record.report_location.path) == ("fixPath", PRIVILEGED)


def test_failed_paths_without_remediation_are_places(tmp_path: Path) -> None:
    record = read(kubescape({"failedPath": PRIVILEGED}, {"failedPath": "spec.replicas"}), tmp_path)
    assert [finding.report_location.entry for finding in record.findings] == ["failedPath", "failedPath"]
    assert len(describe(record)) == 2


def test_excepted_place_is_no_finding(tmp_path: Path) -> None:
    accepted = {"failedPath": "spec.replicas", "exception": {"name": "x"}}
    (record,) = read(kubescape(accepted, {"failedPath": PRIVILEGED}), tmp_path).findings
    assert record.report_location.path == PRIVILEGED


def test_excepted_findings_name_their_exception(tmp_path: Path) -> None:
    ours = {"failedPath": "spec.replicas", "exception": {"name": "ours", "reason": "x"}}
    record = read(kubescape(ours, {"failedPath": PRIVILEGED}), tmp_path)
    assert [(finding.report_location.path, finding.exception) for finding in record.excepted] == [
        ("spec.replicas", "ours")
    ]
    theirs = kubescape({"failedPath": PRIVILEGED}, {"fixPath": {"path": PRIVILEGED, "value": "false"}}, status="passed")
    (outcome,) = theirs["results"][0]["controls"]
    outcome["status"]["subStatus"] = "w/exceptions"
    outcome["rules"][0] |= {"subStatus": "w/exceptions", "exception": [{"name": "theirs"}]}
    record = read(theirs, tmp_path)
    assert record.findings == ()
    assert [(finding.control, finding.report_location.entry, finding.exception) for finding in record.excepted] == [
        ("C-0057", "fixPath", "theirs")
    ]
    outcome["rules"] = None
    assert [(finding.path, finding.exception) for finding in read(theirs, tmp_path).excepted] == [("", "")]


@pytest.mark.parametrize("exception", [7, "x", [], [[]], [{"name": 7}], {"name": None}])
def test_malformed_exceptions_have_no_name(exception: Any, tmp_path: Path) -> None:
    report = kubescape({"failedPath": PRIVILEGED}, status="passed")
    (outcome,) = report["results"][0]["controls"]
    outcome["rules"][0] |= {"subStatus": "w/exceptions", "exception": exception}
    assert [finding.exception for finding in read(report, tmp_path).excepted] == [""]


def test_failure_without_places_is_one_of_the_resource(tmp_path: Path) -> None:
    assert [finding.path for finding in read(kubescape(), tmp_path).findings] == [""]


def test_identities_of_a_report_without_objects(tmp_path: Path) -> None:
    report = kubescape({"failedPath": PRIVILEGED}, resources=[])
    (record,) = read(report, tmp_path).findings
    assert (record.identity, record.path) == (Identity("apps", "Deployment", "shop", "web"), PRIVILEGED)


def test_skipped_control_of_kubescape_is_a_gap(tmp_path: Path) -> None:
    report = kubescape(status="skipped")
    assert read(report, tmp_path).gaps == {Identity("apps", "Deployment", "shop", "web"): {"C-0057"}}
    coverage = {"notEvaluatedControls": [{"controlID": "C-0002", "reason": "no rights"}], "failedGVRPulls": [{}]}
    record = read(kubescape(scanCoverage=coverage), tmp_path)
    assert (record.controls["C-0002"], record.unread) == ("no rights", frozenset({"1 kinds of objects"}))


def test_scans_of_two_tools_are_compared_by_control(tmp_path: Path, assessment: Assessment) -> None:
    theirs = read(kubescape({"failedPath": PRIVILEGED}), tmp_path)
    record = compare_records(theirs, record_assessment(assessment), None)
    assert (record.granularity, record.warnings[-1]) == (Granularity.CONTROL, COARSE_WARNING)
    assert (
        compare_records(theirs, record_assessment(assessment), Granularity.EVIDENCE).granularity is Granularity.EVIDENCE
    )


def test_every_number_of_a_control_resolves_to_its_id() -> None:
    assert get_canonical_id("privileged-container") == get_canonical_id("C-0057") == "C-0057"
    assert get_canonical_id("C-9999") == "C-9999"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "[]",
        "null",
        "nonsense",
        '{"results": []}',
        '{"summaryDetails": {}, "results": []}',
        '{"summaryDetails": {"controls": {}}, "results": {}}',
        '{"summaryDetails": {"controls": {"C-1": 7}}, "results": []}',
        '{"summaryDetails": {"controls": {}}, "results": [{"resourceID": 1}]}',
        json.dumps(kubescape({"failedPath": ["x"]})),
        json.dumps(kubescape(resources=[{"resourceID": "apps/v1/shop/Deployment/web", "object": [1]}])),
        "[" * 100_000,
        '{"summaryDetails":' * 100_000,
        json.dumps(kubescape(metadata={"encryptionMetadata": {"version": "1"}})),
        '{"kubekeepBaseline": 2}',
        '{"kubekeepBaseline": 3, "paths": "v2"}',
        '{"kubekeepBaseline": 2, "paths": "v2", "settings": {}, "controls": [], "notEvaluated": [], "findings": []}',
        '{"kubekeepBaseline": 1, "paths": "v2", "settings": {}, "controls": [], "notRead": [], "findings": []}',
        '{"kubekeepBaseline": 1, "paths": "v1", "settings": {}, "controls": [], "notEvaluated": [], "findings": []}',
        '{"kubekeepBaseline": 1, "paths": "v2", "findings": []}',
        '{"kubekeepBaseline": 1, "paths": "v2", "settings": {}, "controls": [], "notEvaluated": [], "findings": [{}]}',
    ],
)
def test_malformed_report_is_an_error_with_its_path(message: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(message)
    with pytest.raises(ReportError, match=r"report\.json: "):
        read_baseline_or_report(path)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(MAXIMUM_BYTES + 1)
    for path in (tmp_path, tmp_path / "missing.json", Path("/dev/zero"), huge):
        with pytest.raises(ReportError, match=f"^{path}: "):
            read_baseline_or_report(path)


def test_malformed_objects_are_read(tmp_path: Path) -> None:
    name = "apps/v1/shop/Deployment/web"
    items: tuple[dict[str, Any], ...] = (
        {"relatedObjects": [1, None, {}]},
        {"metadata": 7, "kind": [], "relatedObjects": {}},
        {},
    )
    for resource in items:
        record = read(
            kubescape({"failedPath": "relatedObjects[2].x"}, resources=[{"resourceID": name, "object": resource}]),
            tmp_path,
        )
        assert len(record.findings) == 1
