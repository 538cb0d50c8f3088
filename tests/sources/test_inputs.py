"""A realistic tree: the reader of each object, and exclusions."""

from __future__ import annotations

import re
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.sources.inputs import Inputs, read
from kubekeep.sources.options import Access, ChartValues, HelmOptions, ReadOptions

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a chart, an overlay over a base, a component and plain files."""
    files = {
        "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "chart/values.yaml": "name: web\n",
        "chart/templates/pod.yaml": POD.format("{{ .Values.name }}"),
        "chart/templates/more/other.yaml": POD.format("{{ .Values.name }}-other"),
        "chart/crds/a.yaml": POD.format("crd"),
        "chart/ci/pod.yaml": POD.format("ci"),
        "base/kustomization.yaml": "resources: [pod.yaml]\n",
        "base/pod.yaml": POD.format("base"),
        "prod/kustomization.yaml": "namePrefix: prod-\nresources: [../base]\n",
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "resources: [pod.yaml]\npatches:\n- target: {name: absent}\n  path: patch.yaml\n",
        "part/patch.yaml": POD.format("absent"),
        "plain/pod.yaml": POD.format("plain"),
        "plain/notes.txt": "kind: Pod\n",
    }
    files["part/pod.yaml"] = POD.format("part")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def describe_all(inputs: Inputs) -> list[str]:
    """Return resources as `path name`, and each UnreadInput as `location message`, sorted."""
    with inputs:
        return sorted(map(describe, inputs))


def describe(result: Subject | UnreadInput) -> str:
    if isinstance(result, UnreadInput):
        return f"{result.location} {result.message}"
    assert result.source is not None
    return f"{result.source.path} {result.name}"


BASES = (
    "1 base of an overlay is evaluated alone, too ({}); to count its findings only once, scan the folder of an overlay"
)
ALL = [
    "base base",
    "chart/ci/pod.yaml ci",
    "chart/crds/a.yaml crd",
    "chart/templates/more/other.yaml web-other",
    "chart/templates/pod.yaml web",
    "part part",
    "plain/pod.yaml plain",
    "prod prod-base",
]


def test_each_object_is_read_once_by_its_source(tree: Path) -> None:
    assert tree.is_dir()
    assert describe_all(read(["."])) == ALL
    assert describe_all(read([".", "chart", "base/kustomization.yaml", "plain/pod.yaml"])) == ALL


def test_component_without_base_is_read_as_files(tree: Path) -> None:
    (tree / "part" / "patch.yaml").write_text("- {op: remove, path: /spec/nothing}\n")
    (tree / "part" / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [pod.yaml]\n"
        "patches:\n- patch: |-\n" + "".join(f"    {line}\n" for line in POD.format("absent").splitlines())
    )
    assert describe_all(read(["."])) == [entry if entry != "part part" else "part/pod.yaml part" for entry in ALL]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chart/templates/pod.yaml", ["chart/templates/pod.yaml web"]),
        ("chart/templates/more", ["chart/templates/more/other.yaml web-other"]),
        ("chart/Chart.yaml", ["chart/crds/a.yaml crd", *ALL[3:5]]),
        ("prod/kustomization.yaml", ["prod prod-base"]),
        ("base/pod.yaml", ["base/pod.yaml base"]),
        ("p*/*.yaml", ["part part", "plain/pod.yaml plain", "prod prod-base"]),
        ("**/plain", ["plain/pod.yaml plain"]),
        ("nothing/**/*.yaml", ["nothing/**/*.yaml no file matches this pattern"]),
    ],
)
def test_paths_and_patterns_select_files(tree: Path, name: str, expected: list[str]) -> None:
    assert tree.is_dir()
    results = [entry for entry in describe_all(read([name])) if "patch.yaml" not in entry]
    assert results == expected


def test_values_options_reach_charts(tree: Path) -> None:
    options = HelmOptions(
        values=ChartValues(set=("name=api",)), per_chart={str(tree / "chart"): ChartValues(set=("name=never",))}
    )
    assert "chart/templates/pod.yaml api" in describe_all(read(["chart"], options=ReadOptions(helm=options)))


def test_hidden_folders_are_read_except_those_of_tools(tree: Path) -> None:
    for name in (".deploy/a.yaml", ".deploy/.more/b.yaml", ".git/c.yaml", "plain/.venv/d.yaml", ".idea/e.yaml"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(POD.format("hidden"))
    (tree / "base").rename(tree / ".base")
    (tree / "prod" / "kustomization.yaml").write_text("namePrefix: prod-\nresources: [../.base]\n")
    hidden = [".base base", ".deploy/.more/b.yaml hidden", ".deploy/a.yaml hidden"]
    assert describe_all(read(["."])) == [*hidden, *ALL[1:]]
    assert describe_all(read([".git"])) == [".git/c.yaml hidden"]


def test_exclusions_are_counted(tree: Path) -> None:
    (tree / ".kubekeepignore").write_text("plain/\n!/chart\n")
    (tree / ".kubescapeignore").write_text("/chart/ci\n")
    options = ReadOptions(exclude=("/prod", "part"))
    inputs = read(["."], options=options)
    assert describe_all(inputs) == ["base base", *ALL[2:5]]
    assert inputs.notes == ["excluded: 0 files and 4 folders"]
    assert describe_all(read(["."], options=ReadOptions(ignore_files=False))) == ALL
    (tree / ".kubekeepignore").write_text("plain/\n[\n")
    assert any(".kubekeepignore:2 " in entry for entry in describe_all(read(["."])))


def test_archive_is_read_like_its_folder(tree: Path) -> None:
    with tarfile.open("all.tar.gz", "w:gz") as archive:
        for name in ("chart", "base", "prod", "plain"):
            archive.add(name)
    with zipfile.ZipFile("plain.zip", "w") as bundle:
        bundle.write("plain/pod.yaml", "pod.yaml")
        bundle.write("chart/values.yaml", "../values.yaml")
    with tarfile.open("web-1.0.0.tgz", "w:gz") as archive:
        archive.add("chart", "web")
    packed = [f"all.tar.gz/{entry}" for entry in ALL if not entry.startswith("part")]
    assert describe_all(read([str(tree / "all.tar.gz")])) == [f"{tree}/{entry}" for entry in packed]
    assert describe_all(read(["all.tar.gz"])) == packed
    assert [entry.rpartition(" ")[2] for entry in describe_all(read(["web-1.0.0.tgz"]))] == ["crd", "web-other", "web"]
    (refused,) = describe_all(read(["plain.zip"]))
    assert refused.startswith("plain.zip ../values.yaml: ")
    (tree / ".kubekeepignore").write_text("/plain.zip\n")
    inputs = read(["."])
    assert describe_all(inputs) == ALL, "an archive is read if it is named"
    text = "not read: 2 archives (all.tar.gz, web-1.0.0.tgz); an archive in a folder is read only if it is named"
    assert inputs.notes == ["excluded: 1 file and 0 folders", f"{text} as an argument", BASES.format("base")]


def git(tree: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=tree, check=True, capture_output=True, timeout=60)


@pytest.fixture
def repository(tree: Path) -> Path:
    git(tree, "init", "-q", "-b", "main")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "Begin")
    return tree


def test_repository_is_read_by_address(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    options = ReadOptions(access=Access(environment=ENVIRONMENT))
    with read([f"file://{repository}"], options=options) as inputs:
        assert describe_all(inputs) == ALL
        note, bases = inputs.notes
        assert note.startswith(f"file://{repository}: main ")
        assert bases == BASES.format("base")
        paths = [
            inputs.find_path(result.source.path, result)
            for result in inputs
            if isinstance(result, Resource) and result.source
        ]
        assert all(Path(path).exists() for path in paths)
    assert not any(Path(path).exists() for path in paths)
    (refused,) = describe_all(read(["https://user:secret@127.0.0.1:1/owner/repo.git"], options=options))
    assert "secret" not in refused


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("chart/values.yaml", ["crd", "web", "web-other"]),
        ("base/pod.yaml", ["base", "prod-base"]),
        ("prod/kustomization.yaml", ["prod-base"]),
        ("plain/pod.yaml", ["plain"]),
        ("plain/new.yaml", ["new"]),
        ("plain/notes.txt", []),
    ],
)
def test_resources_of_a_changed_file_are_changed(repository: Path, file: str, changed: list[str]) -> None:
    path = repository / file
    path.write_text(path.read_text() + "# changed\n" if path.exists() else POD.format("new"))
    options = ReadOptions(changed_since="HEAD", access=Access(environment=ENVIRONMENT))
    inputs = read(["."], options=options)
    results = [result for result in inputs if isinstance(result, Resource)]
    assert len(results) >= len(ALL), "unchanged resources are read too"
    assert sorted(result.name for result in results if inputs.is_changed(result)) == changed


def test_file_is_changed_if_its_link_is(repository: Path) -> None:
    link = repository / "plain" / "link.yaml"
    for name in ("one", "two"):
        (repository / "plain" / f".{name}.txt").write_text(POD.format(name))
    link.symlink_to(".one.txt")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Link")
    link.unlink()
    link.symlink_to(".two.txt")
    options = ReadOptions(changed_since="HEAD", access=Access(environment=ENVIRONMENT))
    inputs = read(["."], options=options)
    results = [result for result in inputs if isinstance(result, Resource)]
    assert [result.name for result in results if inputs.is_changed(result)] == ["two"]


APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
spec:
  source:
    repoURL: https://git.example.com/shop/deploy.git
    path: {path}
    helm:
      releaseName: {name}
      valuesObject:
        name: {name}
  destination:
    namespace: {name}
"""


