"""Rendered charts: the same objects as `helm template`, with template, sub-chart and values in their sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kubekeep.model.location import Position, Region
from kubekeep.model.resource import FileType, RenderOrigin
from kubekeep.sources.helm.charts import Charts
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.walk import Kind, Root
from tests.library.kubescape import SHARED
from tests.sources.helm.reading import CHARTS, KUBERNETES, OPTIONS, as_json, chart, plain, read, with_values

WHOLE = ("assets", "legacy", "many", "migration", "operator", "portable", "shop", "values", "web")
CORPORA = (
    "microservices-demo/helm-chart",
    "kubernetes-goat/scenarios/metadata-db",
    "kubernetes-goat/infrastructure/helm-tiller/pwnchart",
)


@pytest.mark.parametrize("name", WHOLE)
def test_objects_are_those_of_helm_template(name: str, renderer: str | None, helm: str) -> None:
    resources, unread = read(CHARTS / name, renderer)

    assert unread == []
    assert as_json(resources) == plain(CHARTS / name, helm)


@pytest.mark.parametrize("path", CORPORA)
def test_objects_of_public_charts_are_those_of_helm_template(path: str, renderer: str | None, helm: str) -> None:
    if not SHARED.exists():
        pytest.skip("the public charts are not here")
    folder = SHARED / "corpora" / path

    resources, unread = read(folder, renderer)

    assert unread == []
    assert as_json(resources) == plain(folder, helm)


def test_a_chart_that_helm_creates_is_read_whole(renderer: str | None, helm: str, tmp_path: Path) -> None:
    subprocess.run([helm, "create", "fresh"], cwd=tmp_path, check=True, capture_output=True)
    options = with_values(set=("ingress.enabled=true,autoscaling.enabled=true,serviceAccount.name=it",))

    resources, unread = read(tmp_path / "fresh", renderer, options)

    assert unread == []
    assert {"Deployment", "Ingress", "HorizontalPodAutoscaler", "Pod"} <= {item.kind for item in resources}
    assert as_json(resources) == plain(tmp_path / "fresh", helm, options)


@pytest.mark.parametrize("name", ["shop", "web"])
def test_a_packed_chart_gives_what_its_folder_gives(name: str, renderer: str | None, helm: str, tmp_path: Path) -> None:
    target = tmp_path / f"{name}-1.0.0.tgz"
    subprocess.run([helm, "package", CHARTS / name, "--destination", tmp_path], check=True, capture_output=True)

    resources, unread = read(target, renderer)

    assert unread == []
    assert as_json(resources) == as_json(read(CHARTS / name, renderer)[0])
    assert all(item.source is not None and item.source.path.startswith(f"{target.name}/") for item in resources)


def test_packed_subcharts_show_the_archive(renderer: str | None, helm: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(CHARTS / "shop", folder)
    subprocess.run(
        [helm, "package", folder / "charts" / "cache", "-d", folder / "charts"], check=True, capture_output=True
    )
    shutil.rmtree(folder / "charts" / "cache")

    resources, unread = read(folder, renderer)

    assert unread == []
    assert as_json(resources) == plain(CHARTS / "shop", helm)
    shown = {(item.source.path, item.source.origin) for item in resources if item.source is not None}
    template = "shop/charts/cache-1.0.0.tgz/templates/cache.yaml"
    assert (template, RenderOrigin("shop", "shop", "sessions")) in shown
    assert (template, RenderOrigin("shop", "shop", "carts")) in shown


def test_a_resource_names_its_template_and_what_it_was_made_from(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "more.yaml"
    values.write_text("tags: {queue: true}\n")
    options = with_values(files=(str(values),))

    resources, unread = read(CHARTS / "shop", renderer, options, base=CHARTS.parent)

    assert unread == []
    store = next(item for item in resources if item.kind == "PersistentVolumeClaim")
    assert store.source is not None
    assert store.source.path == "charts/shop/charts/broker/charts/store/templates/claim.yaml"
    assert store.source.base == str(CHARTS.parent)
    assert store.source.file_type is FileType.HELM
    assert store.source.origin == RenderOrigin("charts/shop", "shop", "store", (str(values),))


VALUES = {
    "set": ("a.b.c=5,a.b.e={x,y}", r"a.k\.ey=v\,w", "flag=false", "a.n=null", "long=7"),
    "set_string": ("a.s=10",),
    "set_json": ('a.b.j={"k":[1,{"l":null}]}', "f=1.5"),
}


def test_values_are_merged_in_helms_order(renderer: str | None, helm: str, tmp_path: Path) -> None:
    first, second, content = tmp_path / "first.yaml", tmp_path / "second.yaml", tmp_path / "con,tent"
    first.write_text("a: {b: {c: 2, x: first}, z: [1]}\nlong: 8\n")
    second.write_text("a: {b: {x: second}}\nflag: null\n")
    content.write_text("from a file, with = and {}\n")
    escaped = str(content).replace(",", r"\,")
    options = with_values(files=(str(first), str(second)), set_file=(f"a.file={escaped},g={escaped}",), **VALUES)

    resources, unread = read(CHARTS / "values", renderer, options)

    assert unread == []
    assert as_json(resources) == plain(CHARTS / "values", helm, options)


def test_items_of_lists_are_assigned_by_the_program(helm: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: {z: [1, 2]}\n")
    options = with_values(files=(str(values),), set=("a.z[1]=5,long=12345678",))

    assert as_json(read(CHARTS / "values", helm, options)[0]) == plain(CHARTS / "values", helm, options)


@pytest.mark.parametrize("text", ["a.z[1]=5", "long=12345678"])
def test_the_sdk_refuses_what_it_would_read_otherwise(text: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: {z: [1, 2]}\n")

    resources, unread = read(CHARTS / "values", None, with_values(files=(str(values),), set=(text,)))

    assert resources == []
    assert "needs the program helm" in unread[0].message


def test_release_namespace_and_versions_reach_the_templates(renderer: str | None, helm: str) -> None:
    options = HelmOptions(
        release="mine", namespace="there", kube_version="1.29.3", api_versions=("monitoring.example.com/v1",)
    )

    resources, unread = read(CHARTS / "portable", renderer, options)

    assert unread == []
    assert [item.api_version for item in resources] == ["autoscaling/v2beta2", "monitoring.example.com/v1"]
    assert as_json(resources) == plain(CHARTS / "portable", helm, options)


def test_values_for_one_chart_come_before_those_for_all(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "one.yaml"
    values.write_text("replicas: 7\nextraLabels: {team: a, tier: b}\n")
    mine = ChartValues(files=(str(values),))
    web = CHARTS / "web"
    options = HelmOptions(ChartValues(set=("extraLabels.team=z",)), {str(web): mine}, kube_version=KUBERNETES)

    deployment = next(item for item in read(web, renderer, options)[0] if item.kind == "Deployment")

    assert deployment.object["spec"]["replicas"] == 7
    labels = deployment.object["metadata"]["labels"]
    assert (labels["team"], labels["tier"]) == ("z", "b")
    assert deployment.source is not None
    assert deployment.source.origin is not None
    assert deployment.source.origin.values == (str(values),)


def test_a_dependency_on_a_folder_is_taken_from_there(renderer: str | None, helm: str, tmp_path: Path) -> None:
    built = tmp_path / "charts"
    shutil.copytree(CHARTS, built)
    subprocess.run([helm, "dependency", "build", built / "worker"], check=True, capture_output=True)

    resources, unread = read(CHARTS / "worker", renderer, base=CHARTS)

    assert unread == []
    assert as_json(resources) == plain(built / "worker", helm)
    assert not (CHARTS / "worker" / "charts").exists()


def test_a_library_chart_gives_nothing(renderer: str | None) -> None:
    assert read(CHARTS / "common", renderer) == ([], [])


def test_definitions_are_read_where_they_stand(renderer: str | None) -> None:
    resources, _ = read(CHARTS / "operator", renderer)

    places = {
        item.name: item.locate(("spec", "group")) for item in resources if item.kind == "CustomResourceDefinition"
    }
    assert {name: str(place) for name, place in places.items()} == {
        "databases.example.com": "operator/crds/databases.yaml:8",
        "users.example.com": "operator/crds/databases.yaml:19",
    }


def test_definitions_of_a_subchart_come_with_it(renderer: str | None, helm: str) -> None:
    options = with_values(set=("backups.enabled=true",))

    resources, unread = read(CHARTS / "operator", renderer, options)

    assert unread == []
    assert "backups.example.com" in {item.name for item in resources}
    assert as_json(resources) == plain(CHARTS / "operator", helm, options)


def test_nulls_of_charts_are_as_the_renderer_reads_them(helm: str) -> None:
    """Helm 3 keeps a null of a chart's own values and lets it delete a sub-chart's value; Helm 4 does neither."""
    three, four = (read(CHARTS / "nulls", renderer)[0] for renderer in (helm, None))

    assert as_json(three) == plain(CHARTS / "nulls", helm)
    assert [item.object["data"] for item in three] == [{"secrets": "false"}, {"empty": "true"}]
    assert sorted(str(item.object["data"]) for item in four) == ["{'empty': 'false'}", "{'secrets': 'true'}"]


def test_documents_of_a_template_are_counted(renderer: str | None) -> None:
    resources, _ = read(CHARTS / "many", renderer)

    numbers = {item.name: item.source.document for item in resources if item.source is not None}
    assert len({item.id for item in resources}) == len(resources)
    assert numbers["one"] == numbers["two"]
    assert len({numbers[name] for name in ("a", "b", "c", "one")}) == 4


def test_many_charts_come_in_order_and_one_failure_stops_none(renderer: str | None, tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Chart.Name }}\n"
    roots = []
    for number in range(8):
        text = template if number != 3 else '{{ fail "this one does not" }}'
        folder = chart(
            tmp_path / f"c{number}", {"templates/a.yaml": text}, f"apiVersion: v2\nname: c{number}\nversion: 1.0.0\n"
        )
        roots.append(Root(Kind.CHART, str(folder), folder.name, str(tmp_path)))

    with Charts(OPTIONS, helm=renderer) as charts:
        found = [getattr(item, "name", "") or getattr(item, "message", "") for item in charts.read(iter(roots))]

    failed = "the chart does not render: this one does not"
    assert found == ["c0", "c1", "c2", failed, "c4", "c5", "c6", "c7"]


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
    "wrong-version": ("Chart.yaml", (5, 5), "asks for version ^1.0.0, file://../../common has 0.3.1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_render_is_said_at_the_line(name: str, renderer: str | None) -> None:
    file, place, message = BROKEN[name]

    resources, unread = read(CHARTS / "broken" / name, renderer, base=CHARTS)

    assert resources == []
    assert len(unread) == 1
    assert unread[0].location.file == f"broken/{name}/{file}"
    region = unread[0].location.region
    assert (region and (region.start.line, region.start.column)) == place
    assert message in unread[0].message
    assert tempfile.gettempdir() not in unread[0].message


def test_a_missing_dependency_names_the_command_that_fetches_it(renderer: str | None) -> None:
    _, unread = read(CHARTS / "broken" / "missing-dependency", renderer)

    assert "helm dependency build" in unread[0].message


def test_a_schema_is_held_against_the_option_too(renderer: str | None) -> None:
    _, unread = read(CHARTS / "web", renderer, with_values(set=("replicas=0",)))

    assert unread[0].location.file == "--set"
    assert "minimum" in unread[0].message


def test_without_any_helm_each_chart_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005 - as if the extra were not there

    resources, unread = read(CHARTS / "web", None)

    assert resources == []
    assert unread[0].location.file == "web/Chart.yaml"
    assert "pip install 'kubekeep[helm]'" in unread[0].message


def test_a_helm_that_does_not_work_makes_room_for_the_sdk() -> None:
    resources, unread = read(CHARTS / "web", sys.executable)

    assert unread == []
    assert len(resources) == 4


@pytest.mark.parametrize(
    ("options", "file", "message"),
    [
        (with_values(files=("nowhere.yaml",)), "nowhere.yaml", "no such file"),
        (
            with_values(files=("https://example.com/values.yaml",)),
            "https://example.com/values.yaml",
            "only files are read",
        ),
        (with_values(files=("-",)), "-", "only files are read"),
        (with_values(set_file=("a=/dev/zero",)), "/dev/zero", "not a regular file"),
        (with_values(set_json=("a={",)), "--set-json", "failed parsing"),
        (with_values(set=("novalue",)), "--set", "key 'novalue' has no value"),
    ],
)
def test_values_that_cannot_be_read_are_said(
    options: HelmOptions, file: str, message: str, renderer: str | None
) -> None:
    resources, unread = read(CHARTS / "web", renderer, options)

    assert resources == []
    assert unread[0].location.file == file
    assert message in unread[0].message


def test_a_values_file_that_is_no_mapping_is_named_with_its_line(renderer: str | None, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: 1\nb: [\n")

    _, unread = read(CHARTS / "web", renderer, with_values(files=(str(values),)))

    assert unread[0].location.file == str(values)
    assert unread[0].location.region == Region(Position(3, 1), Position(3, 1))
