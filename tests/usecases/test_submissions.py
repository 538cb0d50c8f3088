"""Submissions of real scans: identity of the source, truth about findings that are closed, packages of images."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

import kubekeep
from kubekeep.images.options import ImageOptions
from kubekeep.model.errors import RequestError
from kubekeep.model.git import Commit, GitRepository
from kubekeep.model.repository_address import normalise_address
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.scanned_source import SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.submission import SubjectEntry, Submission, SubmittedFinding
from kubekeep.reports import Extra, ReportOptions, load
from kubekeep.reports.submission import SubmissionBuilder
from kubekeep.sources.images.address import to_address
from kubekeep.sources.options import Access, ReadOptions
from kubekeep.uplink.delta import apply_delta
from kubekeep.usecases.permissions import preflight
from kubekeep.usecases.scan import scan
from kubekeep.usecases.submission_source import SourceError, identify_repository
from kubekeep.usecases.watch import Watch
from kubekeep.usecases.watching.request import WatchRequest
from kubekeep.usecases.watching.submissions import SubmissionSubscriber
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from tests.cluster.cluster import Cluster, eventually
from tests.registry.service import run_registry
from tests.registry_scan.fleet import BASE, Fleet, python_package, write_layer
from tests.requests import replaced, scan_request
from tests.sources.git.service import Backend, running
from tests.usecases import clusters
from tests.usecases.test_repository import git

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(kubekeep.__file__).parent / "model" / "submission-v1.schema.json").read_text())
)
NEEDS = load("submission").extras
UID = "9f86d081-884c-4d65-9a2f-eaa0c55ad015"
SYSTEM = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": UID}}
HEAD = "1" * 40
Finding = tuple[str, str]


def submit(*paths: Path | str, **options: Any) -> Submission:
    assessment = scan(scan_request(paths=tuple(map(str, paths)), extras=NEEDS, **options))
    submission = SubmissionBuilder().build(assessment)
    rendered = render(assessment)
    SCHEMA.validate(json.loads(rendered))
    written = msgspec.json.decode(rendered, type=Submission)
    assert written == submission
    return submission


def render(assessment: Any) -> str:
    stream = io.StringIO()
    load("submission").render(assessment, stream, ReportOptions())
    return stream.getvalue()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with the example shop, a chart and overlays; it is the working folder."""
    folder = create_repository(tmp_path / "web")
    monkeypatch.chdir(folder)
    return folder


def create_repository(folder: Path) -> Path:
    shutil.copytree(EXAMPLES / "online-shop", folder)
    for name in ("storefront-chart", "overlays"):
        shutil.copytree(EXAMPLES / name, folder / name)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "remote", "add", "origin", "git@github.com:Shop/Web.git")
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "Begin")
    return folder


def list_open(submission: Submission) -> dict[Finding, tuple[SubmittedFinding, SubjectEntry]]:
    return {
        (entry.key, finding.fingerprint): (finding, entry)
        for entry in submission.subjects
        for finding in entry.findings
        if finding.is_open
    }


def list_closed(before: Submission, after: Submission) -> set[Finding]:
    """Return the findings of `before` that `after` closes."""
    subjects = {entry.key: entry for entry in after.subjects}
    kinds = {definition.key: definition.kind for definition in before.definitions}
    return {
        key
        for key, (finding, entry) in list_open(before).items()
        if key not in list_open(after)
        and after.closes(finding, kinds[finding.definition], entry, subjects.get(entry.key))
    }


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def fix_privileged_pod(file: Path) -> None:
    file.write_text(file.read_text().replace("privileged: true", "privileged: false"))


def break_syntax(file: Path) -> None:
    file.write_text("a: [\n")


