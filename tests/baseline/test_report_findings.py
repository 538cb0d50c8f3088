"""Reports in JSON v2 and baselines say the same as the scan they are of; hostile ones end in an error with the file."""

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
from kubekeep.usecases.compare import COARSE, compared
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "h7Zq-planted"  # noqa: S105 - a value to look for, no secret


@pytest.fixture(scope="module")
def assessment(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    """All examples, a file that cannot be read, and a pod full of secrets that fails."""
    folder = tmp_path_factory.mktemp("scanned")
    (folder / "broken.yaml").write_text("a: b: c\n")
    variables = f"[{{name: DB_PASSWORD, value: {SECRET}}}]"
    (folder / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        f"  - {{name: c, image: x, args: [--token={SECRET}, {SECRET}], env: {variables}}}\n"
    )
    return scan(ScanRequest(ScanInput(paths=(str(EXAMPLES), str(folder)))))


@pytest.fixture(scope="module")
def report(assessment: Assessment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.json"
    with path.open("w", encoding="utf-8") as stream:
        load("json").render(assessment, stream, ReportOptions())
    return path


def told(found: ScanRecord) -> Counter[Any]:
    return Counter((item.control, item.identity, item.path, item.file, item.level) for item in found.findings)


def test_a_report_says_what_its_scan_says(assessment: Assessment, report: Path) -> None:
    live, read = record_assessment(assessment), record_report(report)
    assert len(live.findings) > 400
    assert told(read) == told(live)
    assert [item.title for item in read.findings[:1]] != [""]
    assert read.controls == live.controls
    assert (read.gaps, read.resources, read.unread) == (live.gaps, live.resources, live.unread)
    assert read.settings == live.settings
    places, said = ({str(item.place.location) for item in found.findings} for found in (live, read))
    assert len(said) > 100
    assert said - {"None"} <= places


def test_a_baseline_knows_what_was_found_and_no_secret(assessment: Assessment, tmp_path: Path) -> None:
    live = record_assessment(assessment)
    text = "".join(format_baseline(live))
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    known = read_baseline_or_report(path)
    assert told(known) == told(live)
    found = compare(known, live)
    assert (len(found.new), len(found.resolved), len(found.incomparable), found.warnings) == (0, 0, 0, ())
    assert SECRET not in text
    assert "XXXXXX" not in text
    written = json.loads(text)
    lists = [written[key] for key in ("findings", "alsoIn", "notEvaluatedOn")]
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.startswith("    ")]
    assert lines == [line for each in lists for line in sorted(map(json_text, each))]
    assert len(lists[0]) == len(live.findings)
    assert (known.gaps, known.unread) == (live.gaps, live.unread)
    assert known.resources == {item.identity: (live.resources or {})[item.identity] for item in live.findings}
    assert "".join(format_baseline(record_assessment(assessment))) == text


def test_a_baseline_of_the_first_form_is_read_and_knows_no_twins(tmp_path: Path) -> None:
    known = {"control": "C-0057", "severity": "High", "resource": {"kind": "Pod", "name": "p"}, "file": "a.yaml"}
    head = {"kubekeepBaseline": 1, "paths": "v2", "settings": {}, "controls": ["C-0057"], "notEvaluated": []}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({**head, "findings": [known]}))
    found = read_baseline_or_report(path)
    assert [(item.identity.name, item.file) for item in found.findings] == [("p", "a.yaml")]
    assert (found.resources, found.gaps, found.unread) == (None, {}, frozenset())


