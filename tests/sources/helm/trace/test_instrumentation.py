"""Traces without instrumented output, with output that differs, and of charts that are not enabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.location import Location, parse_path
from kubekeep.sources.helm.trace import ChartTexts, Instrumentation
from tests.sources.helm.trace.charts import (
    get_reference_documents,
    helm_template,
    load_texts,
    parse_document,
    render_instrumented,
    trace_chart,
)
from tests.sources.helm.trace.test_styles import write_chart

_POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pod\nspec:\n"


def test_without_instrumentation_only_file_is_known() -> None:
    chart = ChartTexts(
        {"shop/templates/a.yaml": "{{ toYaml .Values }}\n"}, [], {"shop/templates/a.yaml": "templates/a.yaml"}
    )
    ((trace,),) = Instrumentation(chart).build_traces({"shop/templates/a.yaml": ["a: 1\n"]}).values()
    value, source_map = parse_document("a: 1\n")
    assert trace.build_source_map(source_map).locate(value, ("a",)) == Location("templates/a.yaml")


def test_unknown_template_is_located_in_its_file() -> None:
    ((trace,),) = Instrumentation(ChartTexts({}, [], {})).build_traces({"shop/templates/b.yaml": ["a: 1\n"]}).values()
    value, source_map = parse_document("a: 1\n")
    assert trace.build_source_map(source_map).locate(value, ("a",)) == Location("shop/templates/b.yaml")


def test_template_without_actions_is_not_instrumented() -> None:
    text = "# head\n---\na: 1\n---\nb:\n  - c: 2\n"
    instrumentation = Instrumentation(ChartTexts({"shop/templates/a.yaml": text}, [], {}))
    assert instrumentation.files == {}
    first, second = instrumentation.build_traces({"shop/templates/a.yaml": ["b:\n  - c: 2\n", "a: 1\n"]})[
        "shop/templates/a.yaml"
    ]
    value, source_map = parse_document("b:\n  - c: 2\n")
    assert str(first.build_source_map(source_map).locate(value, ("b", 0, "c"))) == "shop/templates/a.yaml:6"
    value, source_map = parse_document("a: 1\n")
    assert str(second.build_source_map(source_map).locate(value, ("a", "none"))) == "shop/templates/a.yaml:3"


def test_invalid_template_is_not_instrumented() -> None:
    chart = ChartTexts({"shop/templates/a.yaml": "a: {{ .Values.a", "shop/templates/b.yaml": "b: {{ 1 }}"}, [], {})
    (added,) = Instrumentation(chart).files.values()
    assert ".Values.a" not in added


def test_copies_are_spread_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "values.yaml": "v: 1\n"}
    files |= {f"templates/{number}.yaml": _POD + "  v: {{ .Values.v }}\n" for number in range(4)}
    (tmp_path / "chart").mkdir()
    folder = write_chart(tmp_path / "chart", files)
    monkeypatch.setattr("kubekeep.sources.helm.trace.instrumentation.MAX_FILE_BYTES", 1000)
    assert len(Instrumentation(load_texts(folder)).files) > 1
    documents = trace_chart(folder, tmp_path / "copy")
    settings = [document.locate("spec", "v").setting for document in documents]
    assert [setting.key for setting in settings if setting is not None] == ["v", "v", "v", "v"]


def test_instrumentation_is_rendered_last(tmp_path: Path) -> None:
    """Values changed by the instrumented copies do not affect the chart's own templates."""
    folder = write_chart(
        tmp_path,
        {
            "values.yaml": "count: x\n",
            "templates/!a.yaml": _POD + "  a: {{ .Values.count }}\n",
            "templates/z.yaml": '{{- $_ := set .Values "count" (printf "%sx" .Values.count) }}\n'
            + _POD
            + "  z: {{ .Values.count }}\n",
        },
    )
    instrumentation, outputs = render_instrumented(folder, tmp_path / "copy")
    plain = get_reference_documents(folder)
    assert {name: texts for name, texts in outputs.items() if name not in instrumentation.files} == plain
    # In the instrumented copy the count differs, but lines are the same.
    locations = {
        document.template: document.locate("spec", "z") for document in trace_chart(folder, tmp_path / "other")
    }
    assert str(locations["shop/templates/z.yaml"]) == "templates/z.yaml:7"


