"""Secrets in every place where users keep them, next to findings, never appear in a report of any format."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from kubekeep import reports
from kubekeep.cli.main import kubekeep
from kubekeep.model.assessment import Assessment
from kubekeep.model.scanned_source import SourceRepository
from kubekeep.reports import Extra, ReportOptions
from kubekeep.usecases.request import ReportNeeds, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.reports.rendering import render_text

PLANTED = re.compile(r"planted-(\w+?)-Zq7")
"""Marker of secrets in the files below; every encoding of each is searched for."""

FILES = {
    "manifests/secrets.yaml": """\
apiVersion: v1
kind: Secret
metadata:
  name: database-password
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"kind":"Secret","stringData":{"a":"planted-lastapplied-Zq7"}}
stringData:
  password: planted-stringdata-Zq7
  script: |
    export A=planted-script-Zq7
  "quoted": "planted-quoted-Zq7"
data:
  encoded: BASE64(planted-encoded-Zq7)
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: BASE64({"auths":{"r":{"auth":"planted-docker-Zq7"}}})}
---
apiVersion: v1
kind: Secret
metadata: {name: robot-token, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
stringData: {token: planted-satoken-Zq7, tls.key: planted-tlskey-Zq7}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  password: planted-configpassword-Zq7
  api_token: planted-configtoken-Zq7
  plain: planted-configplain-Zq7
  app.ini: |
    [db]
    password = planted-configini-Zq7
  url: postgres://app:planted-configurl-Zq7@db/app
binaryData: {blob: BASE64(planted-binary-Zq7)}
""",
    "manifests/pods.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"x":"planted-lastapplied2-Zq7"}}'
    hook: https://hooks.slack.com/services/T00/B00/planted-slack-Zq7
    mirror: https://user:planted-annotationurl-Zq7@mirror.example/
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      serviceAccountName: robot
      automountServiceAccountToken: true
      initContainers:
      - {name: init, image: 'busybox:latest', env: [{name: INIT_PASSWORD, value: planted-initenv-Zq7}]}
      containers:
      - name: web
        image: nginx:latest
        env:
        - name: DB_PASSWORD
          value: planted-env-Zq7
        - {name: API_KEY, value: planted-envflow-Zq7}
        - name: PLAIN
          value: planted-envplain-Zq7
        - name: AWS_SECRET_ACCESS_KEY
          value: planted-aws-Zq7
        - name: DSN
          value: mysql://root:planted-dsn-Zq7@db/x
        - name: PRIVATE_KEY
          value: |
            -----BEGIN RSA PRIVATE KEY-----
            planted-pem-Zq7
            -----END RSA PRIVATE KEY-----
        command: [sh, -c, "PGPASSWORD=planted-command-Zq7 psql"]
        args:
        - --password=planted-argequals-Zq7
        - --token
        - planted-argnext-Zq7
        - --api-key planted-argspace-Zq7
        - https://u:planted-argurl-Zq7@host/
        - "curl -H 'Authorization: Bearer planted-bearer-Zq7' http://x"
        - "curl -u admin:planted-basic-Zq7 http://x"
        - eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.planted-jwt-Zq7
        securityContext:
          privileged: true
          runAsUser: 0
        livenessProbe:
          httpGet:
            path: /
            port: 80
            httpHeaders:
            - name: Authorization
              value: planted-probe-Zq7
        lifecycle:
          postStart:
            exec: {command: ["register", "--token", "planted-hook-Zq7"]}
      volumes:
      - name: host
        hostPath: {path: /}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: job
            image: job
            env:
              - name: TOKEN
                value: "planted-cron-Zq7"
            securityContext: {privileged: true}
---
apiVersion: example.com/v1
kind: Thing
metadata: {name: custom}
spec:
  template:
    spec:
      containers: [{name: a, image: a, env: [{name: A, value: planted-custom-Zq7}], securityContext: {privileged: true}}]
""",
    "manifests/list.json": """\
{"apiVersion": "v1", "kind": "List", "items": [
 {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "planted-json-Zq7"}},
 {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [
  {"name": "c", "image": "c", "env": [{"name": "A", "value": "planted-jsonenv-Zq7"}],
   "securityContext": {"privileged": true}}]}}]}
""",
    "manifests/broken.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: broken}
stringData:
  password: planted-broken-Zq7
   token: "planted-brokentoken-Zq7
""",
    "manifests/duplicate.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: twice}
stringData:
  twice: planted-first-Zq7
  twice: planted-duplicate-Zq7
---
kind: Secret
apiVersion: [planted-apiversion-Zq7]
stringData: planted-malformed-Zq7
""",
    "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    "chart/values.yaml": """\
auth:
  password: planted-values-Zq7
  username: app
env:
  FOO: planted-valuesenv-Zq7
extraEnv:
  - name: A
    value: planted-extraenv-Zq7
securityContext:
  privileged: true
apiToken: planted-valuestoken-Zq7
connectionString: Server=x;Password=planted-connection-Zq7
""",
    "chart/templates/all.yaml": """\
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  fixed: planted-template-Zq7
  password: {{ .Values.auth.password | default "planted-default-Zq7" }}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: web
      args: ["--token", {{ .Values.apiToken | quote }}, "--dsn={{ .Values.connectionString }}"]
      env:
        - name: LITERAL
          value: planted-templateenv-Zq7
        {{- range $k, $v := .Values.env }}
        - name: {{ $k }}
          value: {{ $v }}
        {{- end }}
        {{- toYaml .Values.extraEnv | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
""",
    "overlay/kustomization.yaml": """\
resources: [pod.yaml]
secretGenerator:
- name: generated
  literals:
  - password=planted-literal-Zq7
configMapGenerator:
- name: settings
  literals: [token=planted-configliteral-Zq7]
patches:
- patch: |-
    apiVersion: v1
    kind: Pod
    metadata: {name: patched}
    spec:
      hostPID: true
      containers:
      - name: a
        env:
        - name: A
          value: planted-patch-Zq7
- target: {kind: Pod}
  patch: |-
    - op: add
      path: /spec/containers/0/env/-
      value: {name: B, value: planted-jsonpatch-Zq7}
""",
    "overlay/pod.yaml": """\
apiVersion: v1
kind: Pod
metadata: {name: patched}
spec:
  containers:
  - name: a
    image: a
    env:
    - {name: Z, value: planted-base-Zq7}
    securityContext: {privileged: true}
""",
    "terraform/main.tf": """\
provider "kubernetes" {
  token = "planted-provider-Zq7"
}
resource "kubernetes_secret" "s" {
  metadata { name = "s" }
  data = {
    password = "planted-tfsecret-Zq7"
    other = <<-EOT
      planted-heredoc-Zq7
    EOT
  }
}
resource "kubernetes_pod" "p" {
  metadata { name = "p" }
  spec {
    container {
      name  = "a"
      image = "a"
      args  = ["--password", "planted-tfargs-Zq7"]
      env {
        name  = "A"
        value = "planted-tfenv-Zq7"
      }
      security_context {
        privileged = true
      }
    }
  }
}
""",
}
BROKEN = {
    "patch/kustomization.yaml": """\
resources: [pod.yaml]
patches:
- patch: |-
    kind: Secret
    stringData: {a: planted-a-Zq7
""",
    "patch/pod.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: a}}",
    "remote/kustomization.yaml": "resources: ['https://user:planted-b-Zq7@example.com/x?token=planted-c-Zq7']\n",
    "says/Chart.yaml": "{apiVersion: v2, name: a, version: 1.0.0}",
    "says/values.yaml": "auth: {password: planted-d-Zq7}\n",
    "says/templates/a.yaml": "{{ fail (print .Values.auth.password) }}\n",
    "dates/Chart.yaml": "{apiVersion: v2, name: a, version: 1.0.0}",
    "dates/values.yaml": "token: planted-e-Zq7\n",
    "dates/templates/a.yaml": 'a: {{ mustToDate "2006" .Values.token }}\n',
    "text.json": '{"kind": "Secret", "stringData": {"a": "planted-f-Zq7" "b"}}',
    "quote.yaml": 'kind: Secret\nstringData:\n  a: "planted-g-Zq7\\q"\n',
    "main.tf": 'resource "kubernetes_secret" "a" {\n data = { a = "planted-h-Zq7" "planted-i-Zq7" }\n}\n',
}
EXTRAS = frozenset(Extra) - {Extra.SOURCE}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("planted")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"BASE64\((.*?)\)(?=[},\s])", lambda m: base64.b64encode(m[1].encode()).decode(), text))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def assessments(here: Path) -> list[Assessment]:
    assert here.is_dir()
    paths = tuple(sorted({name.partition("/")[0] for name in FILES}))
    assessments = [
        scan(ScanRequest(ScanInput(paths=paths, snapshot=snapshot), needs=ReportNeeds(extras=EXTRAS)))
        for snapshot in (False, True)
    ]
    return [
        msgspec.structs.replace(assessment, source=SourceRepository("github.com/a/b")) for assessment in assessments
    ]


def needles() -> Iterator[str]:
    """Return every secret, plain and in base64 at each of its three alignments."""
    for text in (*FILES.values(), *BROKEN.values()):
        for match in PLANTED.finditer(text):
            yield match[0]
            yield urllib.parse.quote(match[0], safe="")
            for shift in range(3):
                encoded = base64.b64encode(b"\0" * shift + match[0].encode()).decode()
                yield encoded[4 if shift else 0 : -4]


NEEDLES = frozenset(needles())


def leaks(text: str) -> list[str]:
    return sorted(needle for needle in NEEDLES if needle in text)


def test_secrets_are_planted_next_to_findings(assessments: list[Assessment]) -> None:
    assert len({match[0] for text in FILES.values() for match in PLANTED.finditer(text)}) >= 60
    files = {
        evidence.location.file
        for rows in assessments[0].group_findings().values()
        for finding in rows
        for evidence in finding.evidence
        if evidence.location
    }
    assert files >= {name for name in FILES if "broken" not in name and "kustomization" not in name} - {
        "chart/Chart.yaml",
        "chart/values.yaml",
        "manifests/duplicate.yaml",
    }
    excerpts = [
        evidence.excerpt
        for result in assessments[0].results
        for verdict in result.verdicts.values()
        for evidence in verdict.evidence
    ]
    assert sum(excerpt is not None for excerpt in excerpts) > 100


@pytest.mark.parametrize("name", reports.names())
@pytest.mark.parametrize("options", [ReportOptions(), ReportOptions(colour=True, links=True, verbose=True, width=300)])
def test_no_format_contains_a_secret(name: str, options: ReportOptions, assessments: list[Assessment]) -> None:
    for assessment in assessments:
        text = render_text(name, assessment, options)
        assert text
        assert leaks(text) == []


def test_no_excerpt_or_message_contains_a_secret(assessments: list[Assessment]) -> None:
    for assessment in assessments:
        for result in assessment.results:
            for slug, verdict in result.verdicts.items():
                for evidence in verdict.evidence:
                    assert leaks(repr(evidence)) == [], slug
                assert leaks(repr(verdict.reason)) == [], slug
        assert leaks(repr(assessment.unread)) == []
        assert leaks(repr(assessment.notes)) == []


def test_terminal_output_contains_no_secret(here: Path) -> None:
    assert here.is_dir()
    for words in (["scan", "-v", "."], ["fix", "--dry-run", "manifests/broken.yaml", "manifests/secrets.yaml"]):
        result = CliRunner().invoke(kubekeep, words)
        assert leaks(result.output) == []


def test_errors_do_not_repeat_unreadable_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in BROKEN.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    unread = scan(ScanRequest(ScanInput(paths=(".",)))).unread
    assert {entry.location.file.partition("/")[0] for entry in unread} == {name.partition("/")[0] for name in BROKEN}
    assert leaks(repr(unread)) == []