# --- identity of sources


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/Shop/Web.git", "github.com/shop/web"),
        ("https://github.com/shop/web/", "github.com/shop/web"),
        ("git@github.com:shop/web.git", "github.com/shop/web"),
        ("ssh://git@github.com/shop/web", "github.com/shop/web"),
        ("ssh://git@github.com:22/shop/web.git", "github.com/shop/web"),
        ("https://git.example.com/Team/Sub/Web", "git.example.com/Team/Sub/Web"),
        ("https://git.example.com:443/team/web", "git.example.com/team/web"),
        ("https://git.example.com:8443/team/web", "git.example.com:8443/team/web"),
        ("http://git.example.com:80/team/web", "git.example.com/team/web"),
        ("ssh://git@git.example.com:2222/team/web.git", "git.example.com/team/web"),
        ("https://dev.azure.com/Shop/Store/_git/Web", "dev.azure.com/shop/store/_git/web"),
        ("git@ssh.dev.azure.com:v3/shop/store/web", "dev.azure.com/shop/store/_git/web"),
        ("/srv/git/web.git", ""),
        ("../web", ""),
        ("file:///srv/git/web.git", ""),
        ("", ""),
        ("ext::sh -c date", ""),
    ],
)
def test_clone_addresses_of_a_repository_are_equal(address: str, expected: str) -> None:
    assert normalise_address(address) == expected


def test_source_of_files_is_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(repository, "rev-parse", "HEAD")
    whole = submit(".")
    assert whole.source == SourceRepository("github.com/shop/web", (), "main", head)
    assert submit("catalog", "./checkout/").source == SourceRepository(
        "github.com/shop/web", ("catalog", "checkout"), "main", head
    )
    monkeypatch.chdir(repository / "catalog")
    below = submit("search.yaml", "..")
    assert below.source == whole.source
    assert {entry.origin for entry in below.subjects} == {entry.origin for entry in whole.subjects}
    files = {
        evidence.location.file
        for entry in below.subjects
        for finding in entry.findings
        for evidence in finding.evidence
        if evidence.location is not None
    }
    assert "catalog/search.yaml" in files
    assert all((repository / file).is_file() for file in files)


def test_remote_repository_is_the_same_source_as_its_clone(repository: Path) -> None:
    server = Backend(repository.parent)
    with running(server):
        access = Access(environment={"PATH": os.environ["PATH"], "HOME": str(repository)})
        remote = submit(f"{server.url}/web//catalog", read=ReadOptions(access=access))
    url = f"127.0.0.1:{server.server_port}/web"
    git(repository, "remote", "set-url", "origin", f"http://{url}.git")
    local = submit("catalog")
    assert (
        remote.source
        == local.source
        == SourceRepository(url, ("catalog",), "main", git(repository, "rev-parse", "HEAD"))
    )
    assert remote.subjects == local.subjects


@pytest.mark.parametrize(
    ("change", "paths", "message"),
    [
        (lambda folder: shutil.rmtree(folder / ".git"), ["."], "in no Git repository"),
        (lambda folder: git(folder, "remote", "remove", "origin"), ["."], "add one with `git remote add origin URL`"),
        (lambda folder: git(folder, "remote", "set-url", "origin", "/srv/web.git"), ["."], "no remote with a network"),
        (lambda _: None, ["catalog", "../outside.yaml"], "outside.yaml is not in the repository"),
    ],
)
def test_input_without_identity_is_refused(
    repository: Path, change: Callable[[Path], object], paths: list[str], message: str
) -> None:
    shutil.copy(repository / "catalog" / "search.yaml", repository.parent / "outside.yaml")
    change(repository)
    with pytest.raises(SourceError, match=message):
        submit(*paths)


