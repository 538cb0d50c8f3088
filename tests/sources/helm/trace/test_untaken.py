"""Lines of untaken branches for missing keys, and the values they would print, verified with Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kubekeep.model.location import has_path, parse_path
from tests.sources.helm.reading import helm_program
from tests.sources.helm.trace.charts import trace_chart
from tests.sources.helm.trace.test_idioms import check

_HEAD = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: thing\nspec:\n"
_WITH = "  {{- with .Values.sc }}\n  securityContext:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\n"
_NOT = "securityContext.runAsNonRoot"

_FORMS: list[tuple[str, str, str, dict[str, tuple[int, str]]]] = [
    (
        "with, in the middle",
        _HEAD + "  a: 1\n" + _WITH + "  b: 2\n",
        "sc: {}\n",
        {f"spec.{_NOT}": (8, "1 sc"), "spec.other": (5, "")},
    ),
    (
        "with, first",
        _HEAD + _WITH + "  b: 2\n",
        "sc: {}\n",
        {f"spec.{_NOT}": (7, "1 sc"), "spec.securityContext": (7, "1 sc")},
    ),
    (
        "with, last",
        _HEAD + "  a: 1\n  l:\n    - x: 1\n      y: 2\n" + _WITH,
        "sc: {}\n",
        {f"spec.{_NOT}": (11, "1 sc"), f"spec.l[0].{_NOT}": (8, "")},
    ),
    (
        "with, of an item",
        _HEAD + "  l:\n    - x: 1\n      {{- with .Values.sc }}\n      securityContext: {{- toYaml . | nindent 8 }}\n"
        "      {{- end }}\n    - x: 2\n",
        "sc: {}\n",
        {f"spec.l[0].{_NOT}": (9, "1 sc"), f"spec.l[1].{_NOT}": (11, "")},
    ),
    ("an unset key", _HEAD + "  a: 1\n" + _WITH, "x: {}\n", {f"spec.{_NOT}": (8, "")}),
    (
        "if",
        _HEAD + "  a: 1\n  {{- if .Values.resources }}\n"
        "  resources: {{- toYaml .Values.resources | nindent 4 }}\n  {{- end }}\n",
        "resources: {}\n",
        {"spec.resources.limits.cpu": (8, "1 resources")},
    ),
    (
        "a flag beside the value",
        _HEAD + "  a: 1\n  {{- if .Values.sc.enabled }}\n"
        '  securityContext: {{- omit .Values.sc "enabled" | toYaml | nindent 4 }}\n  {{- end }}\n',
        "sc:\n  enabled: false\n",
        {f"spec.{_NOT}": (8, "1 sc")},
    ),
    (
        "a flag for literal text",
        _HEAD + "  a: 1\n  {{- if .Values.sc.enabled }}\n  securityContext:\n    runAsNonRoot: true\n"
        "    runAsUser: {{ .Values.user }}\n  {{- end }}\n",
        "sc:\n  enabled: false\nuser: 5\n",
        {
            f"spec.{_NOT}": (9, ""),
            "spec.securityContext.runAsUser": (10, "3 user"),
            "spec.securityContext.privileged": (8, ""),
        },
    ),
    (
        "a flag of the same name",
        _HEAD + "  a: 1\n  {{- if .Values.hostNetwork }}\n  hostNetwork: true\n  {{- end }}\n",
        "hostNetwork: false\n",
        {"spec.hostNetwork": (8, "1 hostNetwork")},
    ),
    (
        "on one line",
        _HEAD + "  a: 1\n  {{ if .Values.hostNetwork }}hostNetwork: true{{ end }}\n  b: 1\n",
        "hostNetwork: false\n",
        {"spec.hostNetwork": (7, "1 hostNetwork")},
    ),
    (
        "a flag turned around",
        _HEAD + "  a: 1\n  {{- if not .Values.hostNetwork }}\n  hostNetwork: true\n  {{- end }}\n",
        "hostNetwork: true\n",
        {"spec.hostNetwork": (8, "")},
    ),
    (
        "the flag that is on already",
        _HEAD + "  a: 1\n  {{- if .Values.off }}\n  {{- if .Values.hostNetwork }}\n  hostNetwork: true\n"
        "  {{- end }}\n  {{- end }}\n",
        "off: false\nhostNetwork: true\n",
        {"spec.hostNetwork": (9, "")},
    ),
    (
        "a branch in a branch",
        _HEAD + "  a: 1\n  {{- if .Values.on }}\n" + _WITH + "  {{- end }}\n",
        "'on': false\nsc: {}\n",
        {f"spec.{_NOT}": (9, "2 sc")},
    ),
    (
        "else",
        _HEAD + "  a: 1\n  {{- if .Values.x }}\n  b: 1\n  {{- else }}\n  c: {{ .Values.v }}\n  {{- end }}\n",
        "x: 1\nv: 2\n",
        {"spec.c": (10, "2 v")},
    ),
    (
        "one of two values",
        _HEAD + "  a: 1\n  {{- if .Values.x }}\n  b: {{ .Values.x }}-{{ .Values.v }}\n  {{- end }}\n",
        "x: ''\nv: 2\n",
        {"spec.b": (8, "")},
    ),
    (
        "a helper",
        '{{- define "p" -}}\na: 1\n{{- with .Values.sc }}\nsecurityContext:\n  {{- toYaml . | nindent 2 }}\n'
        "{{- end }}\n{{- end }}\n" + _HEAD + '  {{- include "p" . | nindent 2 }}\n',
        "sc: {}\n",
        {f"spec.{_NOT}": (4, "1 sc")},
    ),
    (
        "a helper that prints nothing",
        '{{- define "p" -}}\n{{- with .Values.sc -}}\nsecurityContext:\n  {{- toYaml . | nindent 2 }}\n'
        "{{- end -}}\n{{- end }}\n" + _HEAD + '  a: 1\n  {{- include "p" . | nindent 2 }}\n  b: 1\n',
        "sc: {}\n",
        {f"spec.{_NOT}": (3, "1 sc")},
    ),
    (
        "a helper in a branch",
        '{{- define "p" -}}\nsecurityContext:\n  {{- toYaml .Values.sc | nindent 2 }}\n{{- end }}\n'
        + _HEAD
        + '  a: 1\n  {{- if .Values.sc }}\n  {{- include "p" . | nindent 2 }}\n  {{- end }}\n',
        "sc: {}\n",
        {f"spec.{_NOT}": (2, "1 sc")},
    ),
    (
        "a loop",
        _HEAD
        + "  l:\n  {{- range .Values.cars }}\n    - name: {{ .name }}\n      {{- with .sc }}\n      securityContext:\n"
        "        {{- toYaml . | nindent 8 }}\n      {{- end }}\n  {{- end }}\n  z: 1\n",
        "cars:\n- name: a\n  sc: {x: 1}\n- name: b\n  sc: {}\n- name: c\n",
        {
            "spec.l[0].securityContext.x": (11, "3 cars[0].sc.x"),
            f"spec.l[1].{_NOT}": (10, "5 cars[1].sc"),
            f"spec.l[2].{_NOT}": (10, ""),
        },
    ),
    (
        "two branches",
        _HEAD + "  a: 1\n" + _WITH + _WITH.replace(".sc", ".other"),
        "sc: {}\nother: {}\n",
        {f"spec.{_NOT}": (5, "")},
    ),
    (
        "two cases",
        _HEAD + "  a: 1\n  {{- if .Values.x }}\n  b: 1\n  {{- else if .Values.v }}\n  b: 2\n  {{- end }}\n",
        "x: 0\nv: 0\n",
        {"spec.b": (5, "")},
    ),
    (
        "an item of its own",
        _HEAD + "  l:\n    - name: a\n      y: 1\n    {{- if .Values.proxy }}\n    - name: p\n      securityContext:\n"
        "        runAsNonRoot: true\n    {{- end }}\n",
        "proxy: false\n",
        {f"spec.l[0].{_NOT}": (7, "")},
    ),
    (
        "another indentation",
        _HEAD + "  a:\n    x: 1\n" + _WITH,
        "sc: {}\n",
        {f"spec.a.{_NOT}": (6, ""), f"spec.{_NOT}": (9, "1 sc")},
    ),
    ("a comment between", _HEAD + "  a: 1\n  # why\n" + _WITH + "  # end\n", "sc: {}\n", {f"spec.{_NOT}": (9, "1 sc")}),
    (
        "a key that is made",
        _HEAD + "  a: 1\n  {{- if .Values.k }}\n  {{ .Values.k }}securityContext: 1\n  {{- end }}\n",
        "k: ''\n",
        {f"spec.{_NOT}": (5, "")},
    ),
    (
        "all from values",
        _HEAD + "  s:\n    {{- toYaml .Values.s | nindent 4 }}\n    {{- if .Values.x }}\n    x: 1\n    {{- end }}\n",
        "s: {a: 1}\nx: 0\n",
        {"spec.s.x": (6, "1 s")},
    ),
    ("a flow mapping", _HEAD + "  s: {a: 1}\n" + _WITH, "sc: {}\n", {f"spec.s.{_NOT}": (6, "")}),
]


@pytest.mark.parametrize(
    ("template", "values", "expected"), [row[1:] for row in _FORMS], ids=[row[0] for row in _FORMS]
)
def test_untaken_branch_location(
    tmp_path: Path, template: str, values: str, expected: dict[str, tuple[int, str]]
) -> None:
    check(tmp_path, template, values, expected)


_CREATED = {
    "containers[0].securityContext": "{runAsNonRoot: true}",
    "securityContext": "{runAsNonRoot: true}",
    "containers[0].resources": "{limits: {cpu: 1}}",
    "containers[0].volumeMounts": "[{name: v, mountPath: /v}]",
    "volumes": "[{name: v, emptyDir: {}}]",
    "nodeSelector": "{a: b}",
    "tolerations": "[{key: a}]",
    "affinity": "{nodeAffinity: {}}",
    "imagePullSecrets": "[{name: a}]",
}


def test_suggested_setting_is_printed_by_located_line(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    subprocess.run([helm_program(), "create", str(folder)], check=True, capture_output=True)
    (default_document,) = (
        document for document in trace_chart(folder, tmp_path / "copy") if document.template.endswith("deployment.yaml")
    )
    for number, (name, value) in enumerate(_CREATED.items()):
        path = parse_path(f"spec.template.spec.{name}")
        assert not has_path(default_document.value, path)
        expected = default_document.locate(*path)
        assert expected.setting is not None
        file = tmp_path / "set.yaml"
        file.write_text(f"{expected.setting.key}: {value}\n")
        documents = trace_chart(folder, tmp_path / f"copy{number}", values=[file])
        (changed_document,) = (document for document in documents if document.template.endswith("deployment.yaml"))
        assert has_path(changed_document.value, path)
        location = changed_document.locate(*path)
        assert (location.file, location.region) == (expected.file, expected.region)