def test_chart_is_rendered_with_values_of_its_applications(tree: Path) -> None:
    (tree / "apps").mkdir()
    for name in ("blue", "green"):
        (tree / "apps" / f"{name}.yaml").write_text(APPLICATION.format(name=name, path="chart"))
    with read(["."]) as inputs:
        results = [result for result in inputs if isinstance(result, Resource)]
    chart = [result for result in results if result.source and result.source.path == "chart/templates/pod.yaml"]
    assert [result.name for result in chart] == ["blue", "green"], "its own values are nobody's"
    assert len({result.id for result in results}) == len(results)
    for result in chart:
        location = result.locate(("metadata", "name"))
        assert location is not None
        assert location.setting is not None
        assert (location.file, location.setting.key, str(location.setting)) == (
            "chart/templates/pod.yaml",
            "name",
            f"apps/{result.name}.yaml:12 name",
        )
    assert sorted(result.name for result in results if result.source and result.source.path.startswith("apps")) == [
        "blue",
        "green",
    ]


@pytest.mark.parametrize("form", ["folder", "repository", "archive"])
def test_values_files_of_application_have_paths_like_their_chart(
    form: str, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    git(repository, "remote", "add", "origin", f"file://{repository}")
    (repository / "apps").mkdir()
    text = APPLICATION.format(name="blue", path="chart")
    text = re.sub(r"(?m)^    repoURL: .*$", f"    repoURL: file://{repository}", text)
    text = re.sub(r"(?m)^      valuesObject:\n.*\n", "      valueFiles: [blue.yaml]\n", text)
    (repository / "apps" / "blue.yaml").write_text(text)
    (repository / "chart" / "blue.yaml").write_text("# ours\nname: blue\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "Deploy")
    bundle = tmp_path_factory.mktemp("bundle") / "shop.tar"
    git(repository, "archive", "-o", str(bundle), "HEAD")
    name, prefix = {
        "folder": (".", ""),
        "repository": (f"file://{repository}", ""),
        "archive": (str(bundle), f"{bundle}/"),
    }[form]
    with read([name], options=ReadOptions(access=Access(environment=ENVIRONMENT))) as inputs:
        results = [
            result for result in inputs if isinstance(result, Resource) and result.source and result.source.origin
        ]
        (chart,) = (result for result in results if result.name == "blue")
        location = chart.locate(("metadata", "name"))
    assert location is not None
    assert (location.file, str(location.setting)) == (
        f"{prefix}chart/templates/pod.yaml",
        f"{prefix}chart/blue.yaml:2 name",
    )


def test_deployed_folders_are_read(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "git@git.example.com:shop/deploy.git")
    (repository / "apps").mkdir()
    for name, path in (("a", "prod"), ("b", "plain"), ("c", "nowhere")):
        text = APPLICATION.format(name=name, path=path)
        (repository / "apps" / f"{name}.yaml").write_text(text[: text.index("    helm:")])
    foreign = APPLICATION.format(name="d", path="chart").replace("shop/deploy", "shop/other")
    (repository / "apps" / "d.yaml").write_text(foreign)
    options = ReadOptions(access=Access(environment=ENVIRONMENT))
    inputs = read(["apps"], options=options)
    results = describe_all(inputs)
    assert [entry for entry in results if not entry.startswith("apps")] == ["plain/pod.yaml plain", "prod prod-base"]
    assert any(entry.startswith("apps/c.yaml:8 nowhere of ") for entry in results)
    assert any(entry.startswith("apps/d.yaml:8 ") for entry in results)


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("", ["plain"]),
        ("    directory: {recurse: false}\n", ["plain"]),
        ("    directory: {recurse: true}\n", ["below", "plain"]),
    ],
)
def test_argo_reads_folders_below_only_if_recursive(repository: Path, directory: str, expected: list[str]) -> None:
    (repository / "apps").mkdir()
    text = APPLICATION.format(name="a", path="plain")
    (repository / "apps" / "a.yaml").write_text(
        text.replace(text[text.index("    helm:") : text.index("  destination")], directory)
    )
    (repository / "plain" / "inner").mkdir()
    (repository / "plain" / "inner" / "pod.yaml").write_text(POD.format("below"))
    results = read(["apps"], options=ReadOptions(access=Access(environment=ENVIRONMENT)))
    pods = [result.name for result in results if isinstance(result, Resource) and result.kind == "Pod"]
    assert sorted(pods) == expected