@pytest.mark.parametrize(
    ("environment", "branch"),
    [
        ({}, ""),
        ({"GITHUB_WORKSPACE": "", "GITHUB_REF": "refs/pull/12/merge", "GITHUB_REF_TYPE": "branch"}, "pull/12"),
        (
            {
                "GITHUB_WORKSPACE": "",
                "GITHUB_REF": "refs/heads/main",
                "GITHUB_REF_NAME": "main",
                "GITHUB_REF_TYPE": "branch",
            },
            "main",
        ),
        (
            {"GITHUB_WORKSPACE": "", "GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1", "GITHUB_REF_TYPE": "tag"},
            "v1",
        ),
        ({"CI_PROJECT_DIR": "", "CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_REF_NAME": "fix"}, "merge_requests/7"),
        ({"CI_PROJECT_DIR": "", "CI_COMMIT_REF_NAME": "main"}, "main"),
        ({"WORKSPACE": "", "BRANCH_NAME": "PR-3", "CHANGE_ID": "3"}, "pull/3"),
        ({"WORKSPACE": "", "BRANCH_NAME": "main"}, "main"),
        ({"CIRCLE_WORKING_DIRECTORY": "", "CIRCLE_BRANCH": "main"}, "main"),
        ({"CIRCLE_WORKING_DIRECTORY": "", "CIRCLE_PULL_REQUEST": "https://github.com/shop/web/pull/9"}, "pull/9"),
        ({"WORKSPACE": "", "BRANCH_NAME": "v1", "TAG_NAME": "v1"}, "v1"),
        ({"CIRCLE_WORKING_DIRECTORY": "", "CIRCLE_TAG": "v1"}, "v1"),
        ({"BUILD_SOURCESDIRECTORY": "", "BUILD_SOURCEBRANCH": "refs/heads/a/b"}, "a/b"),
        ({"BUILD_SOURCESDIRECTORY": "", "BUILD_SOURCEBRANCH": "refs/tags/v1"}, "v1"),
        ({"BUILD_SOURCESDIRECTORY": "", "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "5"}, "pull/5"),
        # Another repository than the checkout of the job.
        ({"GITHUB_WORKSPACE": "elsewhere", "GITHUB_REF": "refs/pull/12/merge"}, ""),
    ],
)
def test_branch_of_a_detached_head_is_that_of_the_job(
    environment: Mapping[str, str], branch: str, tmp_path: Path
) -> None:
    root = tmp_path.resolve()
    workspaces = (
        "GITHUB_WORKSPACE",
        "CI_PROJECT_DIR",
        "WORKSPACE",
        "CIRCLE_WORKING_DIRECTORY",
        "BUILD_SOURCESDIRECTORY",
    )
    variables = {name: str(root / value) if name in workspaces else value for name, value in environment.items()}
    detached = GitRepository(str(root), "https://github.com/shop/web")
    assert identify_repository(detached, [str(root)], variables).branch == branch
    attached = GitRepository(str(root), "https://github.com/shop/web", "feature")
    expected = branch if branch.startswith(("pull/", "merge_requests/")) else "feature"
    assert identify_repository(attached, [str(root)], variables).branch == expected


def test_sbom_in_a_repository_belongs_to_it(repository: Path) -> None:
    shutil.copy(EXAMPLES / "sboms" / "storefront.cdx.json", repository)
    submission = submit("sbom:storefront.cdx.json", read=ReadOptions(vulnerabilities=VulnerabilityOptions()))
    assert submission.source == msgspec.structs.replace(submit(".").source, paths=("storefront.cdx.json",))
    assert [entry.origin for entry in submission.subjects] == ["storefront.cdx.json"]
    with pytest.raises(SourceError, match="in no Git repository"):
        scan(
            scan_request(paths=("sbom:-",), extras=NEEDS),
            stdin=io.BytesIO((repository / "storefront.cdx.json").read_bytes()),
        )


@pytest.mark.parametrize("address", ["dir:app", "image:./app", "dir:{folder}/app"])
def test_image_in_a_file_belongs_to_the_repository(address: str, repository: Path) -> None:
    (repository / "app").mkdir()
    submission = submit(address.format(folder=repository))
    assert submission.source == msgspec.structs.replace(submit(".").source, paths=("app",))
    with pytest.raises(SourceError, match="image:web:1 is not in the repository"):
        submit("dir:app", "image:web:1")


# --- findings that are closed


class ChangedRepository(msgspec.Struct):
    """A repository with one change, and submissions of everything: before it, and of the findings that are there now."""

    folder: Path
    before: Submission
    present: Submission
    is_read: bool


@pytest.fixture(
    scope="module",
    params=[
        (remove, "operations/debug-pod.yaml"),
        (fix_privileged_pod, "operations/debug-pod.yaml"),
        (break_syntax, "operations/debug-pod.yaml"),
        (break_syntax, "overlays/base/deployment.yaml"),
        (remove, "storefront-chart"),
        (break_syntax, "storefront-chart/values.yaml"),
    ],
    ids=lambda param: f"{param[0].__name__}-{param[1]}",
)
def changed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ChangedRepository:
    change, file = request.param
    folder = create_repository(tmp_path_factory.mktemp("changed") / "web")
    with contextlib.chdir(folder):
        before = submit(".")
        change(folder / file)
        # Nothing was looked at in a broken file: its findings are unknown, and those of before are still there.
        is_read = change is not break_syntax
        return ChangedRepository(folder, before, submit(".") if is_read else before, is_read)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frameworks": ("nsa",)},
        {"controls": ("C-0057",)},
        {"resource_selection": ResourceSelection(include_namespaces=("shop",))},
        {"resource_selection": ResourceSelection(exclude_namespaces=("sho?",))},
        {"resource_selection": ResourceSelection(include_kinds=("Pod",))},
        {"resource_selection": ResourceSelection(labels="app=debug")},
    ],
    ids=lambda options: ",".join(options) or "whole",
)
def test_no_finding_is_closed_that_is_still_there(
    changed: ChangedRepository, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(changed.folder)
    closed = list_closed(changed.before, submit(".", **options))
    assert closed.isdisjoint(list_open(changed.present))
    if not options and changed.is_read:
        assert closed == list_open(changed.before).keys() - list_open(changed.present).keys()
        assert closed


def test_scan_of_changed_files_closes_no_absent_finding(repository: Path) -> None:
    before = submit(".")
    debug = repository / "operations" / "debug-pod.yaml"
    fix_privileged_pod(debug)
    remove(repository / "catalog" / "search.yaml")
    options = ReadOptions(changed_since="HEAD")
    closed = list_closed(before, submit(".", read=options))
    assert closed
    origins = {list_open(before)[key][1].origin for key in closed}
    assert origins == {"operations/debug-pod.yaml"}


def test_equal_objects_of_two_overlays_are_two_subjects(repository: Path) -> None:
    shutil.copytree(repository / "overlays" / "production", repository / "overlays" / "staging")
    submission = submit("overlays")
    by_origin: dict[str, set[str]] = {}
    for entry in submission.subjects:
        by_origin.setdefault(entry.origin, set()).update(finding.fingerprint for finding in entry.findings)
        assert entry.is_generated
    assert by_origin["overlays/production"]
    assert by_origin["overlays/production"].isdisjoint(by_origin["overlays/staging"])
    keys = [finding.fingerprint for entry in submission.subjects for finding in entry.findings]
    assert len(keys) == len({*keys})


def test_fingerprint_is_stable(repository: Path) -> None:
    before = submit(".")
    debug = repository / "operations" / "debug-pod.yaml"
    debug.write_text(f"# a comment\n\n{debug.read_text()}")
    after = submit(".")
    assert list_open(before).keys() == list_open(after).keys()
    assert before.id != after.id
    assert before.manifest != after.manifest


# --- snapshots and clusters


def test_snapshot_is_identified_by_its_namespace(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text((EXAMPLES / "online-shop" / "operations" / "debug-pod.yaml").read_text())
    with pytest.raises(SourceError, match=r"no Namespace kube-system with a metadata\.uid"):
        submit(tmp_path, snapshot=True)
    (tmp_path / "namespaces.yaml").write_text(yaml.safe_dump(SYSTEM))
    submission = submit(tmp_path, snapshot=True)
    assert submission.source == SourceCluster(UID)
    assert not any(entry.origin for entry in submission.subjects)
    # Any object may be in a file that was not read.
    (tmp_path / "more.yaml").write_text("a: [\n")
    remove(tmp_path / "all.yaml")
    assert not list_closed(submission, submit(tmp_path, snapshot=True))
    remove(tmp_path / "more.yaml")
    closed = list_closed(submission, submit(tmp_path, snapshot=True))
    assert {list_open(submission)[key][1].subject.kind for key in closed} == {"Pod"}  # type: ignore[union-attr]


def test_missing_data_about_nodes_closes_nothing(tmp_path: Path) -> None:
    (tmp_path / "namespaces.yaml").write_text(yaml.safe_dump(SYSTEM))
    cases = Path(kubekeep.__file__).parent / "library/controls/host-files/kubelet-config-file-mode/cases"
    node = {**yaml.safe_load((cases / "fail.world-readable.yaml").read_text()), "metadata": {"name": "one"}}
    documents = [node, {**node, "metadata": {"name": "two"}}]
    for document in documents:
        (tmp_path / f"{document['metadata']['name']}.yaml").write_text(yaml.safe_dump(document))
    before = submit(tmp_path, snapshot=True)
    remove(tmp_path / "one.yaml")
    closed = list_closed(before, submit(tmp_path, snapshot=True))
    assert {getattr(list_open(before)[key][1].subject, "name", "") for key in closed} == {"one"}
    remove(tmp_path / "two.yaml")
    without = submit(tmp_path, snapshot=True)
    assert not list_closed(before, without)
    assert f"no {node['kind']} was collected" in {gap.message for gap in without.gaps}


@pytest.fixture(scope="module")
def shop(module_cluster: Cluster) -> Cluster:
    clusters.apply_shop(module_cluster)
    return module_cluster


def read_uid(cluster: Cluster) -> str:
    uid: str = cluster.admin("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    return uid


def test_cluster_is_identified_by_its_namespace(shop: Cluster) -> None:
    request = clusters.access(shop.kubeconfig)
    submission = submit(cluster=request)
    assert submission.source == SourceCluster(read_uid(shop), request.access.name)
    web = next(entry for entry in submission.subjects if entry.containers)
    assert web.containers[0].image
    narrow = submit(cluster=request, resource_selection=clusters.select_namespaces("team"))
    assert narrow.source == submission.source
    assert narrow.scope.include_namespaces == ("team",)
    assert list_closed(submission, narrow).isdisjoint(list_open(submit(cluster=request)))


def test_hidden_kind_closes_nothing(shop: Cluster) -> None:
    whole = submit(cluster=clusters.access(shop.kubeconfig))
    rules = clusters.create_rules_without(shop, "deployments", "replicasets", "pods")
    narrow = submit(cluster=clusters.access(shop.user("blind", rules)))
    assert {gap.next_step for gap in narrow.gaps} >= {"list deployments.apps", "list pods"}
    closed = list_closed(whole, narrow)
    assert closed.isdisjoint(
        list_open(whole).keys() & list_open(submit(cluster=clusters.access(shop.kubeconfig))).keys()
    )


def test_identity_without_permission_names_the_permission(shop: Cluster) -> None:
    for manifest in clusters.create_namespaced_role("team", "tenant"):
        shop.apply([manifest])
    kubeconfig = shop.user("tenant", [])
    selection = clusters.select_namespaces("team")
    request = scan_request(cluster=clusters.access(kubeconfig), extras=NEEDS, resource_selection=selection)
    with pytest.raises(SourceError, match=r"kube-system cannot be read: .*grant the permission get for this namespace"):
        scan(request)
    missing = {str(permission) for permission in preflight(request).missing}
    assert "get namespaces/kube-system" in missing
    others = replaced(request, extras=NEEDS - {Extra.SOURCE})
    assert "get namespaces/kube-system" not in {str(permission) for permission in preflight(others).permissions}


def test_watch_submits_a_state_and_its_changes(shop: Cluster) -> None:
    request = scan_request(cluster=clusters.access(shop.kubeconfig), extras=frozenset({Extra.SOURCE}))
    received: list[Submission] = []
    watch = Watch(WatchRequest(scan=request, pause=0.1), (SubmissionSubscriber(request, received.append),))
    stopped = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stopped,))
    thread.start()
    try:
        eventually(lambda: received or None)
        template = {"metadata": {"labels": {"app": "new"}}, "spec": {"containers": [{"name": "new", "image": "new:1"}]}}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "new", "namespace": "team"},
            "spec": {"selector": {"matchLabels": {"app": "new"}}, "template": template},
        }
        shop.apply([deployment])
        eventually(lambda: has_subject(received, "new") or None)
        shop.delete(deployment)
        eventually(lambda: received[-1].removed or None)
    finally:
        stopped.set()
        thread.join(60)
    first, *deltas = received
    assert not first.base
    state = first
    for delta in deltas:
        assert delta.base == state.manifest
        assert len(delta.subjects) < 10
        state = apply_delta(state, delta)
    assert state.subjects == first.subjects
    assert state.source == SourceCluster(read_uid(shop), request.input.cluster.access.name)  # type: ignore[union-attr]


