"""Scans of changing files compared with a baseline and with each other, up to the reported changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.file import format_baseline, read_baseline_or_report
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import Comparison
from kubekeep.posture.gate import check_new_findings
from kubekeep.privacy.encryption import decrypt, encrypt, parse_master_key, pseudonymise
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.kubescape_v2.read import ReportError
from kubekeep.usecases.compare import compare_with_baseline, diff
from kubekeep.usecases.scan import scan
from tests.requests import scan_request

POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop}}
spec:
  containers:
  - {{name: side, image: x}}
  - {{name: app, image: x, securityContext: {{privileged: {privileged}}}}}
"""
BAD, GOOD = POD.format(privileged="true"), POD.format(privileged="false")
KEY = parse_master_key("correct horse battery staple", None)
OTHER = parse_master_key("another horse battery staple", None)
EXCEPTION = """\
- name: debug pods
  resources: [{attributes: {kind: Pod}}]
  posturePolicies: [{controlID: C-0057}]
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def scan_folder(folder: Path, controls: tuple[str, ...] = ("C-0057",), **more: Any) -> Assessment:
    return scan(scan_request(paths=(str(folder),), controls=controls, **more))


def compare_with(folder: Path, base: Path, **more: Any) -> Comparison:
    comparison = compare_with_baseline(scan_folder(folder, **more), read_baseline_or_report(base)).baseline
    assert comparison is not None
    return comparison


def baseline(folder: Path, base: Path, **more: Any) -> Path:
    base.write_text("".join(format_baseline(record_assessment(scan_folder(folder, **more)))))
    return base


def report(assessment: Assessment, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as stream:
        load("json").render(assessment, stream, ReportOptions())
    return path


def list_files(comparison: Comparison) -> dict[str, list[str]]:
    """Return the file names of the findings by kind of change."""
    parts = {name: getattr(comparison, name) for name in ("new", "resolved", "unchanged", "incomparable", "excepted")}
    return {
        name: [os.path.basename(change.finding.file) for change in changes]  # noqa: PTH119
        for name, changes in parts.items()
        if changes
    }


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    folder.mkdir()
    return folder


def test_failing_copy_is_new_if_the_known_one_is_deleted(files: Path, tmp_path: Path) -> None:
    write(files, a=BAD, b=GOOD)
    base = baseline(files, tmp_path / "base.json")
    earlier = report(scan_folder(files), tmp_path / "report.json")
    assert list_files(compare_with(files, base)) == {"unchanged": ["a.yaml"]}
    (files / "a.yaml").unlink()
    write(files, b=BAD)
    for known in (base, earlier):
        comparison = compare_with(files, known)
        assert list_files(comparison) == {"new": ["b.yaml"], "resolved": ["a.yaml"]}
        assert not check_new_findings(comparison).has_passed


def test_renamed_file_beside_a_passing_copy_is_unchanged(files: Path, tmp_path: Path) -> None:
    write(files, a=f"{BAD}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n", b=GOOD)
    base = baseline(files, tmp_path / "base.json")
    (files / "a.yaml").unlink()
    write(files, c=f"# moved\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n---\n{BAD}")
    assert list_files(compare_with(files, base)) == {"unchanged": ["c.yaml"]}


def test_copies_in_one_file_are_matched_by_number(files: Path, tmp_path: Path) -> None:
    """Documents may be reordered, so equal copies are compared by the number of failing ones only (documented)."""
    write(files, a=f"{GOOD}---\n{GOOD}")
    base = baseline(files, tmp_path / "good.json")
    write(files, a=BAD)
    assert list_files(compare_with(files, base)) == {"new": ["a.yaml"]}
    write(files, a=f"{BAD}---\n{GOOD}")
    base = baseline(files, tmp_path / "mixed.json")
    write(files, a=f"{GOOD}---\n{BAD}")
    assert list_files(compare_with(files, base)) == {"unchanged": ["a.yaml"]}
    write(files, a=f"{BAD}---\n{BAD}")
    assert list_files(compare_with(files, base)) == {"new": ["a.yaml"], "unchanged": ["a.yaml"]}
    write(files, a=BAD)
    assert list_files(compare_with(files, base)) == {"unchanged": ["a.yaml"]}


def test_finding_with_a_later_exception_is_excepted(files: Path, tmp_path: Path) -> None:
    write(files, a=BAD)
    file = tmp_path / "exceptions.yaml"
    file.write_text(EXCEPTION)
    exceptions = ExceptionOptions(files=(str(file),))
    base = baseline(files, tmp_path / "base.json")
    plain_report = report(scan_folder(files), tmp_path / "plain.json")
    covered = report(scan_folder(files, exceptions=exceptions), tmp_path / "covered.json")
    for comparison in (
        compare_with(files, base, exceptions=exceptions),
        diff(plain_report, covered),
        diff(base, covered),
    ):
        assert list_files(comparison) == {"excepted": ["a.yaml"]}
        assert comparison.excepted[0].reason == "excepted by exception debug pods"
        assert check_new_findings(comparison).has_passed
    assert list_files(diff(covered, covered)) == {}
    assert list_files(diff(covered, plain_report)) == {"new": ["a.yaml"]}
    without = baseline(files, tmp_path / "without.json", exceptions=exceptions)
    assert list_files(compare_with(files, without)) == {"new": ["a.yaml"]}


def test_unevaluated_findings_are_neither_resolved_nor_known(files: Path, tmp_path: Path) -> None:
    write(files, a=BAD)
    base = baseline(files, tmp_path / "base.json")
    write(files, a="a: b: c\n")
    comparison = compare_with(files, base)
    assert list_files(comparison) == {"incomparable": ["a.yaml"]}
    blind = baseline(files, tmp_path / "blind.json")
    write(files, a=BAD)
    comparison = compare_with(files, blind)
    assert list_files(comparison) == {"incomparable": ["a.yaml"]}
    assert comparison.incomparable[0].reason == f"{blind} could not read {comparison.incomparable[0].finding.file}"
    assert not check_new_findings(comparison).has_passed


def test_control_without_its_parameter_is_incomparable(files: Path, tmp_path: Path) -> None:
    """C-0078 is not evaluated without the parameter with the allowed registries."""
    write(files, a=BAD)
    control, params = ("C-0078",), {"imageRepositoryAllowList": ("registry.example",)}
    base = baseline(files, tmp_path / "base.json", controls=control)
    earlier = report(scan_folder(files, control), tmp_path / "report.json")
    for known in (base, earlier):
        comparison = compare_with(files, known, controls=control, params=params)
        assert {*list_files(comparison)} == {"incomparable"}
        assert {change.reason for change in comparison.incomparable} == {
            f"{known} could not evaluate C-0078 on this resource"
        }
        assert not check_new_findings(comparison).has_passed
    with_it = baseline(files, tmp_path / "with.json", controls=control, params=params)
    assert {*list_files(compare_with(files, with_it, controls=control))} == {"incomparable"}


def test_pseudonyms_of_one_key_are_comparable(files: Path, tmp_path: Path) -> None:
    write(files, a=GOOD, b=f"apiVersion: v1\nkind: Pod\nmetadata: {{name: b}}\n{BAD[BAD.index('spec') :]}")
    base = report(pseudonymise(scan_folder(files), KEY), tmp_path / "base.json")
    (files / "b.yaml").rename(files / "moved.yaml")
    write(files, a=f"# moved\n{BAD}")
    head = report(pseudonymise(scan_folder(files), KEY), tmp_path / "head.json")
    known = tmp_path / "known.json"
    known.write_text("".join(format_baseline(record_assessment(pseudonymise(scan_folder(files), KEY)))))
    assert {name: len(items) for name, items in list_files(diff(base, head)).items()} == {"new": 1, "unchanged": 1}
    assert {name: len(items) for name, items in list_files(diff(known, head)).items()} == {"unchanged": 2}
    assert read_baseline_or_report(base).pseudonyms == read_baseline_or_report(known).pseudonyms != ""


def test_mismatched_pseudonyms_are_rejected(files: Path, tmp_path: Path) -> None:
    write(files, a=BAD)
    plain_report = scan_folder(files)
    path = report(plain_report, tmp_path / "plain.json")
    hidden = [report(pseudonymise(plain_report, key), tmp_path / f"{n}.json") for n, key in enumerate((KEY, OTHER))]
    alone = [report(pseudonymise(plain_report, None), tmp_path / f"alone{n}.json") for n in range(2)]
    for base, head in (hidden, alone, (hidden[0], alone[0])):
        with pytest.raises(ReportError, match=f"^{base}: names are pseudonymised with another key than in {head}: "):
            diff(base, head)
    for base, head in ((hidden[0], path), (path, hidden[0])):
        with pytest.raises(ReportError, match=f"^{hidden[0]}: names are pseudonymised, but not in {path}: "):
            diff(base, head)
    with pytest.raises(ReportError, match="but not in this scan"):
        compare_with_baseline(plain_report, read_baseline_or_report(hidden[0]))


def test_key_identifier_is_no_pseudonym(files: Path) -> None:
    write(files, a=BAD)
    first, second = (pseudonymise(scan_folder(files), KEY) for _ in range(2))
    assert first.pseudonyms == second.pseudonyms
    assert first.results[0].subject.name not in first.pseudonyms
    assert scan_folder(files).pseudonyms == ""


def test_encrypted_report_is_compared_after_decryption(files: Path, tmp_path: Path) -> None:
    assert KEY is not None
    write(files, a=BAD)
    plain_report = report(scan_folder(files), tmp_path / "plain.json")
    encrypted_report = report(encrypt(scan_folder(files), KEY), tmp_path / "sealed.json")
    for base, head in (
        (encrypted_report, plain_report),
        (plain_report, encrypted_report),
        (encrypted_report, encrypted_report),
    ):
        with pytest.raises(
            ReportError, match=f"^{encrypted_report}: the report is encrypted: open it by `kubekeep decrypt`"
        ):
            diff(base, head)
    decrypted_report = tmp_path / "opened.json"
    decrypted_report.write_text(decrypt(encrypted_report.read_bytes(), KEY))
    comparison = diff(plain_report, decrypted_report)
    assert list_files(comparison) == {"unchanged": ["a.yaml"]}
    assert comparison.warnings == ()
