"""Comments that waive findings of a real scan, wherever a person can write them, and what is told of them."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.finding import Status
from kubekeep.model.waiver import WaiverSource, WaiverStatus
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.scan import ScanRequest, scan
from kubekeep.usecases.waivers import Waivers

EXAMPLES = Path(__file__).parents[2] / "examples"
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  containers:
  - name: a
    image: registry.example/a:1
    securityContext:
      privileged: true # kubekeep:ignore C-0057 reason=a test
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statuses(assessment: Assessment) -> set[Status]:
    return {verdict.status for result in assessment.results for verdict in result.verdicts.values()}


def test_a_finding_is_waived_and_told(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    request = ScanRequest(paths=("pod.yaml",), controls=("C-0057", "C-0016"))
    found = scan(request)
    assert found.failures().keys() == {"privilege-escalation"}
    ((_, verdict),) = found.waived()["privileged-container"]
    waiver = verdict.evidence[0].waiver
    assert waiver is not None
    assert (waiver.source, waiver.reason, waiver.name) == (WaiverSource.COMMENT, "a test", "pod.yaml:10")
    (use,) = found.waivers
    assert (use.status, [item.name for item in use.findings]) == (WaiverStatus.MATCHED, ["a"])
    summary = next(item for item in found.controls if item.control.slug == "privileged-container")
    assert (summary.counts.passed, summary.counts.waived) == (1, 1)


def test_a_part_of_the_evidence_leaves_a_failure(here: Path) -> None:
    second = "  - name: b\n    image: registry.example/b:1\n    securityContext: {privileged: true}\n"
    (here / "pod.yaml").write_text(POD + second)
    found = scan(ScanRequest(paths=("pod.yaml",), controls=("C-0057",)))
    ((_, verdict),) = found.failures()["privileged-container"]
    assert [item.path for item in verdict.evidence] == ["spec.containers[1].securityContext.privileged"]
    assert found.status is Status.FAILED


def test_what_is_waived_is_not_fixed(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    assert plan(FixRequest(scan=ScanRequest(paths=("pod.yaml",), controls=("C-0057",)))).files == ()


def test_comments_can_be_left_unheard(here: Path) -> None:
    (here / "pod.yaml").write_text(POD)
    found = scan(ScanRequest(paths=("pod.yaml",), controls=("C-0057",), waivers=Waivers(inline=False)))
    assert found.failures().keys() == {"privileged-container"}
    assert found.waivers == ()


@pytest.mark.parametrize(
    ("comment", "status", "unknown"),
    [
        ("C-0057 until=2020-01-01", WaiverStatus.EXPIRED, ()),
        ("", WaiverStatus.TOO_BROAD, ()),
        ("C-9999", WaiverStatus.INVALID_CONTROL, ("C-9999",)),
        ("C-0057 until=tomorrow", WaiverStatus.INVALID, ()),
        ("C-0016", WaiverStatus.UNUSED, ()),
    ],
)
def test_what_covers_nothing_is_told(here: Path, comment: str, status: WaiverStatus, unknown: tuple[str, ...]) -> None:
    (here / "pod.yaml").write_text(POD.replace("C-0057 reason=a test", comment))
    found = scan(ScanRequest(paths=("pod.yaml",), controls=("C-0057",)))
    assert statuses(found) == {Status.FAILED}
    (use,) = found.waivers
    assert (use.status, use.unknown) == (status, unknown)
    assert use.waiver.location is not None
    assert str(use.waiver.location) == "pod.yaml:10"


def test_not_evaluated_is_never_waived(here: Path) -> None:
    head, _, _ = POD.partition("  containers:")
    (here / "pod.yaml").write_text(f"# kubekeep:ignore C-0057\n{head}  containers: 7\n")
    assert statuses(scan(ScanRequest(paths=("pod.yaml",), controls=("C-0057",)))) == {Status.NOT_EVALUATED}


def test_standard_input_and_archives(here: Path) -> None:
    found = scan(ScanRequest(paths=("-",), controls=("C-0057",)), stdin=io.BytesIO(POD.encode("utf-16")))
    assert statuses(found) == {Status.PASSED}
    (here / "pod.yaml").write_text(POD)
    with tarfile.open("bundle.tar.gz", "w:gz") as archive:
        archive.add("pod.yaml", "deploy/pod.yaml")
    (here / "pod.yaml").unlink()
    found = scan(ScanRequest(paths=("bundle.tar.gz",), controls=("C-0057",)))
    assert statuses(found) == {Status.PASSED}
    assert [use.waiver.name for use in found.waivers] == ["bundle.tar.gz/deploy/pod.yaml:10"]


def test_the_values_of_a_chart_and_its_templates(here: Path) -> None:
    shutil.copytree(EXAMPLES / "storefront-chart", here / "chart")
    request = ScanRequest(paths=("chart",), controls=("C-0057",))
    assert scan(request).failures()
    values = here / "chart/values.yaml"
    written = values.read_text()
    values.write_text(written.replace("      privileged: true", "      privileged: true # kubekeep:ignore C-0057"))
    found = scan(request)
    assert not found.failures()
    assert [use.waiver.location.file for use in found.waivers if use.waiver.location] == ["chart/values.yaml"]
    values.write_text(written)
    for template in (here / "chart/templates").glob("*.yaml"):
        template.write_text("{{/* kubekeep:ignore C-0057 */}}\n" + template.read_text())
    assert not scan(request).failures()


def test_the_base_and_the_patch_of_an_overlay(here: Path) -> None:
    shutil.copytree(EXAMPLES / "overlays", here / "overlays")
    request = ScanRequest(paths=("overlays",), controls=("C-0057", "C-0017"))
    assert scan(request).failures().keys() == {"privileged-container", "read-only-root-filesystem"}
    patch = here / "overlays/production/debug.yaml"
    patch.write_text(patch.read_text().replace("privileged: true", "privileged: true # kubekeep:ignore C-0057"))
    base = here / "overlays/base/deployment.yaml"
    base.write_text("# kubekeep:ignore C-0017\n" + base.read_text())
    assert not scan(request).failures()


def test_terraform(here: Path) -> None:
    (here / "main.tf").write_text(
        'resource "kubernetes_pod" "a" {\n'
        '  metadata { name = "a" }\n'
        "  spec {\n"
        '    container { # kubekeep:ignore C-0057 reason="a test"\n'
        '      name = "a"\n'
        '      image = "registry.example/a:1"\n'
        "      security_context {\n"
        "        privileged = true\n"
        "      }\n"
        "    }\n"
        "  }\n"
        "}\n"
    )
    found = scan(ScanRequest(paths=(".",), controls=("C-0057",)))
    assert statuses(found) == {Status.PASSED}
    assert [use.status for use in found.waivers] == [WaiverStatus.MATCHED]


def test_a_file_that_no_control_applies_to_is_accounted_for(here: Path) -> None:
    (here / "notes.yaml").write_text("# kubekeep:ignore C-0057\nnotes: [a, b]\n")
    (here / "pod.yaml").write_text(POD)
    found = scan(ScanRequest(paths=(".",), controls=("C-0057",)))
    assert {use.waiver.name: use.status for use in found.waivers} == {
        "notes.yaml:1": WaiverStatus.UNUSED,
        "pod.yaml:10": WaiverStatus.MATCHED,
    }


def test_the_example_of_the_guide(here: Path) -> None:
    page = (EXAMPLES.parent / "docs/guides/ignore-comments.md").read_text()
    text = next(block for block in page.split("```") if "kind: DaemonSet" in block).removeprefix("yaml\n")
    (here / "agent.yaml").write_text(text)
    found = scan(ScanRequest(paths=("agent.yaml",), controls=("C-0016", "C-0017", "C-0048")))
    assert statuses(found) == {Status.PASSED}
    assert {use.status for use in found.waivers} == {WaiverStatus.MATCHED}