def has_subject(received: list[Submission], name: str) -> bool:
    return any(getattr(entry.subject, "name", "") == name for entry in received[-1].subjects)


# --- images


def test_image_has_its_packages_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with run_registry(tmp_path / "registry") as service:
        fleet = Fleet(service.address)
        layers = (BASE, write_layer(python_package("catalog", "2.3.1")))
        fleet.push_image("team/catalog", "2.3.1", "latest", layers=layers)
        fleet.push_image("team/web", "1", layers=(BASE, write_layer(python_package("web", "1"))))
        fleet.close()
        names = [f"{service.address}/team/{name}" for name in ("catalog:2.3.1", "catalog:latest", "web:1")]
        read = ReadOptions(images=ImageOptions(), vulnerabilities=VulnerabilityOptions())
        submission = submit(*map(to_address, names), read=read)
        assert submission.source == SourceRegistry(service.address)
        web, catalog = sorted(submission.images, key=lambda image: -len(image.references[0]))[::-1]
        assert (catalog.references, web.references) == ((names[0], names[1]), (names[2],))
        assert [package.name for package in catalog.content.packages] == ["catalog"]
        assert catalog.content.distribution.id == "debian"
        assert len(submission.subjects) == 2
        assert all(entry.subject.digest in {web.digest, catalog.digest} for entry in submission.subjects)  # type: ignore[union-attr]
        # Without advisories nothing is known about the packages, so that no vulnerability is closed.
        assert {entry.unassessed for entry in submission.subjects} == {("pkg:pypi/web@1",), ("pkg:pypi/catalog@2.3.1",)}