@pytest.mark.parametrize("off", ["one", "two", "three"])
def test_definition_of_disabled_chart_is_not_located(tmp_path: Path, off: str) -> None:
    names = ("one", "two", "three")
    lines = "".join(f"- {{name: {name}, version: 1.0.0, condition: {name}.enabled}}\n" for name in names)
    files = {
        "Chart.yaml": f"apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n{lines}",
        "values.yaml": f"{off}: {{enabled: false}}\n",
        "templates/a.yaml": _POD + '  {{- include "part" . | nindent 2 }}\n',
    }
    for name in names:
        files[f"charts/{name}/Chart.yaml"] = f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n"
        files[f"charts/{name}/templates/_part.tpl"] = f'{{{{ define "part" -}}}}\nfrom: {name}\n{{{{- end }}}}\n'
    folder = write_chart(tmp_path, files)
    (document,) = trace_chart(folder, tmp_path / "copy")
    used_chart = document.value["spec"]["from"]
    assert used_chart != off
    assert document.locate("spec", "from").file in {f"charts/{used_chart}/templates/_part.tpl", "templates/a.yaml"}


def test_disabled_alias_keeps_file_of_enabled_alias(tmp_path: Path) -> None:
    folder = write_chart(
        tmp_path,
        {
            "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n"
            "- {name: sub, version: 1.0.0, alias: one, condition: one.enabled}\n- {name: sub, version: 1.0.0, alias: two}\n",
            "values.yaml": "one: {enabled: false}\n",
            "charts/sub/Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n",
            "charts/sub/templates/_part.tpl": '{{ define "part" -}}\nlit: 1\n{{- end }}\n',
            "charts/sub/templates/a.yaml": _POD + '  {{- include "part" . | nindent 2 }}\n',
        },
    )
    (document,) = trace_chart(folder, tmp_path / "copy")
    assert str(document.locate("spec", "lit")) == "charts/sub/templates/_part.tpl:2"


def test_random_values_do_not_move_lines(tmp_path: Path) -> None:
    folder = write_chart(
        tmp_path,
        {
            "values.yaml": "name: web\n",
            "templates/a.yaml": _POD
            + '  key: {{ randAlphaNum 12 }}\n  {{- $ca := genCA "x" 1 }}\n  cert: |\n{{ $ca.Cert | indent 4 }}\n  name: {{ .Values.name }}\n',
        },
    )
    (document,) = trace_chart(folder, tmp_path / "copy")
    assert str(document.locate("spec", "key")) == "templates/a.yaml:6"
    last = document.locate("spec", "name")
    assert (str(last), str(last.setting)) == ("templates/a.yaml:10", "values.yaml:1 name")


@pytest.mark.parametrize(
    "loop",
    [
        '{{- range until 16 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
        "{{- range until 200 }}{{ $x = list $x $x }}{{ end }}",
        "{{- range until 3000 }}{{ $x = list $x }}{{ end }}",
        '{{- range until 12 }}{{ $x = dict "a" $x "b" (dict "c" $x) }}{{ $x = merge (dict "d" $x) $x }}{{ end }}',
        "{{- range until 60 }}{{ $x = default $x (coalesce $x $.Values.y $x) }}{{ end }}",
        "{{- range until 14 }}{{ $x = concat (list $x) (list $x | uniq) $.Values.z }}{{ end }}",
    ],
)
def test_growing_values_are_bounded(tmp_path: Path, loop: str) -> None:
    text = f'{{{{- $x := "ab" }}}}{loop}\n{_POD}  x: {{{{ kindOf $x }}}}\n  y: {{{{ .Values.y }}}}\n'
    folder = write_chart(tmp_path, {"templates/a.yaml": text, "values.yaml": "y: 1\nz: [1, 2]\n"})
    (document,) = trace_chart(folder, tmp_path / "copy")
    assert str(document.locate("spec", "x")) == "templates/a.yaml:7"
    assert str(document.locate("spec", "name")) == "templates/a.yaml:6"


def test_line_ends_and_unicode(tmp_path: Path) -> None:
    folder = write_chart(
        tmp_path,
        {"templates/a.yaml": _POD.replace("\n", "\r\n") + "  é: {{ `⠿` }} # ⡿\r\n  b: {{ .Release.Name }}\r\n"},
    )
    (document,) = trace_chart(folder, tmp_path / "copy")
    assert str(document.locate("spec", "b")) == "templates/a.yaml:7"
    assert document.locate("spec", "é").region is not None
    assert load_texts(folder).templates["shop/templates/a.yaml"]


