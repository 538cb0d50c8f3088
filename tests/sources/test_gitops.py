"""Applications of Argo CD and Flux: deployed parts of the scanned repository, values and their lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.sources.gitops.applications import (
    Deployment,
    DeploymentKind,
    DeploymentResult,
    ScannedRepository,
    find_deployments,
    is_same_repository,
)
from kubekeep.sources.manifests.read import read_file
from kubekeep.sources.options import InlineValues
from kubekeep.sources.source import Root
from kubekeep.sources.tree import DEFAULT_LIMITS

REMOTE = "https://git.example/team/shop.git"

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: shop
spec:
  destination:
    namespace: prod
  source:
    repoURL: git@git.example:team/shop
    path: charts/shop
    helm:
      releaseName: live
      valueFiles:
      - values-prod.yaml
      - /common.yaml
      parameters:
      - name: image.tag
        value: "1,2"
      - name: id
        value: "7"
        forceString: true
      fileParameters:
      - name: config
        path: files/c.ini
      valuesObject:
        replicas: 3
        security:
          privileged: true
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a chart, a kustomization and a folder, and a file outside of it."""
    (tmp_path / "outside.yaml").write_text("a: 1\n")
    root = tmp_path / "repo"
    for name in (
        "charts/shop/Chart.yaml",
        "charts/shop/values-prod.yaml",
        "charts/shop/files/c.ini",
        "common.yaml",
        "overlays/prod/kustomization.yaml",
        "plain/pod.yaml",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x: 1\n")
    monkeypatch.chdir(root)
    return root


def find(repository: Path, text: str, remote: str = REMOTE) -> list[DeploymentResult]:
    """Return the results of the applications in a file."""
    (repository / "app.yaml").write_text(text)
    return list(find_deployments(_resources(), [ScannedRepository(str(repository), remote)]))


def _resources() -> Iterator[Resource]:
    for result in read_file(Root("manifests", "app.yaml", "app.yaml", str(Path.cwd())), DEFAULT_LIMITS):
        assert isinstance(result, Resource)
        yield result


def messages(results: list[DeploymentResult]) -> list[str]:
    return [f"{result.location} {result.message}" for result in results if not isinstance(result, Deployment)]


def locate(values: InlineValues, path: tuple[str, ...]) -> str:
    """Return file and line of a value."""
    assert values.source_map is not None
    return str(Location(values.file, values.source_map.region(values.value, path)))


def test_application_of_a_chart_is_followed(repository: Path) -> None:
    (deployment,) = find(repository, APPLICATION)
    assert isinstance(deployment, Deployment)
    assert (deployment.path, deployment.kind) == (str(repository / "charts/shop"), DeploymentKind.CHART)
    assert (deployment.release, deployment.namespace, deployment.application.name) == ("live", "prod", "shop")
    assert deployment.value_files == (str(repository / "charts/shop/values-prod.yaml"), str(repository / "common.yaml"))
    assert (deployment.set, deployment.set_string) == ((r"image.tag=1\,2",), ("id=7",))
    assert deployment.set_file == (f"config={repository / 'charts/shop/files/c.ini'}",)
    (values,) = deployment.inline
    assert values.value == {"replicas": 3, "security": {"privileged": True}}
    assert locate(values, ("security", "privileged")) == "app.yaml:28"


def test_inline_values_keep_their_lines(repository: Path) -> None:
    head = APPLICATION[: APPLICATION.index("      valuesObject")]
    (deployment,) = find(
        repository, f"{head}      values: |\n        # why\n        replicas: 3\n        a:\n          b: 1\n"
    )
    assert isinstance(deployment, Deployment)
    (values,) = deployment.inline
    assert values.value == {"replicas": 3, "a": {"b": 1}}
    assert locate(values, ("replicas",)) == "app.yaml:27"
    assert locate(values, ("a", "b")) == "app.yaml:29"


@pytest.mark.parametrize("name", ["../../../outside.yaml", "missing.yaml", "https://x/y.yaml", "/../outside.yaml"])
def test_missing_values_files_are_reported(repository: Path, name: str) -> None:
    problem, deployment = find(repository, APPLICATION.replace("values-prod.yaml", name))
    assert isinstance(problem, UnreadInput)
    assert isinstance(deployment, Deployment)
    assert messages([problem]) == [f"app.yaml:14 {name} does not exist in the scanned repository"]
    assert deployment.value_files == (str(repository / "common.yaml"),)


def test_application_with_several_sources(repository: Path) -> None:
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a}
spec:
  sources:
  - repoURL: https://git.example/team/shop
    ref: mine
  - repoURL: https://git.example/team/shop
    path: charts/shop
    helm:
      valueFiles: [$mine/common.yaml]
  - repoURL: https://charts.example
    chart: redis
  - repoURL: https://git.example/team/shop
    path: plain
    directory: {recurse: true}
