"""Template idioms one by one: line of the template, and setting as `line of values.yaml key`."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.location import parse_path
from tests.sources.helm.trace.charts import trace_chart
from tests.sources.helm.trace.test_styles import write_chart

_HEAD = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: thing\nspec:\n"

_IDIOMS: list[tuple[str, str, str, dict[str, tuple[int, str]]]] = [
    (
        "a list that is made up",
        _HEAD
        + "  {{- $l := list }}\n  {{- range $k, $v := .Values.envs }}\n"
        + '  {{- $l = append $l (dict "name" $k "value" $v) }}\n  {{- end }}\n  env: {{ toYaml $l | nindent 4 }}\n',
        "envs:\n  E1: V1\n  E2: V2\n",
        {"spec.env[0].name": (10, "2 envs.E1"), "spec.env[1].value": (10, "3 envs.E2"), "spec.env[1].none": (10, "")},
    ),
    (
        "a mapping that is made up",
        _HEAD
        + "  {{- $d := dict }}\n  {{- range $k, $v := .Values.envs }}\n  {{- $_ := set $d $k $v }}\n  {{- end }}\n"
        + "  d: {{ toYaml $d | nindent 4 }}\n",
        "envs:\n  E1: V1\n  E2: V2\n",
        {"spec.d.E1": (10, "2 envs.E1"), "spec.d.E2": (10, "3 envs.E2")},
    ),
    (
        "merging into a copy",
        _HEAD
        + "  {{- $c := deepCopy .Values.base }}\n  {{- $_ := mergeOverwrite $c .Values.over }}\n"
        + "  a: {{ $c.a }}\n  b: {{ $c.b }}\n",
        "base:\n  a: A1\n  b: B1\nover:\n  a: A2\n",
        {"spec.a": (8, "5 over.a"), "spec.b": (9, "3 base.b")},
    ),
    (
        "manifests in values",
        "{{- range .Values.texts }}\n---\n{{ tpl . $ }}\n{{- end }}\n",
        (
            "texts:\n- |\n  apiVersion: v1\n  kind: Thing\n  metadata: {name: t}\n"
            "  spec: {q: 5, r: '{{ .Values.b }}'}\nb: BB\n"
        ),
        {"spec.q": (3, "2 texts[0]"), "spec.r": (3, "2 texts[0]"), "spec.missing": (3, "2 texts[0]")},
    ),
    (
        "objects in values",
        "{{- range .Values.objects }}\n---\n{{ tpl (toYaml .) $ }}\n{{- end }}\n",
        "objects:\n- apiVersion: v1\n  kind: Thing\n  metadata: {name: o}\n  spec: {q: 1}\n",
        {
            "spec.q": (3, "5 objects[0].spec.q"),
            "spec.missing": (3, "5 objects[0].spec"),
            "missing": (3, "2 objects[0]"),
        },
    ),
    (
        "a loop over numbers",
        _HEAD
        + "  l:\n  {{- range $i := until 3 }}\n  - a: {{ $i }}\n    b: {{ index $.Values.l $i }}\n  {{- end }}\n"
        + "  {{- range (int .Values.count) }}\n  - c: x\n  {{- end }}\n",
        "count: 2\nl: [x1, x2, x3]\n",
        {"spec.l[1].a": (8, ""), "spec.l[1].b": (9, "2 l[1]"), "spec.l[4].c": (12, "")},
    ),
    (
        "what a variable and a dot hold",
        '{{ define "p" }}team: {{ .Values.a }}\nlit: x{{ end }}\n{{- $l := include "p" . }}\n'
        + _HEAD
        + '  {{- $l | nindent 2 }}\n  {{- with include "p" . }}\n  x:\n    {{- . | nindent 4 }}\n  {{- end }}\n',
        "a: AA\n",
        {"spec.team": (1, "1 a"), "spec.lit": (2, ""), "spec.x.team": (1, "1 a"), "spec.x.lit": (2, "")},
    ),
    (
        "a template that is named by a value",
        '{{ define "p.q" }}team: {{ .Values.a }}\nlit: x{{ end }}\n'
        + _HEAD
        + '  {{- include (printf "%s.q" "p") . | nindent 2 }}\n',
        "a: AA\n",
        {"spec.team": (8, "1 a"), "spec.lit": (8, "")},
    ),
    (
        "branches with a value of their own",
        _HEAD
        + "  {{- with .Values.q }}\n  a: {{ . }}\n  {{- else with .Values.r }}\n  b: {{ .x }}\n"
        + "  {{- else }}\n  c: 1\n  {{- end }}\n"
        + '  {{- if and .Values.r (eq .Values.r.x "RR") }}\n  d: {{ (index .Values "r").x | lower | squote }}\n'
        + "  {{- end }}\n",
        "r:\n  x: RR\n",
        {"spec.b": (9, "2 r.x"), "spec.d": (14, "2 r.x")},
    ),
    (
        "a List",
        (
            "apiVersion: v1\nkind: List\nmetadata: {name: thing}\nitems:\n{{- range .Values.pods }}\n- kind: Pod\n"
            "  metadata: {name: {{ .name }}}\n  spec: {{ toYaml .spec | nindent 4 }}\n{{- end }}\n"
        ),
        "pods:\n- name: p1\n  spec: {hostPID: true}\n- name: p2\n  spec: {hostPID: false}\n",
        {"items[0].metadata.name": (7, "2 pods[0].name"), "items[1].spec.hostPID": (8, "5 pods[1].spec.hostPID")},
    ),
    (
        "anchors",
        _HEAD + "  a: &x\n    b: {{ .Values.a }}\n  c: *x\n  d:\n    <<: *x\n    e: 1\n",
        "a: AA\n",
        {"spec.a.b": (7, "1 a"), "spec.c.b": (7, "1 a"), "spec.d.b": (7, "1 a"), "spec.d.e": (11, "")},
    ),
    (
        "braces for others",
        _HEAD
        + '  a: "{{ "{{" }} $labels.x {{ "}}" }} {{ .Values.b }}"\n  c: "{{`{{ $x }}`}}"\n  d: {x: {{ .Values.b }}}\n'
        '  e: {{ tpl "{{ .Values.b }}-x" . }}\n',
        "b: BB\n",
        {"spec.a": (6, "1 b"), "spec.c": (7, ""), "spec.d.x": (8, "1 b"), "spec.e": (9, "1 b")},
    ),
    (
        "nothing printed",
        _HEAD + '  a: {{ .Values.e }}\n  c: "{{ .Values.e }}"\n  z: {{ toYaml .Values.m }}\n'
        "  l: {{ .Values.k | toYaml | nindent 4 }}\n"
        "  k:\n    {{- with .Values.m }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n  f: {{ .Values.none }}\n",
        "e: ''\nm: {}\nk: []\n",
        {
            "spec.a": (6, "1 e"),
            "spec.c": (7, "1 e"),
            "spec.z.missing": (8, "2 m"),
            "spec.l": (9, "3 k"),
            "spec.k": (10, ""),
            "spec.f": (14, ""),
        },
    ),
    (
        "values that a template sets",
        '{{- $_ := set .Values "tag" (printf "%s-x" .Values.tag) }}{{ $_ := set .Values.m "k" .Values.b }}\n'
        + _HEAD
        + "  t: {{ .Values.tag }}\n  b: {{ .Values.b }}\n  k: {{ .Values.m.k }}\n",
        "tag: AA\nb: BB\nm: {}\n",
        {"spec.t": (7, "1 tag"), "spec.b": (8, "2 b"), "spec.k": (9, "2 b")},
    ),
    (
        "chosen by a flag",
        _HEAD + '  a: {{ ternary "yes" "no" .Values.on }}\n  b: {{ if .Values.on }}1{{ else }}2{{ end }}\n'
        "  c: {{ not .Values.on }}\n",
        "on_: x\n'on': true\n",
        {"spec.a": (6, "2 on"), "spec.b": (7, ""), "spec.c": (8, "2 on")},
    ),
    (
        "comments with actions",
        _HEAD + "  # {{ .Values.a }}\n  a: {{ .Values.b }} # {{ .Values.a }}\n  {{- /* {{ .Values.a }} */}}\n"
        "  c: [ # x\n    {{ .Values.a }},\n    {{ .Values.b }}]\n",
        "a: AA\nb: BB\n",
        {"spec.a": (7, "2 b"), "spec.c[0]": (10, "1 a"), "spec.c[1]": (11, "2 b")},
    ),
]


@pytest.mark.parametrize(
    ("template", "values", "expected"), [row[1:] for row in _IDIOMS], ids=[row[0] for row in _IDIOMS]
)
def test_idiom_location(tmp_path: Path, template: str, values: str, expected: dict[str, tuple[int, str]]) -> None:
    check(tmp_path, template, values, expected)


def check(tmp_path: Path, template: str, values: str, expected: dict[str, tuple[int, str]]) -> None:
    """Compare each path's template line and setting with the expectation."""
    folder = write_chart(tmp_path, {"templates/a.yaml": template, "values.yaml": values})
    (document,) = trace_chart(folder, tmp_path / "copy")
    traced_paths = {}
    for path in expected:
        location = document.locate(*parse_path(path))
        setting = location.setting
        assert location.file == "templates/a.yaml"
        assert location.region is not None
        line = setting.region.start.line if setting and setting.region else 0
        traced_paths[path] = (location.region.start.line, f"{line} {setting.key}" if setting else "")
    assert traced_paths == expected