@pytest.mark.parametrize("more", [{"alsoIn": [{"file": 1}]}, {"notEvaluatedOn": [{}]}, {"notRead": None}, {"x": 1}])
def test_a_damaged_baseline_is_an_error(more: dict[str, Any], assessment: Assessment, tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    whole = json.loads("".join(format_baseline(record_assessment(assessment))))
    path.write_text(json.dumps(whole | more))
    with pytest.raises(ReportError, match=r"damaged\.json: not a baseline: "):
        read_baseline_or_report(path)


def kubescape(*paths: dict[str, Any], status: str = "failed", **more: Any) -> dict[str, Any]:
    """A report in the form that Kubescape writes, of one Deployment in a cluster."""
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


def read(said: Any, folder: Path) -> ScanRecord:
    path = folder / "report.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return record_report(path)


PRIVILEGED = "spec.template.spec.containers[1].securityContext.privileged"


def test_a_report_of_kubescape_names_one_place_twice(tmp_path: Path) -> None:
    said = kubescape({"failedPath": PRIVILEGED}, {"fixPath": {"path": PRIVILEGED, "value": "false"}})
    (found,) = read(said, tmp_path).findings
    assert found.path == "spec.template.spec.containers[name=app].securityContext.privileged"
    assert (found.identity, found.level) == (Identity("apps", "Deployment", "shop", "web"), Severity.HIGH)
    assert (found.place.entry, found.place.path) == ("fixPath", PRIVILEGED)


def test_places_that_only_failed_are_places_too(tmp_path: Path) -> None:
    found = read(kubescape({"failedPath": PRIVILEGED}, {"failedPath": "spec.replicas"}), tmp_path)
    assert [item.place.entry for item in found.findings] == ["failedPath", "failedPath"]
    assert len(told(found)) == 2


def test_an_accepted_place_is_no_finding(tmp_path: Path) -> None:
    accepted = {"failedPath": "spec.replicas", "exception": {"name": "x"}}
    (found,) = read(kubescape(accepted, {"failedPath": PRIVILEGED}), tmp_path).findings
    assert found.place.path == PRIVILEGED


def test_what_is_accepted_comes_with_the_name_of_its_exception(tmp_path: Path) -> None:
    ours = {"failedPath": "spec.replicas", "exception": {"name": "ours", "reason": "x"}}
    found = read(kubescape(ours, {"failedPath": PRIVILEGED}), tmp_path)
    assert [(item.place.path, item.exception) for item in found.accepted] == [("spec.replicas", "ours")]
    theirs = kubescape({"failedPath": PRIVILEGED}, {"fixPath": {"path": PRIVILEGED, "value": "false"}}, status="passed")
    (outcome,) = theirs["results"][0]["controls"]
    outcome["status"]["subStatus"] = "w/exceptions"
    outcome["rules"][0] |= {"subStatus": "w/exceptions", "exception": [{"name": "theirs"}]}
    found = read(theirs, tmp_path)
    assert found.findings == ()
    assert [(item.control, item.place.entry, item.exception) for item in found.accepted] == [
        ("C-0057", "fixPath", "theirs")
    ]
    outcome["rules"] = None
    assert [(item.path, item.exception) for item in read(theirs, tmp_path).accepted] == [("", "")]


@pytest.mark.parametrize("exception", [7, "x", [], [[]], [{"name": 7}], {"name": None}])
def test_strange_exceptions_have_no_name(exception: Any, tmp_path: Path) -> None:
    said = kubescape({"failedPath": PRIVILEGED}, status="passed")
    (outcome,) = said["results"][0]["controls"]
    outcome["rules"][0] |= {"subStatus": "w/exceptions", "exception": exception}
    assert [item.exception for item in read(said, tmp_path).accepted] == [""]


def test_a_failure_without_a_place_is_one_of_the_resource(tmp_path: Path) -> None:
    assert [item.path for item in read(kubescape(), tmp_path).findings] == [""]


def test_a_report_without_objects_still_has_identities(tmp_path: Path) -> None:
    said = kubescape({"failedPath": PRIVILEGED}, resources=[])
    (found,) = read(said, tmp_path).findings
    assert (found.identity, found.path) == (Identity("apps", "Deployment", "shop", "web"), PRIVILEGED)


def test_what_kubescape_did_not_evaluate_is_a_gap(tmp_path: Path) -> None:
    said = kubescape(status="skipped")
    assert read(said, tmp_path).gaps == {Identity("apps", "Deployment", "shop", "web"): {"C-0057"}}
    coverage = {"notEvaluatedControls": [{"controlID": "C-0002", "reason": "no rights"}], "failedGVRPulls": [{}]}
    found = read(kubescape(scanCoverage=coverage), tmp_path)
    assert (found.controls["C-0002"], found.unread) == ("no rights", frozenset({"1 kinds of objects"}))


def test_scans_of_two_tools_are_compared_by_control(tmp_path: Path, assessment: Assessment) -> None:
    theirs = read(kubescape({"failedPath": PRIVILEGED}), tmp_path)
    found = compared(theirs, record_assessment(assessment), None)
    assert (found.granularity, found.warnings[-1]) == (Granularity.CONTROL, COARSE)
    assert compared(theirs, record_assessment(assessment), Granularity.EVIDENCE).granularity is Granularity.EVIDENCE


def test_every_number_of_a_control_means_it() -> None:
    assert get_canonical_id("privileged-container") == get_canonical_id("C-0057") == "C-0057"
    assert get_canonical_id("C-9999") == "C-9999"


@pytest.mark.parametrize(
    "said",
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
def test_what_is_no_report_is_an_error_with_its_file(said: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(said)
    with pytest.raises(ReportError, match=r"report\.json: "):
        read_baseline_or_report(path)


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(MAXIMUM_BYTES + 1)
    for path in (tmp_path, tmp_path / "missing.json", Path("/dev/zero"), huge):
        with pytest.raises(ReportError, match=f"^{path}: "):
            read_baseline_or_report(path)


def test_strange_objects_are_no_trouble(tmp_path: Path) -> None:
    name = "apps/v1/shop/Deployment/web"
    items: tuple[dict[str, Any], ...] = (
        {"relatedObjects": [1, None, {}]},
        {"metadata": 7, "kind": [], "relatedObjects": {}},
        {},
    )
    for item in items:
        found = read(
            kubescape({"failedPath": "relatedObjects[2].x"}, resources=[{"resourceID": name, "object": item}]), tmp_path
        )
        assert len(found.findings) == 1