"""
    chart, redis, plain = find(repository, text)
    assert isinstance(chart, Deployment)
    assert isinstance(plain, Deployment)
    assert chart.value_files == (str(repository / "common.yaml"),)
    assert chart.release == "a"
    assert messages([redis]) == [
        "app.yaml:13 the chart redis from https://charts.example is not in the scanned repository"
    ]
    assert (plain.kind, plain.is_recursive) == (DeploymentKind.FOLDER, True)


@pytest.mark.parametrize("path", ["../", "/etc", "nowhere", "charts/shop/Chart.yaml", "link"])
def test_path_outside_the_repository_is_reported(repository: Path, path: str) -> None:
    (repository / "link").symlink_to("..")
    (result,) = find(repository, APPLICATION.replace("path: charts/shop", f"path: {path}"))
    assert isinstance(result, UnreadInput)
    assert "the folder does not exist in the scanned repository" in result.message


def test_application_of_other_repository_is_not_followed(repository: Path) -> None:
    (result,) = find(repository, APPLICATION.replace("git@git.example:team/shop", "https://u:secret@git.example/x/y"))
    assert messages([result]) == ["app.yaml:10 charts/shop of https://git.example/x/y is not in the scanned repository"]


def test_unknown_remote_is_matched_by_path(repository: Path) -> None:
    (deployment,) = find(repository, APPLICATION, remote="")
    assert isinstance(deployment, Deployment)


def test_unsupported_changes_are_reported(repository: Path) -> None:
    text = APPLICATION[: APPLICATION.index("    helm:")].replace("charts/shop", "overlays/prod")
    problem, deployment = find(repository, text + "    kustomize:\n      namePrefix: x-\n")
    assert messages([problem]) == ["app.yaml:11 kustomize of the application: not applied"]
    assert isinstance(deployment, Deployment)
    assert deployment.kind is DeploymentKind.KUSTOMIZATION


FLUX = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: flux-system}
spec:
  url: ssh://git@git.example/team/shop
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: flux-system}
spec:
  targetNamespace: prod
  chart:
    spec:
      chart: ./charts/shop
      valuesFiles: [common.yaml]
      sourceRef: {kind: GitRepository, name: shop}
  valuesFrom:
  - kind: ConfigMap
    name: more
  values:
    replicas: 2
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: infra, namespace: flux-system}
spec:
  path: ./overlays/prod
  targetNamespace: infra
  sourceRef: {kind: GitRepository, name: shop}
  postBuild:
    substitute: {a: b}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: redis}
spec:
  chart:
    spec:
      chart: redis
      sourceRef: {kind: HelmRepository, name: bitnami}
"""


def test_flux_objects_are_followed(repository: Path) -> None:
    unknown, release, changes, kustomization, redis = find(repository, FLUX)
    assert messages([unknown, changes, redis]) == [
        "app.yaml:17 valuesFrom is not applied: its values are in the cluster",
        "app.yaml:30 postBuild of the Kustomization: not applied",
        "app.yaml:39 redis of an unknown repository is not in the scanned repository",
    ]
    assert isinstance(release, Deployment)
    assert (release.path, release.release, release.namespace) == (str(repository / "charts/shop"), "prod-web", "prod")
    assert release.value_files == (str(repository / "common.yaml"),)
    assert locate(release.inline[0], ("replicas",)) == "app.yaml:21"
    assert isinstance(kustomization, Deployment)
    assert (kustomization.kind, kustomization.namespace) == (DeploymentKind.KUSTOMIZATION, "infra")


def test_flux_from_another_repository(repository: Path) -> None:
    results = find(repository, FLUX.replace("git.example/team/shop", "git.example/other"))
    assert all(isinstance(result, UnassessedInput) for result in results)
    assert len(results) == 3


@pytest.mark.parametrize(
    "spec",
    ["{}", "[]", "{source: 3}", "{sources: [1, {path: 4}]}", '{source: {path: "a\\0b"}}', "{source: {path: []}}"],
)
def test_malformed_applications_raise_no_error(repository: Path, spec: str) -> None:
    head = "apiVersion: argoproj.io/v1alpha1\nkind: {}\nmetadata: {{name: a}}\nspec: {}\n"
    for kind in ("Application", "ApplicationSet"):
        assert not any(isinstance(result, Deployment) for result in find(repository, head.format(kind, spec)))


@pytest.mark.parametrize("spec", ["{}", "[]", "{chart: {spec: {chart: 1, sourceRef: []}}}", "{chart: {spec: []}}"])
def test_malformed_releases_raise_no_error(repository: Path, spec: str) -> None:
    head = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: a}}\nspec: {}\n"
    assert [type(result) for result in find(repository, head.format(spec))] == [UnassessedInput]


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("https://github.com/a/b.git", "git@github.com:a/b", True),
        ("ssh://git@GitHub.com:22/a/b/", "https://user:pass@github.com/a/b", True),
        ("https://github.com/a/b", "https://github.com/a/c", False),
        ("https://github.com/a/b", "https://gitlab.com/a/b", False),
        ("file:///srv/x", "file:///srv/x", True),
    ],
)
def test_equivalent_repository_urls(first: str, second: str, *, is_same: bool) -> None:
    assert is_same_repository(first, second) is is_same
