"""Rendered charts: same objects as `helm template`, with template, sub-chart and values files in their origins."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.source import RenderOrigin
from kubekeep.sources.helm.names import HELM
from kubekeep.sources.helm.reader import ChartReader
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.source import Root
from tests.library.kubescape import SHARED
from tests.sources.helm.reading import (
    CHARTS,
    KUBERNETES,
    OPTIONS,
    as_json,
    build_options,
    list_errors,
    read_chart,
    render_plain,
    write_chart,
)

CHART_NAMES = ("assets", "legacy", "many", "migration", "operator", "portable", "shop", "values", "web")
CORPORA = (
    "microservices-demo/helm-chart",
    "kubernetes-goat/scenarios/metadata-db",
    "kubernetes-goat/infrastructure/helm-tiller/pwnchart",
)


@pytest.mark.parametrize("name", CHART_NAMES)
def test_objects_equal_helm_template(name: str, renderer: str | None, helm: str) -> None:
    resources, unread = read_chart(CHARTS / name, renderer)

    assert list_errors(unread) == []
    assert as_json(resources) == render_plain(CHARTS / name, helm)


@pytest.mark.parametrize("path", CORPORA)
def test_objects_of_public_charts_equal_helm_template(path: str, renderer: str | None, helm: str) -> None:
    if not SHARED.exists():
        pytest.skip("the public charts are not here")
    folder = SHARED / "corpora" / path

    resources, unread = read_chart(folder, renderer)

    assert unread == []
    assert as_json(resources) == render_plain(folder, helm)


def test_helm_create_chart_is_read(renderer: str | None, helm: str, tmp_path: Path) -> None:
    subprocess.run([helm, "create", "fresh"], cwd=tmp_path, check=True, capture_output=True)
    options = build_options(set=("ingress.enabled=true,autoscaling.enabled=true,serviceAccount.name=it",))

    resources, unread = read_chart(tmp_path / "fresh", renderer, options)

    assert unread == []
    assert {"Deployment", "Ingress", "HorizontalPodAutoscaler", "Pod"} <= {resource.kind for resource in resources}
    assert as_json(resources) == render_plain(tmp_path / "fresh", helm, options)


@pytest.mark.parametrize("name", ["shop", "web"])
def test_packed_chart_equals_folder(name: str, renderer: str | None, helm: str, tmp_path: Path) -> None:
    target = tmp_path / f"{name}-1.0.0.tgz"
    subprocess.run([helm, "package", CHARTS / name, "--destination", tmp_path], check=True, capture_output=True)

    resources, unread = read_chart(target, renderer)

    assert unread == []
    assert as_json(resources) == as_json(read_chart(CHARTS / name, renderer)[0])
    assert all(
        resource.source is not None and resource.source.path.startswith(f"{target.name}/") for resource in resources
    )


def test_packed_subchart_paths_include_archive(renderer: str | None, helm: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(CHARTS / "shop", folder)
    subprocess.run(
        [helm, "package", folder / "charts" / "cache", "-d", folder / "charts"], check=True, capture_output=True
    )
    shutil.rmtree(folder / "charts" / "cache")

    resources, unread = read_chart(folder, renderer)

    assert unread == []
    assert as_json(resources) == render_plain(CHARTS / "shop", helm)
    origins = {(resource.source.path, resource.source.origin) for resource in resources if resource.source is not None}
    template = "shop/charts/cache-1.0.0.tgz/templates/cache.yaml"
    assert (template, RenderOrigin("shop", "shop", "sessions")) in origins
    assert (template, RenderOrigin("shop", "shop", "carts")) in origins


def test_resource_has_template_and_origin(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "more.yaml"
    values.write_text("tags: {queue: true}\n")
    options = build_options(files=(str(values),))

    resources, unread = read_chart(CHARTS / "shop", renderer, options, base=CHARTS.parent)

    assert unread == []
    store = next(resource for resource in resources if resource.kind == "PersistentVolumeClaim")
    assert store.source is not None
    assert store.source.path == "charts/shop/charts/broker/charts/store/templates/claim.yaml"
    assert store.source.base == str(CHARTS.parent)
    assert store.source.file_type is HELM
    assert store.source.origin == RenderOrigin("charts/shop", "shop", "store", (str(values),))


VALUES = {
    "set": ("a.b.c=5,a.b.e={x,y}", r"a.k\.ey=v\,w", "flag=false", "a.n=null", "long=7"),
    "set_string": ("a.s=10",),
    "set_json": ('a.b.j={"k":[1,{"l":null}]}', "f=1.5"),
}


def test_values_are_merged_in_helm_order(renderer: str | None, helm: str, tmp_path: Path) -> None:
    first, second, content = tmp_path / "first.yaml", tmp_path / "second.yaml", tmp_path / "con,tent"
    first.write_text("a: {b: {c: 2, x: first}, z: [1]}\nlong: 8\n")
    second.write_text("a: {b: {x: second}}\nflag: null\n")
    content.write_text("from a file, with = and {}\n")
    escaped = str(content).replace(",", r"\,")
    options = build_options(files=(str(first), str(second)), set_file=(f"a.file={escaped},g={escaped}",), **VALUES)

    resources, unread = read_chart(CHARTS / "values", renderer, options)

    assert unread == []
    assert as_json(resources) == render_plain(CHARTS / "values", helm, options)


def test_program_assigns_list_items(helm: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: {z: [1, 2]}\n")
    options = build_options(files=(str(values),), set=("a.z[1]=5,long=12345678",))

    assert as_json(read_chart(CHARTS / "values", helm, options)[0]) == render_plain(CHARTS / "values", helm, options)


@pytest.mark.parametrize("text", ["a.z[1]=5", "long=12345678"])
def test_sdk_rejects_ambiguous_assignments(text: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: {z: [1, 2]}\n")

    resources, unread = read_chart(CHARTS / "values", None, build_options(files=(str(values),), set=(text,)))

    assert resources == []
    assert "requires the program helm" in unread[0].message


def test_release_options_reach_templates(renderer: str | None, helm: str) -> None:
    options = HelmOptions(
        release="mine", namespace="there", kube_version="1.29.3", api_versions=("monitoring.example.com/v1",)
    )

    resources, unread = read_chart(CHARTS / "portable", renderer, options)

    assert list_errors(unread) == []
    assert [str(part.location) for part in unread] == ["portable/templates/autoscaler.yaml:15"], "hidden by lookup"
    assert [resource.api_version for resource in resources] == ["autoscaling/v2beta2", "monitoring.example.com/v1"]
    assert as_json(resources) == render_plain(CHARTS / "portable", helm, options)


def test_values_for_one_chart_are_weaker_than_values_for_all(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "one.yaml"
    values.write_text("replicas: 7\nextraLabels: {team: a, tier: b}\n")
    chart_values = ChartValues(files=(str(values),))
    web = CHARTS / "web"
    options = HelmOptions(ChartValues(set=("extraLabels.team=z",)), {str(web): chart_values}, kube_version=KUBERNETES)

    deployment = next(resource for resource in read_chart(web, renderer, options)[0] if resource.kind == "Deployment")

    assert deployment.object["spec"]["replicas"] == 7
    labels = deployment.object["metadata"]["labels"]
    assert (labels["team"], labels["tier"]) == ("z", "b")
    assert deployment.source is not None
    assert deployment.source.origin is not None
    assert deployment.source.origin.values == (str(values),)


def test_local_dependency_is_loaded(renderer: str | None, helm: str, tmp_path: Path) -> None:
    copy = tmp_path / "charts"
    shutil.copytree(CHARTS, copy)
    subprocess.run([helm, "dependency", "build", copy / "worker"], check=True, capture_output=True)

    resources, unread = read_chart(CHARTS / "worker", renderer, base=CHARTS)

    assert unread == []
    assert as_json(resources) == render_plain(copy / "worker", helm)
    assert not (CHARTS / "worker" / "charts").exists()


def test_library_chart_has_no_resources(renderer: str | None) -> None:
    assert read_chart(CHARTS / "common", renderer) == ([], [])


def test_custom_resource_definitions_are_located(renderer: str | None) -> None:
    resources, _ = read_chart(CHARTS / "operator", renderer)

    locations = {
        resource.name: resource.locate(("spec", "group"))
        for resource in resources
        if resource.kind == "CustomResourceDefinition"
    }
    assert {name: str(location) for name, location in locations.items()} == {
        "databases.example.com": "operator/crds/databases.yaml:8",
        "users.example.com": "operator/crds/databases.yaml:19",
    }


def test_enabled_subchart_adds_custom_resource_definitions(renderer: str | None, helm: str) -> None:
    options = build_options(set=("backups.enabled=true",))

    resources, unread = read_chart(CHARTS / "operator", renderer, options)

    assert unread == []
    assert "backups.example.com" in {resource.name for resource in resources}
    assert as_json(resources) == render_plain(CHARTS / "operator", helm, options)


def test_null_values_depend_on_helm_version(helm: str) -> None:
    """Helm 3 keeps a null of a chart's own values, which can delete a sub-chart's value; Helm 4 does neither."""
    helm3_resources, helm4_resources = (read_chart(CHARTS / "nulls", renderer)[0] for renderer in (helm, None))

    assert as_json(helm3_resources) == render_plain(CHARTS / "nulls", helm)
    assert [resource.object["data"] for resource in helm3_resources] == [{"secrets": "false"}, {"empty": "true"}]
    assert sorted(str(resource.object["data"]) for resource in helm4_resources) == [
        "{'empty': 'false'}",
        "{'secrets': 'true'}",
    ]


def test_documents_of_template_are_numbered(renderer: str | None) -> None:
    resources, _ = read_chart(CHARTS / "many", renderer)

    numbers = {resource.name: resource.source.document for resource in resources if resource.source is not None}
    assert len({resource.id for resource in resources}) == len(resources)
    assert numbers["one"] == numbers["two"]
    assert len({numbers[name] for name in ("a", "b", "c", "one")}) == 4


def test_failed_chart_does_not_stop_others(renderer: str | None, tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Chart.Name }}\n"
    roots = []
    for number in range(8):
        text = template if number != 3 else '{{ fail "this one does not" }}'
        folder = write_chart(
            tmp_path / f"c{number}", {"templates/a.yaml": text}, f"apiVersion: v2\nname: c{number}\nversion: 1.0.0\n"
        )
        roots.append(Root("helm", str(folder), folder.name, str(tmp_path)))

    with ChartReader(OPTIONS, helm=renderer) as charts:
        outcomes = [
            getattr(result, "name", "") or getattr(result, "message", "") for result in charts.read(iter(roots))
        ]

    failed = "the chart cannot be rendered: this one does not"
    assert outcomes == ["c0", "c1", "c2", failed, "c4", "c5", "c6", "c7"]


BROKEN = {
    "required": ("templates/it.yaml", (4, 12), "a name must be given"),
    "nothing-there": ("templates/it.yaml", (4, 19), "nil pointer evaluating interface {}.deep"),
    "syntax": ("templates/it.yaml", (4, 1), "missing value for if"),
    "unknown-function": ("templates/it.yaml", (3, 1), 'function "nofunction" not defined'),
    "not-yaml": ("templates/it.yaml", (5, 2), "yaml: did not find expected key"),
    "schema": ("values.yaml", (3, 1), "got string, want integer"),
    "values": ("values.yaml", (3, 4), "cannot load values.yaml"),
    "missing-dependency": ("Chart.yaml", (5, 5), "missing in charts/ directory: common"),
    "kube-version": ("Chart.yaml", None, "chart requires kubeVersion: >=99.0.0"),
    "not-yaml-in-a-helper": ("templates/_parts.tpl", (4, 2), "YAML parse error"),
    "in-helper": ("templates/it.yaml", (4, 6), "no labels today"),
    "wrong-version": ("Chart.yaml", (5, 5), "requires version ^1.0.0, file://../../common has 0.3.1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_render_error_is_located(name: str, renderer: str | None) -> None:
    file, position, message = BROKEN[name]

    resources, unread = read_chart(CHARTS / "broken" / name, renderer, base=CHARTS)

    assert resources == []
    assert len(unread) == 1
    assert unread[0].location.file == f"broken/{name}/{file}"
    region = unread[0].location.region
    assert (region and (region.start.line, region.start.column)) == position
    assert message in unread[0].message
    assert tempfile.gettempdir() not in unread[0].message


def test_missing_dependency_names_command(renderer: str | None) -> None:
    _, unread = read_chart(CHARTS / "broken" / "missing-dependency", renderer)

    assert "helm dependency build" in unread[0].message


def test_schema_applies_to_options(renderer: str | None) -> None:
    _, unread = read_chart(CHARTS / "web", renderer, build_options(set=("replicas=0",)))

    assert unread[0].location.file == "--set"
    assert "minimum" in unread[0].message


def test_without_helm_chart_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005 - as if the extra were not there

    resources, unread = read_chart(CHARTS / "web", None)

    assert resources == []
    assert unread[0].location.file == "web/Chart.yaml"
    assert "pip install 'kubekeep[helm]'" in unread[0].message


def test_sdk_replaces_broken_program() -> None:
    resources, unread = read_chart(CHARTS / "web", sys.executable)

    assert unread == []
    assert len(resources) == 4


@pytest.mark.parametrize(
    ("options", "file", "message"),
    [
        (build_options(files=("nowhere.yaml",)), "nowhere.yaml", "no such file"),
        (
            build_options(files=("https://example.com/values.yaml",)),
            "https://example.com/values.yaml",
            "only local files are supported",
        ),
        (build_options(files=("-",)), "-", "only local files are supported"),
        (build_options(set_file=("a=/dev/zero",)), "/dev/zero", "not a regular file"),
        (build_options(set_json=("a={",)), "--set-json", "failed parsing"),
        (build_options(set=("novalue",)), "--set", "key 'novalue' has no value"),
    ],
)
def test_unreadable_values_are_reported(options: HelmOptions, file: str, message: str, renderer: str | None) -> None:
    resources, unread = read_chart(CHARTS / "web", renderer, options)

    assert resources == []
    assert unread[0].location.file == file
    assert message in unread[0].message


def test_invalid_values_file_is_located(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: 1\nb: [\n")

    _, unread = read_chart(CHARTS / "web", renderer, build_options(files=(str(values),)))

    assert unread[0].location.file == str(values)
    assert unread[0].location.region == Region(Position(3, 1), Position(3, 1))


POD = "apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\n"


def _write_parent(folder: Path, entry: str, values: str = "", metadata: str = "apiVersion: v2") -> Path:
    write_chart(folder, {"templates/pod.yaml": POD.format("parent"), "values.yaml": values})
    text = f"{metadata}\nname: parent\nversion: 1.0.0\n"
    dependencies = f"dependencies:\n- {{name: redis, version: ~2.1.0, repository: 'https://charts.test', {entry}}}\n"
    is_old = metadata.endswith("v1")
    (folder / "Chart.yaml").write_text(text if is_old else text + dependencies)
    if is_old:
        (folder / "requirements.yaml").write_text(dependencies)
    return folder


SWITCHED_OFF = {
    "condition": ("condition: redis.enabled", "redis: {enabled: false}"),
    "alias": ("alias: cache, condition: cache.enabled", "cache: {enabled: false}"),
    "first boolean of a condition": ("condition: 'a.b,redis.enabled'", "a: {b: text}\nredis: {enabled: false}"),
    "tag": ("tags: [backend]", "tags: {backend: false}"),
    "condition before tags": (
        "tags: [backend], condition: redis.enabled",
        "tags: {backend: true}\nredis: {enabled: false}",
    ),
}
SWITCHED_ON = {
    "condition": ("condition: redis.enabled", "redis: {enabled: true}"),
    "condition without a value": ("condition: redis.enabled", ""),
    "text": ("condition: redis.enabled", "redis: {enabled: 'false'}"),
    "one tag": ("tags: [backend, other]", "tags: {backend: false, other: true}"),
    "tag without a value": ("tags: [backend]", "tags: {front: false}"),
    "condition before tags": (
        "tags: [backend], condition: redis.enabled",
        "tags: {backend: false}\nredis: {enabled: true}",
    ),
    "no condition": ("alias: cache", "cache: {enabled: false}"),
}


@pytest.mark.parametrize("metadata", ["apiVersion: v2", "apiVersion: v1"])
@pytest.mark.parametrize("name", SWITCHED_OFF)
def test_missing_dependency_that_is_switched_off_is_not_needed(
    name: str, metadata: str, renderer: str | None, tmp_path: Path
) -> None:
    chart = _write_parent(tmp_path / "parent", *SWITCHED_OFF[name], metadata=metadata)
    resources, unread = read_chart(chart, renderer)
    assert ([resource.name for resource in resources], unread) == (["parent"], [])


@pytest.mark.parametrize("name", SWITCHED_ON)
def test_missing_dependency_that_is_switched_on_is_not_read(name: str, renderer: str | None, tmp_path: Path) -> None:
    chart = _write_parent(tmp_path / "parent", *SWITCHED_ON[name])
    resources, unread = read_chart(chart, renderer)
    assert resources == []
    assert "missing in charts/ directory: redis; run `helm dependency build parent`" in unread[0].message


def test_options_switch_dependencies(renderer: str | None, tmp_path: Path) -> None:
    chart = _write_parent(tmp_path / "parent", *SWITCHED_ON["condition"])
    resources, unread = read_chart(chart, renderer, build_options(set=("redis.enabled=false",)))
    assert ([resource.name for resource in resources], unread) == (["parent"], [])
    _, unread = read_chart(
        _write_parent(tmp_path / "off", *SWITCHED_OFF["condition"]),
        renderer,
        build_options(set=("redis.enabled=true",)),
    )
    assert len(unread) == 1


def _read_all(charts: list[Path], helm: str | None) -> tuple[list[str], list[UnreadInput], dict[str, str]]:
    """Return the names of resources, unread inputs and used dependencies of charts of one scan."""
    base = charts[0].parent
    roots = [Root("helm", str(chart), str(chart.relative_to(base)), str(base)) for chart in charts]
    with ChartReader(OPTIONS, helm=helm, scanned=roots) as reader:
        results = list(reader.read(roots[:1]))
    names = [result.name for result in results if isinstance(result, Resource)]
    return names, [result for result in results if isinstance(result, UnreadInput)], reader.used_dependencies


def _write_redis(folder: Path, version: str) -> Path:
    write_chart(folder, {"templates/pod.yaml": POD.format(f"redis-{version}")})
    (folder / "Chart.yaml").write_text(f"apiVersion: v2\nname: redis\nversion: {version}\n")
    return folder


def test_missing_dependency_is_read_from_the_scan_in_a_fitting_version(renderer: str | None, tmp_path: Path) -> None:
    parent = _write_parent(tmp_path / "parent", "alias: cache")
    versions = ("2.0.9", "2.1.4", "2.1.12", "2.1.13-rc.1", "2.2.0")
    redis = [_write_redis(tmp_path / f"redis{number}", version) for number, version in enumerate(versions)]
    names, unread, used = _read_all([parent, *redis], renderer)
    assert (sorted(names), unread, used) == (["parent", "redis-2.1.12"], [], {"redis 2.1.12": "redis2"})
    names, unread, used = _read_all([parent, redis[0], redis[4]], renderer)
    assert (names, len(unread), used) == ([], 1, {})


def test_chart_is_no_dependency_of_itself(renderer: str | None, tmp_path: Path) -> None:
    chart = write_chart(tmp_path / "redis", {"templates/pod.yaml": POD.format("redis")})
    dependencies = "dependencies:\n- {name: redis, version: '*', repository: 'https://charts.test'}\n"
    (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: redis\nversion: 1.0.0\n{dependencies}")
    names, unread, _ = _read_all([chart], renderer)
    assert (names, len(unread)) == ([], 1)
