"""Evaluation of the documents of an editor: equal to a scan of the same files, with the unsaved texts in them."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.usecases import editor_files
from kubekeep.usecases.editor import EditorProject
from kubekeep.usecases.editor_files import MANIFESTS, EvaluationUnit
from kubekeep.usecases.request import ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.lsp.samples import BINDING, ROLE
from tests.requests import ALL_CONTROLS

EXAMPLES = Path(__file__).parents[2] / "examples"
Row = tuple[str, str, str, str, str, float]


def list_rows(assessment: Assessment, file: str) -> set[Row]:
    """Return the findings of resources with a part in a file."""
    return {
        (finding.id, finding.subject.identity, evidence.path, evidence.message, str(evidence.location), score)
        for finding in assessment.findings
        for score in [finding.priority.score]
        for evidence in finding.evidence
        if any(
            part.source is not None and part.source.path == file for part in (finding.subject, *finding.subject.related)
        )
    }


def make_project(folder: Path) -> EditorProject:
    project = EditorProject(str(folder), ScanRequest(ScanInput(paths=()), ALL_CONTROLS))
    project.refresh({})
    return project


def change_text(text: str, dice: random.Random) -> str:
    """Return a text with one change as users make them."""
    changes = (
        lambda: text.replace("true", "false", 1),
        lambda: text.replace("false", "true", 1),
        lambda: text.replace("namespace: shop", "namespace: other", 1),
        lambda: re.sub(r"name: (\w+)", r"name: \1-x", text, count=dice.randrange(1, 4)),
        lambda: f"# a comment\n{text}",
        lambda: text.replace("replicas:", "replicaz:", 1),
        lambda: "---\n".join(text.split("---\n")[1:]),
    )
    return dice.choice(changes)()


def test_verdicts_equal_those_of_a_scan_after_every_change(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "shop"
    shutil.copytree(EXAMPLES / "online-shop", folder)
    project, dice = make_project(folder), random.Random(7)
    files = sorted(folder.rglob("*.yaml"))
    opened = dice.sample(files, 3)
    texts = {str(file): file.read_text(encoding="utf-8") for file in opened}
    latest: dict[str, Assessment] = {}
    for _ in range(12):
        latest |= project.evaluate_manifests({path: text.encode() for path, text in texts.items()})
        for path, text in texts.items():
            Path(path).write_text(text, encoding="utf-8")
        expected = scan(project.scan_request((str(folder),), {}))
        for path in texts:
            assert list_rows(latest[path], path) == list_rows(expected, path)
            own = {(str(each.location), each.message) for each in expected.unread if each.location.file == path}
            assert {(str(each.location), each.message) for each in latest[path].unread} == own
        changed = dice.choice(sorted(texts))
        texts[changed] = change_text(texts[changed], dice)
    assert any(list_rows(assessment, path) for path, assessment in latest.items())


def test_policy_that_the_api_server_refuses_protects_no_pod(tmp_path: Path) -> None:
    file = tmp_path.resolve() / "pod.yaml"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec: {containers: [{name: a, image: a:1}]}\n---\n"
    policy = "apiVersion: %s\nkind: NetworkPolicy\nmetadata: {name: a, namespace: b}\nspec: {podSelector: {}}\n"
    project = make_project(tmp_path.resolve())
    for version in ("networking.k8s.io/v1", "extensions/v1beta1", "networking.k8s.io/v1"):
        file.write_text(pod + policy % version)
        [assessment] = project.evaluate_manifests({str(file): file.read_bytes()}).values()
        expected = scan(project.scan_request((str(file),), {}))
        assert list_rows(assessment, str(file)) == list_rows(expected, str(file))
        assert ("C-0260" in {finding.id for finding in assessment.findings}) == (version == "extensions/v1beta1")
        assert len(assessment.unread) == (version == "extensions/v1beta1")


def test_closed_document_is_read_from_the_disk_again(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    role, binding = folder / "role.yaml", folder / "binding.yaml"
    role.write_text(ROLE)
    binding.write_text(BINDING)
    project = make_project(folder)
    path, unsaved = str(binding), {str(binding): binding.read_bytes()}
    before = list_rows(project.evaluate_manifests({**unsaved, str(role): role.read_bytes()})[path], path)
    without = list_rows(project.evaluate_manifests({**unsaved, str(role): b""})[path], path)
    after = list_rows(project.evaluate_manifests(unsaved)[path], path)
    assert before == after != without


def test_units_of_files(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "examples"
    shutil.copytree(EXAMPLES, folder)
    (folder / "overlays" / "base" / "charts").mkdir()
    project = make_project(folder)
    chart, overlay = (EvaluationUnit((str(folder / name),)) for name in ("storefront-chart", "overlays/production"))
    units = {
        "online-shop/operations/rbac.yaml": MANIFESTS,
        "storefront-chart/values.yaml": chart,
        "storefront-chart/Chart.yaml": chart,
        "storefront-chart/templates/deployment.yaml": chart,
        "overlays/base/deployment.yaml": overlay,
        "overlays/base/kustomization.yaml": overlay,
        "overlays/production/debug.yaml": overlay,
        "new.yaml": MANIFESTS,
    }
    assert {name: project.files.find_unit(str(folder / name)) for name in units} == units
    assert project.files.kustomizations == [str(folder / "overlays/production")]


def test_files_of_a_large_workspace_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editor_files, "MAX_FILES", 5)
    for number in range(8):
        (tmp_path / f"{number}.yaml").write_text("a: 1\n")
    project = make_project(tmp_path.resolve())
    assert len(project.files.manifests) == 5
    assert not project.files.is_complete