def test_without_instrumentation_literal_lines_are_located(tmp_path: Path) -> None:
    folder = write_chart(
        tmp_path,
        {
            "values.yaml": "ports: [{name: a, number: 1}, {name: b, number: 2}]\nblock: {x: 1}\n",
            "templates/a.yaml": """
                {{- if .Values.never }}
                apiVersion: v1
                kind: Service
                metadata:
                  name: other
                ---
                {{- end }}
                apiVersion: v1
                kind: Pod
                metadata:
                  name: {{ .Release.Name }}
                spec:
                  hostNetwork: true
                  ports:
                  {{- range .Values.ports }}
                    - name: {{ .name }}
                      number: {{ .number }}
                  {{- end }}
                  block:
                    {{- toYaml .Values.block | nindent 4 }}
                """,
        },
    )
    outputs = helm_template(folder)
    ((trace,),) = Instrumentation(load_texts(folder)).build_traces(outputs).values()
    value, source_map = parse_document(outputs["shop/templates/a.yaml"][0])
    locations = {path: trace.build_source_map(source_map).locate(value, parse_path(path)) for path in _LINES}
    assert {
        path: location.region.start.line if location.region else 0 for path, location in locations.items()
    } == _LINES
    assert {location.file for location in locations.values()} == {"templates/a.yaml"}


_LINES = {
    "kind": 9,
    "metadata.name": 11,
    "spec.hostNetwork": 13,
    "spec.ports[1].number": 17,
    "spec.ports[0].missing": 16,
    "spec.block": 19,
    "spec.block.x": 0,
}


@pytest.mark.parametrize(
    "made", ["e2a081e2a0bf", "e2a082e2a0bfe2a083e2a0bf", "e2a084e2a090", "e2a085e2a09078e2a086", "e2a083e2a090"]
)
def test_values_resembling_markers(tmp_path: Path, made: str) -> None:
    fake = bytes.fromhex(made).decode()
    folder = write_chart(
        tmp_path,
        {
            "values.yaml": f'bad: "{fake * 3}"\ngood: 1\n',
            "templates/a.yaml": _POD + "  a: {{ .Values.bad | quote }}\n  b: {{ .Values.good }}\n",
        },
    )
    (document,) = trace_chart(folder, tmp_path / "copy")
    assert document.value["spec"]["a"] == fake * 3
    assert document.locate("spec", "a").file == "templates/a.yaml"
    location = document.locate("spec", "b")
    assert str(location) == "templates/a.yaml:7"


def test_nested_charts(tmp_path: Path) -> None:
    def chart(name: str, more: str = "") -> str:
        return f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n{more}"

    folder = write_chart(
        tmp_path,
        {
            "Chart.yaml": chart("shop", "dependencies:\n- {name: data-base, version: 1.0.0}\n"),
            "values.yaml": "global:\n  zone: eu\ndata-base:\n  side-car:\n    tag: '7'\n",
            "charts/data-base/Chart.yaml": chart(
                "data-base", "dependencies:\n- {name: lib, version: 1.0.0, alias: side-car}\n"
            ),
            "charts/data-base/values.yaml": "side-car:\n  tag: '6'\n  port: 1\n",
            "charts/data-base/charts/lib/Chart.yaml": chart("lib"),
            "charts/data-base/charts/lib/values.yaml": "tag: '5'\nport: 0\nname: lib\n",
            "charts/data-base/charts/lib/templates/a.yaml": _POD
            + "  tag: {{ .Values.tag }}\n  port: {{ .Values.port }}\n  own: {{ .Values.name }}\n"
            + "  zone: {{ .Values.global.zone }}\n  file: {{ .Template.Name }}\n",
            "templates/b.yaml": _POD.replace("pod", "other")
            + '  image: {{ index .Subcharts "data-base" "Values" "side-car" "tag" }}\n',
        },
    )
    below, above = sorted(trace_chart(folder, tmp_path / "copy"), key=lambda document: document.template)
    where = "charts/data-base/charts/lib"
    locations = {step: below.locate("spec", step) for step in ("tag", "port", "own", "zone", "file")}
    assert {step: f"{location} {location.setting}" for step, location in locations.items()} == {
        "tag": f"{where}/templates/a.yaml:6 values.yaml:5 data-base.side-car.tag",
        "port": f"{where}/templates/a.yaml:7 charts/data-base/values.yaml:3 side-car.port",
        "own": f"{where}/templates/a.yaml:8 {where}/values.yaml:3 name",
        "zone": f"{where}/templates/a.yaml:9 values.yaml:2 global.zone",
        "file": f"{where}/templates/a.yaml:10 None",
    }
    assert str(above.locate("spec", "image").setting) == "values.yaml:5 data-base.side-car.tag"