def test_terraform_modules_are_read(tree: Path) -> None:
    (tree / "infra").mkdir()
    (tree / "infra" / "main.tf").write_text(
        'variable "privileged" {\n  default = true\n}\n'
        'resource "kubernetes_pod_v1" "a" {\n  metadata {\n    name = "tf"\n  }\n  spec {\n    container {\n'
        '      name  = "a"\n      image = "a:1"\n      security_context {\n        privileged = var.privileged\n'
        "      }\n    }\n  }\n}\n"
    )
    with read(["infra"]) as inputs:
        (result,) = inputs
    assert isinstance(result, Resource)
    location = result.locate(("spec", "containers", 0, "securityContext", "privileged"))
    assert location is not None
    assert str(location) == "infra/main.tf:13"
    assert str(location.setting) == "infra/main.tf:2 var.privileged"
    assert describe_all(read(["infra/main.tf"])) == ["infra/main.tf tf"]


DATA_FILES = {
    "chart/ci/test-values.yaml": "kind: Deployment\nreplicas: 2\n",
    "chart/files/dashboard.json": '{"kind": "dashboard", broken',
    "chart/files/config.yaml": "kind: Config\nusers: []\n",
    "chart/conf/template.yaml": "{{- range .Values.rules }}\n- {{ . }}\n{{- end }}\n",
    "chart/provisioning/tables.yaml": "\ttabs\n",
    "chart/examples/broken.yaml": f"{POD.format('example')}---\n- a\nb: c\n",
    "chart/files/injected.yaml": POD.format("'{{ .Values.name }}'"),
}
"""Files of a chart that are no templates and no Kubernetes objects."""


