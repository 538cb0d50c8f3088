"""Generate a tree of N Helm charts: `python benchmarks/charts.py N FOLDER`.

The same N always results in the same files: realistic charts with named templates, ranges, conditions, blocks copied
from values, and a sub-chart in every third one. All content is fictitious.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_HELPERS: Final = """\
{{- define "NAME.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "NAME.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- if .Chart.AppVersion }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- end }}
"""
_DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "NAME.fullname" . }}
  labels:
    {{- include "NAME.labels" . | nindent 4 }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .Chart.Name }}
  template:
    metadata:
      {{- with .Values.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      labels:
        {{- include "NAME.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "NAME.fullname" . }}
      securityContext:
        {{- toYaml .Values.podSecurityContext | nindent 8 }}
      containers:
        - name: {{ .Chart.Name }}
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          securityContext:
            {{- toYaml .Values.securityContext | nindent 12 }}
          env:
            {{- range $key, $value := .Values.env }}
            - name: {{ $key }}
              value: {{ $value | quote }}
            {{- end }}
          ports:
            - name: http
              containerPort: {{ .Values.service.port }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
        {{- range .Values.sidecars }}
        - name: {{ .name }}
          image: {{ .image }}
          securityContext:
            privileged: {{ .privileged | default false }}
        {{- end }}
"""
_SERVICE: Final = """\
apiVersion: v1
kind: Service
metadata:
  name: {{ include "NAME.fullname" . }}
  labels:
    {{- include "NAME.labels" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  ports:
    - port: {{ .Values.service.port }}
      targetPort: http
  selector:
    app.kubernetes.io/name: {{ .Chart.Name }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "NAME.fullname" . }}
automountServiceAccountToken: {{ .Values.automount }}
"""
_INGRESS: Final = """\
{{- if .Values.ingress.enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "NAME.fullname" . }}
spec:
  rules:
    {{- range .Values.ingress.hosts }}
    - host: {{ . | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "NAME.fullname" $ }}
                port:
                  number: {{ $.Values.service.port }}
    {{- end }}
{{- end }}
"""
_VALUES: Final = """\
replicas: 2
image:
  repository: registry.example.com/NAME
  tag: ""
  pullPolicy: IfNotPresent
podAnnotations:
  checksum: "NUMBER"
podSecurityContext: {}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    add: [NET_ADMIN]
resources:
  limits:
    memory: 256Mi
env:
  LOG_LEVEL: debug
  PORT: "8080"
sidecars:
  - name: proxy
    image: registry.example.com/proxy:latest
    privileged: true
service:
  type: LoadBalancer
  port: 80NUMBER
automount: true
autoscaling:
  enabled: false
ingress:
  enabled: true
  hosts: [NAME.example.com]
"""


def write(count: int, folder: Path) -> None:
    """Write `count` charts below `folder`."""
    for number in range(count):
        chart = folder / f"chart-{number:03}"
        _chart(chart, f"chart-{number:03}", number)
        if number % 3 == 0:
            _chart(chart / "charts" / "cache", "cache", number)


def _chart(folder: Path, name: str, number: int) -> None:
    files = {
        "Chart.yaml": f'apiVersion: v2\nname: {name}\nversion: 1.0.{number}\nappVersion: "1.{number}"\n',
        "values.yaml": _VALUES,
        "templates/_helpers.tpl": _HELPERS,
        "templates/deployment.yaml": _DEPLOYMENT,
        "templates/service.yaml": _SERVICE,
        "templates/ingress.yaml": _INGRESS,
    }
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        chart_text = text.replace("NAME", name).replace("NUMBER", f"{number:02}")
        (folder / path).write_text(chart_text, encoding="utf-8")


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
