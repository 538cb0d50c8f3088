"""Charts in common styles, with locations determined by hand."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

from kubekeep.model.location import Location, parse_path
from tests.sources.helm.reading import helm_program
from tests.sources.helm.trace.charts import TracedDocument, trace_chart


def write_chart(folder: Path, files: dict[str, str]) -> Path:
    """Write a chart `shop` with these files."""
    for name, text in {
        "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: 7.7.7\n",
        **files,
    }.items():
        file = folder / "shop" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder / "shop"


def describe(folder: Path, location: Location) -> tuple[str, str, str]:
    """Return file, text of the line, and setting as `file key`; asserts that the line of the setting contains its key."""
    assert location.region is not None
    line = (folder / location.file).read_text().split("\n")[location.region.start.line - 1].strip()
    setting = location.setting
    if setting is None:
        return location.file, line, ""
    if setting.region is not None:
        written = (folder / setting.file).read_text().split("\n")[setting.region.start.line - 1]
        step = parse_path(setting.key)[-1]
        assert str(step) in written or (isinstance(step, int) and re.search(r"- |\[", written))
    return location.file, line, f"{setting.file} {setting.key}"


def check(folder: Path, documents: list[TracedDocument], expected: dict[tuple[str, str], tuple[str, str, str]]) -> None:
    """Compare the location of each (object, path) with the expectation."""
    by_name = {document.name: document for document in documents}
    described = {(name, path): describe(folder, by_name[name].locate(*parse_path(path))) for name, path in expected}
    assert described == expected


COMMON: Final = {
    "charts/common/Chart.yaml": "apiVersion: v2\nname: common\nversion: 2.0.0\ntype: library\n",
    "charts/common/templates/_tplvalues.tpl": """
        {{/* Renders a value that contains template. */}}
        {{- define "common.tplvalues.render" -}}
        {{- $value := typeIs "string" .value | ternary .value (.value | toYaml) }}
        {{- if contains "{{" (toJson .value) }}
          {{- if .scope }}
              {{- tpl (cat "{{- with $.RelativeScope -}}" $value "{{- end }}") (merge (dict "RelativeScope" .scope) .context) }}
          {{- else }}
            {{- tpl $value .context }}
          {{- end }}
        {{- else }}
            {{- $value }}
        {{- end }}
        {{- end -}}

        {{- define "common.tplvalues.merge" -}}
        {{- $dst := dict -}}
        {{- range .values -}}
        {{- $dst = include "common.tplvalues.render" (dict "value" . "context" $.context "scope" $.scope) | fromYaml | merge $dst -}}
        {{- end -}}
        {{ $dst | toYaml }}
        {{- end -}}
        """,
    "charts/common/templates/_labels.tpl": """
        {{- define "common.labels.standard" -}}
        {{- if and (hasKey . "customLabels") (hasKey . "context") -}}
        {{- $default := dict "app.kubernetes.io/name" (include "common.names.name" .context) "app.kubernetes.io/instance" .context.Release.Name -}}
        {{- with .context.Chart.AppVersion -}}
        {{- $_ := set $default "app.kubernetes.io/version" . -}}
        {{- end -}}
        {{ template "common.tplvalues.merge" (dict "values" (list .customLabels $default) "context" .context) }}
        {{- else -}}
        app.kubernetes.io/name: {{ include "common.names.name" . }}
        {{- end -}}
        {{- end -}}

        {{- define "common.names.name" -}}
        {{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
        {{- end -}}

        {{- define "common.names.fullname" -}}
        {{- if .Values.fullnameOverride -}}
        {{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
        {{- else -}}
        {{- printf "%s-%s" .Release.Name (default .Chart.Name .Values.nameOverride) | trunc 63 | trimSuffix "-" -}}
        {{- end -}}
        {{- end -}}

        {{- define "common.images.image" -}}
        {{- $registryName := default .imageRoot.registry ((.global).imageRegistry) -}}
        {{- $repositoryName := .imageRoot.repository -}}
        {{- $separator := ":" -}}
        {{- $termination := .imageRoot.tag | toString -}}
        {{- if .imageRoot.digest }}
            {{- $separator = "@" -}}
            {{- $termination = .imageRoot.digest | toString -}}
        {{- end -}}
        {{- if $registryName }}
            {{- printf "%s/%s%s%s" $registryName $repositoryName $separator $termination -}}
        {{- else -}}
            {{- printf "%s%s%s" $repositoryName $separator $termination -}}
        {{- end -}}
        {{- end -}}

        {{- define "common.compatibility.renderSecurityContext" -}}
        {{- $adaptedContext := .secContext -}}
        {{- if (((.context.Values.global).compatibility).openshift) -}}
          {{- $adaptedContext = omit $adaptedContext "fsGroup" "runAsUser" "runAsGroup" -}}
        {{- end -}}
        {{- omit $adaptedContext "enabled" | toYaml -}}
        {{- end -}}
        """,
    "templates/_helpers.tpl": """
        {{- define "shop.image" -}}
        {{ include "common.images.image" (dict "imageRoot" .Values.image "global" .Values.global) }}
        {{- end -}}
        """,
    "templates/statefulset.yaml": """
        {{- /*
        Copyright somebody
        */}}

        apiVersion: apps/v1
        kind: StatefulSet
        metadata:
          name: {{ include "common.names.fullname" . }}
          namespace: {{ .Release.Namespace | quote }}
          labels: {{- include "common.labels.standard" ( dict "customLabels" .Values.commonLabels "context" $ ) | nindent 4 }}
          {{- if .Values.commonAnnotations }}
          annotations: {{- include "common.tplvalues.render" ( dict "value" .Values.commonAnnotations "context" $ ) | nindent 4 }}
          {{- end }}
        spec:
          {{- if not .Values.autoscaling.enabled }}
          replicas: {{ .Values.replicaCount }}
          {{- end }}
          template:
            spec:
              automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
              {{- if .Values.hostAliases }}
              hostAliases: {{- include "common.tplvalues.render" (dict "value" .Values.hostAliases "context" $) | nindent 8 }}
              {{- end }}
              {{- if .Values.podSecurityContext.enabled }}
              securityContext: {{- include "common.compatibility.renderSecurityContext" (dict "secContext" .Values.podSecurityContext "context" $) | nindent 8 }}
              {{- end }}
              containers:
                - name: shop
                  image: {{ include "shop.image" . }}
                  {{- if .Values.containerSecurityContext.enabled }}
                  securityContext: {{- omit .Values.containerSecurityContext "enabled" | toYaml | nindent 12 }}
                  {{- end }}
                  env:
                    - name: DEBUG
                      value: {{ ternary "true" "false" (or .Values.image.debug .Values.diagnosticMode.enabled) | quote }}
                    {{- if .Values.extraEnvVars }}
                    {{- include "common.tplvalues.render" (dict "value" .Values.extraEnvVars "context" $) | nindent 12 }}
                    {{- end }}
                  ports:
                    - name: http
                      containerPort: {{ .Values.containerPorts.http }}
                  {{- if .Values.resources }}
                  resources: {{- toYaml .Values.resources | nindent 12 }}
                  {{- else if ne .Values.resourcesPreset "none" }}
                  resources:
                    limits: {}
                  {{- end }}
                {{- if .Values.sidecars }}
                {{- include "common.tplvalues.render" ( dict "value" .Values.sidecars "context" $) | nindent 8 }}
                {{- end }}
        """,
    "values.yaml": """
        global:
          imageRegistry: ""
        nameOverride: ""
        commonLabels:
          team: payments
        commonAnnotations:
          note: "of {{ .Release.Name }}"
        autoscaling:
          enabled: false
        replicaCount: 3
        automountServiceAccountToken: true
        hostAliases:
          - ip: 10.1.1.1
            hostnames:
              - db.local
        podSecurityContext:
          enabled: true
          fsGroup: 1001
          sysctls: []
        image:
          registry: docker.io
          repository: acme/shop
          tag: 9.9.9
          debug: false
        diagnosticMode:
          enabled: false
        containerSecurityContext:
          enabled: true
          runAsUser: 1001
          privileged: true
          capabilities:
            drop: ["ALL"]
        extraEnvVars:
          - name: FOO
            value: bar
        containerPorts:
          http: 8080
        resources: {}
        resourcesPreset: nano
        sidecars:
          - name: proxy
            image: proxy:latest
            securityContext:
              privileged: true
        """,
}
_OBJECT: Final = "StatefulSet/rel-shop"
_POD: Final = "spec.template.spec"


def test_chart_with_library_helpers(tmp_path: Path) -> None:
    folder = write_chart(tmp_path, COMMON)
    template_file = "templates/statefulset.yaml"
    labels = 'labels: {{- include "common.labels.standard" ( dict "customLabels" .Values.commonLabels "context" $ ) | nindent 4 }}'
    context = 'securityContext: {{- include "common.compatibility.renderSecurityContext" (dict "secContext" .Values.podSecurityContext "context" $) | nindent 8 }}'
    aliases = 'hostAliases: {{- include "common.tplvalues.render" (dict "value" .Values.hostAliases "context" $) | nindent 8 }}'
    sidecars = '{{- include "common.tplvalues.render" ( dict "value" .Values.sidecars "context" $) | nindent 8 }}'
    variables = '{{- include "common.tplvalues.render" (dict "value" .Values.extraEnvVars "context" $) | nindent 12 }}'
    notes = 'annotations: {{- include "common.tplvalues.render" ( dict "value" .Values.commonAnnotations "context" $ ) | nindent 4 }}'
    expected = {
        "metadata.name": (template_file, 'name: {{ include "common.names.fullname" . }}', ""),
        "metadata.labels.team": (template_file, labels, "values.yaml commonLabels.team"),
        'metadata.labels["app.kubernetes.io/version"]': (template_file, labels, ""),
        "metadata.annotations.note": (template_file, notes, "values.yaml commonAnnotations.note"),
        "spec.replicas": (template_file, "replicas: {{ .Values.replicaCount }}", "values.yaml replicaCount"),
        f"{_POD}.hostAliases[0].hostnames[0]": (template_file, aliases, "values.yaml hostAliases[0].hostnames[0]"),
        f"{_POD}.securityContext.fsGroup": (template_file, context, "values.yaml podSecurityContext.fsGroup"),
        f"{_POD}.containers[0].image": (
            template_file,
            'image: {{ include "shop.image" . }}',
            "values.yaml image.registry",
        ),
        f"{_POD}.containers[0].env[0].value": (
            template_file,
            'value: {{ ternary "true" "false" (or .Values.image.debug .Values.diagnosticMode.enabled) | quote }}',
            "values.yaml diagnosticMode.enabled",
        ),
        f"{_POD}.containers[0].env[1].value": (template_file, variables, "values.yaml extraEnvVars[0].value"),
        f"{_POD}.containers[0].securityContext.privileged": (
            template_file,
            'securityContext: {{- omit .Values.containerSecurityContext "enabled" | toYaml | nindent 12 }}',
            "values.yaml containerSecurityContext.privileged",
        ),
        f"{_POD}.containers[0].securityContext.capabilities.drop[0]": (
            template_file,
            'securityContext: {{- omit .Values.containerSecurityContext "enabled" | toYaml | nindent 12 }}',
            "values.yaml containerSecurityContext.capabilities.drop[0]",
        ),
        f"{_POD}.containers[0].ports[0].containerPort": (
            template_file,
            "containerPort: {{ .Values.containerPorts.http }}",
            "values.yaml containerPorts.http",
        ),
        f"{_POD}.containers[1].image": (template_file, sidecars, "values.yaml sidecars[0].image"),
        f"{_POD}.containers[1].securityContext.privileged": (
            template_file,
            sidecars,
            "values.yaml sidecars[0].securityContext.privileged",
        ),
        # A missing key is located at the line to add it to.
        f"{_POD}.securityContext.runAsNonRoot": (
            template_file,
            context,
            "values.yaml podSecurityContext",
        ),
        f"{_POD}.containers[0].securityContext.readOnlyRootFilesystem": (
            template_file,
            'securityContext: {{- omit .Values.containerSecurityContext "enabled" | toYaml | nindent 12 }}',
            "values.yaml containerSecurityContext",
        ),
        f"{_POD}.containers[0].resources.limits.memory": (template_file, "limits: {}", ""),
        f"{_POD}.containers[1].securityContext.runAsNonRoot": (
            template_file,
            sidecars,
            "values.yaml sidecars[0].securityContext",
        ),
        f"{_POD}.containers[1].resources": (template_file, sidecars, "values.yaml sidecars[0]"),
        f"{_POD}.containers[0].livenessProbe": (template_file, "- name: shop", ""),
    }
    check(folder, trace_chart(folder, tmp_path / "copy"), {(_OBJECT, path): where for path, where in expected.items()})


MAPPED: Final = {
    "templates/_workload.tpl": """
        {{- define "shop.workload" -}}
        {{- $root := index . 0 -}}
        {{- $name := index . 1 -}}
        {{- $config := index . 2 -}}
        {{- $merged := mergeOverwrite (deepCopy $root.Values.defaults) $config -}}
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: {{ $name }}
          labels:
            {{- include "shop.labels" (dict "root" $root "component" $name) | nindent 4 }}
        spec:
          template:
            spec:
              hostNetwork: {{ $merged.hostNetwork | default false }}
              containers:
                - name: main
                  image: "{{ $merged.image.repository }}:{{ $merged.image.tag | default $root.Chart.AppVersion }}"
                  {{- with $merged.securityContext }}
                  securityContext: {{ toYaml . | nindent 12 }}
                  {{- end }}
                  env:
                    {{- range $key, $value := $merged.env }}
                    - name: {{ $key | upper }}
                      value: {{ tpl $value $root | quote }}
                    {{- end }}
                {{- range $index, $extra := $merged.extras }}
                - name: {{ printf "extra-%d" $index }}
                  {{- omit $extra "name" | toYaml | nindent 10 }}
                {{- end }}
        {{- end -}}

        {{- define "shop.labels" -}}
        app.kubernetes.io/component: {{ .component }}
        team: {{ .root.Values.team | quote }}
        {{- end -}}
        """,
    "templates/all.yaml": """
        {{- range $name, $config := .Values.workloads }}
        {{- if ne (toString $config.enabled) "false" }}
        ---
        {{ include "shop.workload" (list $ $name $config) }}
        {{- end }}
        {{- end }}
        """,
    "values.yaml": """
        team: red
        defaults:
          image:
            tag: ""
          securityContext:
            runAsNonRoot: false
        workloads:
          api:
            image:
              repository: acme/api
            hostNetwork: true
            securityContext:
              privileged: true
            env:
              mode: "for {{ .Release.Name }}"
            extras:
              - name: ignored
                image: busybox
          idle:
            enabled: false
          job:
            image: {repository: acme/job, tag: "1"}
        """,
}


def test_chart_with_workload_map(tmp_path: Path) -> None:
    folder = write_chart(tmp_path, MAPPED)
    template_file = "templates/_workload.tpl"
    image = 'image: "{{ $merged.image.repository }}:{{ $merged.image.tag | default $root.Chart.AppVersion }}"'
    context = "securityContext: {{ toYaml . | nindent 12 }}"
    pod = "spec.template.spec"
    check(
        folder,
        trace_chart(folder, tmp_path / "copy"),
        {
            ("Deployment/api", "metadata.name"): (template_file, "name: {{ $name }}", "values.yaml workloads.api"),
            ("Deployment/api", "metadata.labels.team"): (
                template_file,
                "team: {{ .root.Values.team | quote }}",
                "values.yaml team",
            ),
            ("Deployment/api", f"{pod}.hostNetwork"): (
                template_file,
                "hostNetwork: {{ $merged.hostNetwork | default false }}",
                "values.yaml workloads.api.hostNetwork",
            ),
            ("Deployment/job", f"{pod}.hostNetwork"): (
                template_file,
                "hostNetwork: {{ $merged.hostNetwork | default false }}",
                "",
            ),
            ("Deployment/api", f"{pod}.containers[0].image"): (
                template_file,
                image,
                "values.yaml workloads.api.image.repository",
            ),
            ("Deployment/job", f"{pod}.containers[0].image"): (
                template_file,
                image,
                "values.yaml workloads.job.image.repository",
            ),
            ("Deployment/api", f"{pod}.containers[0].securityContext.privileged"): (
                template_file,
                context,
                "values.yaml workloads.api.securityContext.privileged",
            ),
            ("Deployment/api", f"{pod}.containers[0].securityContext.runAsNonRoot"): (
                template_file,
                context,
                "values.yaml defaults.securityContext.runAsNonRoot",
            ),
            ("Deployment/job", f"{pod}.containers[0].securityContext.runAsNonRoot"): (
                template_file,
                context,
                "values.yaml defaults.securityContext.runAsNonRoot",
            ),
            ("Deployment/api", f"{pod}.containers[0].env[0].value"): (
                template_file,
                "value: {{ tpl $value $root | quote }}",
                "values.yaml workloads.api.env.mode",
            ),
            ("Deployment/api", f"{pod}.containers[1].image"): (
                template_file,
                '{{- omit $extra "name" | toYaml | nindent 10 }}',
                "values.yaml workloads.api.extras[0].image",
            ),
            ("Deployment/api", f"{pod}.containers[1].securityContext"): (
                template_file,
                '- name: {{ printf "extra-%d" $index }}',
                "",
            ),
        },
    )


_FAMILY: Final = {
    "Chart.yaml": """
        apiVersion: v2
        name: shop
        version: 1.0.0
        dependencies:
          - {name: cache, version: 1.0.0, alias: sessions}
          - {name: cache, version: 1.0.0, alias: pages, condition: pages.enabled}
        """,
    "values.yaml": """
        global:
          zone: eu
        sessions:
          image:
            tag: "6"
        pages:
          enabled: false
        """,
    "charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 1.0.0\n",
    "charts/cache/values.yaml": """
        global:
          zone: none
          tier: back
        image:
          repository: cache
          tag: "5"
        password: ""
        """,
    "charts/cache/templates/_helpers.tpl": """
        {{- define "cache.labels" -}}
        zone: {{ .Values.global.zone }}
        tier: {{ .Values.global.tier }}
        {{- end -}}
        """,
    "charts/cache/templates/pod.yaml": """
        apiVersion: v1
        kind: Pod
        metadata:
          name: {{ .Chart.Name }}
          labels: {{- include "cache.labels" . | nindent 4 }}
        spec:
          containers:
            - name: cache
              image: {{ .Values.image.repository }}
              args: ["{{ .Values.image.tag }}"]
              env:
                - name: PASSWORD
                  value: {{ .Values.password | default (randAlphaNum 20) | quote }}
                - name: PLAIN
                  value: {{ .Values.image.repository | upper }}
        """,
}


def test_subcharts_aliases_and_parent_values(tmp_path: Path) -> None:
    folder = write_chart(tmp_path, _FAMILY)
    pod, helpers = "charts/cache/templates/pod.yaml", "charts/cache/templates/_helpers.tpl"
    documents = trace_chart(
        folder,
        tmp_path / "copy",
        "--set",
        "sessions.image.repository=other",
        sets={"sessions": {"image": {"repository": "other"}}},
    )
    check(
        folder,
        documents,
        {
            ("Pod/sessions", "metadata.labels.zone"): (
                helpers,
                "zone: {{ .Values.global.zone }}",
                "values.yaml global.zone",
            ),
            ("Pod/sessions", "metadata.labels.tier"): (
                helpers,
                "tier: {{ .Values.global.tier }}",
                "charts/cache/values.yaml global.tier",
            ),
            ("Pod/sessions", "spec.containers[0].image"): (
                pod,
                "image: {{ .Values.image.repository }}",
                "--set sessions.image.repository",
            ),
            ("Pod/sessions", "spec.containers[0].args[0]"): (
                pod,
                'args: ["{{ .Values.image.tag }}"]',
                "values.yaml sessions.image.tag",
            ),
            # A value that differs in every rendering does not change other locations.
            ("Pod/sessions", "spec.containers[0].env[0].value"): (
                pod,
                "value: {{ .Values.password | default (randAlphaNum 20) | quote }}",
                "",
            ),
            ("Pod/sessions", "spec.containers[0].env[1].value"): (
                pod,
                "value: {{ .Values.image.repository | upper }}",
                "--set sessions.image.repository",
            ),
        },
    )


@pytest.mark.parametrize("sets", [{}, {"ingress.enabled": "true"}, {"autoscaling.enabled": "true"}])
def test_helm_create_chart(tmp_path: Path, sets: dict[str, Any]) -> None:
    subprocess.run([helm_program(), "create", str(tmp_path / "shop")], check=True, capture_output=True)
    folder = tmp_path / "shop"
    options = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
    documents = trace_chart(folder, tmp_path / "copy", *options)
    template_file, pod = "templates/deployment.yaml", "spec.template.spec"
    check(
        folder,
        documents,
        {
            ("Deployment/rel-shop", f"{pod}.containers[0].image"): (
                template_file,
                'image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"',
                "values.yaml image.repository",
            ),
            ("Deployment/rel-shop", f"{pod}.containers[0].livenessProbe.httpGet.path"): (
                template_file,
                "{{- toYaml . | nindent 12 }}",
                "values.yaml livenessProbe.httpGet.path",
            ),
            ("Deployment/rel-shop", f"{pod}.containers[0].securityContext.privileged"): (
                template_file,
                "securityContext:",
                "values.yaml securityContext",
            ),
            ("Deployment/rel-shop", f"{pod}.containers[0].lifecycle"): (template_file, "- name: {{ .Chart.Name }}", ""),
            ("Deployment/rel-shop", 'metadata.labels["app.kubernetes.io/managed-by"]'): (
                "templates/_helpers.tpl",
                "app.kubernetes.io/managed-by: {{ .Release.Service }}",
                "",
            ),
            ("ServiceAccount/rel-shop", "automountServiceAccountToken"): (
                "templates/serviceaccount.yaml",
                "automountServiceAccountToken: {{ .Values.serviceAccount.automount }}",
                "values.yaml serviceAccount.automount",
            ),
        },
    )
