"""Namespaces of objects in files that state none: revealed by bindings, or set by an option."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Status
from kubekeep.reports.format import Extra
from kubekeep.sources.options import ReadOptions
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}}}\n---\n"
WORKLOAD = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {0}}}\nspec:\n  template:\n    metadata: {{labels: {{app: {0}}}}}\n"
    "    spec: {{serviceAccountName: {0}, containers: [{{name: a, image: 'a:1'}}]}}\n---\n"
)
ROLE = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: all}\n"
    "rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n---\n"
)
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: all}}\n"
    "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all}}\n"
    "subjects: [{{kind: ServiceAccount, name: {}, namespace: {}}}]\n---\n"
)
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: robot}}\n---\n"


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], namespace: str = "", *extras: Extra
) -> Assessment:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    source = ScanInput(paths=(".",), read=ReadOptions(namespace=namespace))
    controls = RuleOptions(controls=("C-0267", "C-0061", "C-0015", "C-0057"))
    return scan(ScanRequest(source, controls, needs=ReportNeeds(extras=frozenset(extras))))


def list_names(assessment: Assessment) -> list[str]:
    """Return the names of all resources that are no joined subjects, with their namespaces."""
    subjects = [result.subject for result in assessment.results if not result.subject.related]
    return sorted({f"{subject.kind} {subject.namespace}/{subject.name}" for subject in subjects})


def find_status(assessment: Assessment, name: str, control: str) -> Status:
    slugs = {summary.definition.id: summary.definition.slug for summary in assessment.summaries}
    results = [result for result in assessment.results if f"{result.subject.kind}/{result.subject.name}" == name]
    return results[0].verdicts[slugs[control]].status


def list_notes(assessment: Assessment) -> list[str]:
    return [note for note in assessment.notes if "namespace" in note]


INSTALL = ACCOUNT.format("robot") + WORKLOAD.format("robot") + SERVICE + ROLE + BINDING.format("robot", "tools")
SPLIT = {
    "rbac/account.yaml": ACCOUNT.format("robot"),
    "rbac/roles.yaml": ROLE + BINDING.format("robot", "tools"),
    "app/deployment.yaml": WORKLOAD.format("robot"),
    "app/service.yaml": SERVICE,
    "network/service.yaml": SERVICE.replace("web", "other"),
}
KUSTOMIZED = {
    "base/kustomization.yaml": "resources: [all.yaml]\n",
    "base/all.yaml": ACCOUNT.format("robot") + WORKLOAD.format("robot"),
    "roles/kustomization.yaml": "resources: [all.yaml]\n",
    "roles/all.yaml": ROLE + BINDING.format("robot", "tools"),
}


@pytest.mark.parametrize("files", [{"install.yaml": INSTALL}, SPLIT, KUSTOMIZED], ids=["file", "folders", "bases"])
@pytest.mark.parametrize("extras", [(), (Extra.ATTACK_PATHS,)], ids=["plain", "paths"])
def test_bindings_reveal_the_namespace(
    files: dict[str, str], extras: tuple[Extra, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessment = run(tmp_path, monkeypatch, files, "", *extras)
    assert "Deployment tools/robot" in list_names(assessment)
    assert not [name for name in list_names(assessment) if " /" in name and "Cluster" not in name]
    assert find_status(assessment, "Deployment/robot", "C-0267") is Status.FAILED
    assert find_status(assessment, "Deployment/robot", "C-0061") is Status.PASSED
    (note,) = list_notes(assessment)
    assert note.startswith("assumed namespace tools for ")
    assert "use --namespace" in note


def test_locations_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# first line\n" + INSTALL.replace("image: 'a:1'", "image: 'a:1', securityContext: {privileged: true}")
    assessment = run(tmp_path, monkeypatch, {"install.yaml": text})
    (finding,) = (finding for finding in assessment.findings if finding.definition.id == "C-0057")
    (evidence,) = finding.evidence
    lines = text.splitlines()
    assert evidence.location is not None
    assert evidence.location.region is not None
    assert "privileged" in lines[evidence.location.region.start.line - 1]


UNREVEALED = {
    "no binding": {"a.yaml": ACCOUNT.format("robot") + WORKLOAD.format("robot")},
    "account is defined there": {
        "a.yaml": INSTALL + ACCOUNT.format("robot").replace("{name: robot}", "{name: robot, namespace: tools}")
    },
    "another account": {"a.yaml": WORKLOAD.format("robot"), "b.yaml": ROLE + BINDING.format("other", "tools")},
    "default account": {"a.yaml": WORKLOAD.format("default"), "b.yaml": ROLE + BINDING.format("default", "tools")},
    "namespace is stated": {
        "a.yaml": WORKLOAD.format("robot").replace("{name: robot}\nspec", "{name: robot, namespace: own}\nspec"),
        "b.yaml": ROLE + BINDING.format("robot", "tools"),
    },
}


@pytest.mark.parametrize("name", UNREVEALED)
def test_nothing_is_assumed_without_evidence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assessment = run(tmp_path, monkeypatch, UNREVEALED[name])
    assert not [entry for entry in list_names(assessment) if entry.startswith("Deployment tools/")]
    assert list_notes(assessment) == []


def test_several_namespaces_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"install.yaml": INSTALL, "more.yaml": BINDING.format("robot", "others")}
    assessment = run(tmp_path, monkeypatch, files)
    assert "Deployment /robot" in list_names(assessment)
    message = "bindings name its service accounts in several namespaces (others, tools); use --namespace to set one"
    assert list_notes(assessment) == [f"install.yaml: {message}"]


def test_unrelated_workloads_keep_their_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"robot/install.yaml": INSTALL, "shop/web.yaml": WORKLOAD.format("shop")}
    names = list_names(run(tmp_path, monkeypatch, files))
    assert {"Deployment tools/robot", "Deployment /shop"} <= set(names)


def test_option_sets_the_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "install.yaml": INSTALL,
        "stated.yaml": WORKLOAD.format("own").replace("{name: own}\nspec", "{name: own, namespace: own}\nspec"),
        "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
        "chart/templates/all.yaml": WORKLOAD.format("chart"),
        "base/kustomization.yaml": "resources: [all.yaml]\n",
        "base/all.yaml": WORKLOAD.format("base"),
    }
    assessment = run(tmp_path, monkeypatch, files, "tools")
    names = list_names(assessment)
    assert {"Deployment tools/robot", "Deployment own/own", "Deployment tools/base"} <= set(names)
    assert find_status(assessment, "Deployment/robot", "C-0267") is Status.FAILED
    assert find_status(assessment, "Deployment/chart", "C-0061") is Status.PASSED
    assert list_notes(assessment) == []


def test_subject_of_a_role_binding_has_the_namespace_of_the_binding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binding = BINDING.format("robot", "x").replace(", namespace: x", "").replace("ClusterRoleBinding", "RoleBinding")
    assessment = run(tmp_path, monkeypatch, {"a.yaml": INSTALL + binding})
    subjects = {
        f"{result.subject.namespace}/{result.subject.name}" for result in assessment.results if result.subject.related
    }
    assert subjects == {"tools/robot"}