def test_images_without_identity_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "app.tar"
    archive.write_bytes(b"")
    with pytest.raises(SourceError, match="in no Git repository"):
        submit(to_address(str(archive)))
    with pytest.raises(RequestError, match="names no cluster, repository or registry"):
        SubmissionBuilder().build(scan(scan_request(paths=(str(EXAMPLES / "online-shop"),))))


def test_head_is_part_of_the_source(tmp_path: Path) -> None:
    commit = Commit(HEAD, "Ann", "ann@example.com", dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "Begin")
    repository = GitRepository(str(tmp_path), "https://github.com/shop/web", "main", commit)
    assert identify_repository(repository, [str(tmp_path)], {}).commit == HEAD


WORKLOADS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      initContainers: [{{name: prepare, image: {prepare}}}]
      containers: [{{name: web, image: {web}, ports: [{{containerPort: 80}}]}}, {{name: other, image: 'shop/other:1'}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{type: LoadBalancer, selector: {{app: web}}, ports: [{{port: 80}}]}}
"""


def test_workload_has_the_digests_of_its_images_and_its_exposure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_registry(tmp_path / "registry") as service:
        fleet = Fleet(service.address)
        fleet.push_image("team/web", "1", layers=(BASE, write_layer(python_package("web", "1"))))
        fleet.push_image("team/web", "2", layers=(BASE, write_layer(python_package("web", "2"))))
        fleet.push_image("team/prepare", "1", layers=(BASE, write_layer(python_package("prepare", "1"))))
        fleet.close()
        repository = tmp_path / "repository"
        for overlay, number in (("test", 1), ("production", 2)):
            (repository / overlay).mkdir(parents=True)
            text = WORKLOADS.format(
                web=f"{service.address}/team/web:{number}", prepare=f"{service.address}/team/prepare:1"
            )
            (repository / overlay / "web.yaml").write_text(text)
        git(repository, "init", "-q", "-b", "main")
        git(repository, "remote", "add", "origin", "git@github.com:Shop/Web.git")
        git(repository, "add", "--all")
        git(repository, "commit", "-q", "-m", "Begin")
        monkeypatch.chdir(repository)
        read = ReadOptions(images=ImageOptions(), workload_images=True, vulnerabilities=VulnerabilityOptions())
        submission = submit(".", read=read)
    digests = {reference: image.digest for image in submission.images for reference in image.references}
    for overlay, number in (("test", 1), ("production", 2)):
        (web,) = [entry for entry in submission.subjects if entry.origin == f"{overlay}/web.yaml" and entry.containers]
        assert [(container.name, container.digest, container.ends) for container in web.containers] == [
            ("web", digests[f"{service.address}/team/web:{number}"], False),
            ("other", "", False),
            ("prepare", digests[f"{service.address}/team/prepare:1"], True),
        ]
        assert web.exposure == "reachable from the internet through Service shop/web"
        assert not web.power
