"""Masked texts of excerpts: no secrets, with the same lines, keys and structure."""

from __future__ import annotations

import pytest

from kubekeep.model.location import line_starts
from kubekeep.model.secret_keys import find_secret_spans
from kubekeep.privacy.masking import mask_lines
from kubekeep.sources import yaml_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

PLANTED = "hunter2"
TEXTS = {
    "manifest": """\
apiVersion: v1
kind: Secret
metadata: {name: a}
type: Opaque
data:
  a: hunter2
  b: |
    hunter2
      hunter2: x

    hunter2=
  "c": "hunter2
    hunter2"
stringData: {a: hunter2, b: "hunter2"}
---
kind: Pod
automountServiceAccountToken: true # fine
spec:
  imagePullSecrets:
  - name: regcred
  containers:
  - name: web
    image: nginx@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    env:
    - name: A
      value: hunter2
    - {name: B, value: hunter2}
    - name: C
      valueFrom:
        secretKeyRef:
          name: ref
          key: password
    args:
    - --password
    - hunter2
    - --token=hunter2
    - postgres://a:hunter2@db/x
    command: ["a", "--api-key", "hunter2", "PGPASSWORD=hunter2 psql"]
    livenessProbe:
      httpGet:
        path: /x
        httpHeaders:
        - name: Authorization
          value: hunter2
  volumes:
  - name: s
    secret:
      secretName: ref
  - name: t
    projected:
      sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
# password: hunter2
""",
    "template": """\
kind: Secret
stringData:
  a: {{ .Values.x | default "hunter2" }}
{{- if .Values.y }}
  b: hunter2
{{- end }}
---
spec:
  containers:
    - name: {{ .Chart.Name }}
      env:
        {{- range .Values.env }}
        - name: {{ .name }}
          value: {{ .value | default "hunter2" }}
        {{- end }}
        - name: X
          value: >-
            hunter2
      args: ["--password", "hunter2"]
      securityContext:
        privileged: true
""",
    "terraform": """\
resource "kubernetes_secret" "a" {
  metadata { name = "a" }
  data = {
    password = "hunter2"
    x = <<EOT
hunter2
 hunter2: a
EOT
    y = "hunter2"
  }
}
resource "kubernetes_pod" "p" {
  spec {
    container {
      image = "nginx"
      env {
        name = "A"
        value = "hunter2"
      }
      args = ["--token", "hunter2"]
      security_context {
        privileged = true
      }
    }
  }
}
provider "x" {
  token = "hunter2"
  host = "https://u:hunter2@h"
}
""",
    "values": """\
image: {repository: nginx, tag: "1"}
auth:
  enabled: true
  username: hunter2
  password: hunter2
env:
  FOO: hunter2
extraEnvVars:
  - name: A
    value: hunter2
secrets:
  db: hunter2
config: |
  password=hunter2
  db.url: jdbc://u:hunter2@h
  key: |
    plain
existingSecret: ref
service: {port: 80, password: hunter2}
""",
    "kustomization": """\
secretGenerator:
- name: a
  literals:
  - password=hunter2
  - x=hunter2
patches:
- patch: |-
    - op: add
      path: /stringData/x
      value: hunter2
    - op: replace
      value: hunter2
      path: /spec/template/spec/containers/0/env/0/value
- patch: |-
    kind: Secret
    stringData:
      a: hunter2
""",
    "json": """\
{"kind":"List","items":[{"kind":"Secret","data":{"a":"hunter2"}},
{"kind":"Pod","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\\"a\\": \\"hunter2\\"}"}},"spec":{"containers":[{"env":[{"name":"a","value":"hunter2"}]}]}}]}
""",
}


def mask_text(text: str, *, use_source_map: bool = True) -> list[str]:
    documents = yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS) if use_source_map else ()
    spans = [
        span
        for document in documents
        if isinstance(document, Document)
        for span in find_secret_spans(document.value, document.source_map)
    ]
    return mask_lines(text, spans)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("by_place", [True, False])
def test_secrets_are_masked(name: str, newline: str, by_place: bool) -> None:  # noqa: FBT001
    text = TEXTS[name].replace("\n", newline)
    lines = mask_text(text, use_source_map=by_place)
    assert [line for line in lines if PLANTED in line] == []
    assert len(lines) == len(text.split(newline))


def test_other_text_stays() -> None:
    lines = {line.strip() for line in mask_text(TEXTS["manifest"])}
    assert lines >= {
        "automountServiceAccountToken: true # fine",
        "- name: regcred",
        "image: nginx@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "- name: A",
        "value: XXXXXX",
        "name: ref",
        "key: password",
        "- --password",
        "- --token=XXXXXX",
        "- postgres://XXXXXX@db/x",
        "secretName: ref",
        "expirationSeconds: 3600",
        "a: XXXXXX",
        '"c": XXXXXX',
        "stringData: XXXXXX",
    }


def test_private_key_across_lines_and_documents() -> None:
    text = "a: |\n  -----BEGIN RSA PRIVATE KEY-----\n  abc\n  -----END RSA PRIVATE KEY-----\nb: kept\n"
    assert mask_lines(text) == ["a: |", "  XXXXXX", "  XXXXXX", "  XXXXXX", "b: kept", ""]


def test_generated_words_are_masked() -> None:
    blob = "aGVsbG8gV29ybGQ1aGVsbG8gV29ybGQ1aGVsbG8gV29ybGQ1"
    assert mask_lines(f"note: {blob}") == ["note: XXXXXX"]
    assert mask_lines("image: registry.example/some/very/long/path/to/an/image/of/ours:1") == [
        "image: registry.example/some/very/long/path/to/an/image/of/ours:1"
    ]


def test_long_line_ends_in_a_mask() -> None:
    (line,) = mask_lines("a: " + "x " * 5000)
    assert line.endswith("XXXXXX")
    assert len(line) < 1100