def test_files_of_charts_that_are_no_templates_are_no_errors(tree: Path) -> None:
    for name, text in DATA_FILES.items():
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(text)
    inputs = read(["."])
    # Objects of such files are evaluated: nothing else would show them.
    assert describe_all(inputs) == sorted([*ALL, "chart/examples/broken.yaml example"])
    names = "chart/conf/template.yaml, chart/examples/broken.yaml, chart/files/config.yaml, …"
    advice = "Helm does not deploy files outside of templates and crds"
    note = f"not read: 6 files of charts ({names}); {advice}"
    assert [entry for entry in inputs.notes if "charts" in entry] == [note]


def test_named_file_of_a_chart_is_read_as_a_manifest(tree: Path) -> None:
    (tree / "chart/files").mkdir()
    (tree / "chart/files/config.yaml").write_text("kind: Config\n")
    (result,) = describe_all(read(["chart/files/config.yaml"]))
    assert "not a complete Kubernetes object" in result


def test_charts_and_manifests_in_folders_of_a_chart_are_read(tree: Path) -> None:
    for name in ("Chart.yaml", "values.yaml", "templates/pod.yaml"):
        path = tree / "chart/addons/more" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((tree / "chart" / name).read_text())
    (tree / "chart/addons/more/templates/broken.yaml").write_text("{{ .Values.a.b.c }}\n")
    (tree / "chart/deploy").mkdir()
    (tree / "chart/deploy/pod.yaml").write_text(POD.format("deployed"))
    results = describe_all(read(["chart"]))
    assert "chart/deploy/pod.yaml deployed" in results
    # The chart in the chart has errors of its own.
    assert [result for result in results if "cannot be rendered" in result]


def test_note_names_charts_that_are_used_as_dependencies(tree: Path) -> None:
    dependencies = "dependencies:\n- {name: web, version: '>=1', repository: 'oci://registry.test/charts'}\n"
    (tree / "shop/templates").mkdir(parents=True)
    (tree / "shop/templates/pod.yaml").write_text(POD.format("shop"))
    (tree / "shop/Chart.yaml").write_text(f"apiVersion: v2\nname: shop\nversion: 1.0.0\n{dependencies}")
    inputs = read(["shop", "chart"])
    assert {"shop/templates/pod.yaml shop", "chart/templates/pod.yaml web"} <= set(describe_all(inputs))
    assert inputs.notes == ["dependencies: 1 chart of the scanned folders used as a dependency (web 1.0.0 from chart)"]
