"""Input that is rendered or evaluated first: charts, kustomizations, Terraform modules and GitOps applications."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.hostile.member import SCAN, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import POD, TEXTS, VALUES, damage, dump, mutate

_CHART: Final = {
    "apiVersion": "v2",
    "name": "shop",
    "version": "1.0.0",
    "type": "application",
    "dependencies": [],
    "kubeVersion": ">=1.20",
}
_TEMPLATE: Final = POD.replace("image: nginx", "image: {{ .Values.image }}")


def _chart(name: str, expected: Expected, files: Mapping[str, Content], options: tuple[str, ...] = ()) -> Member:
    """Return the scan of a chart with other files."""
    chart: dict[str, Content] = {
        "Chart.yaml": dump(_CHART),
        "values.yaml": "image: nginx\n",
        "templates/a.yaml": _TEMPLATE,
    }
    chart |= files
    return Member(name, {f"in/{file}": content for file, content in chart.items()}, expected, (*SCAN, *options))


@hostile_class("Chart.yaml")
def chart_files(source: random.Random) -> Iterator[Member]:
    """Descriptions of charts in which one value is of another type."""
    for name, changed in mutate(_CHART, source, 10):
        yield _chart(name, Expected.EITHER, {"Chart.yaml": dump(changed)})
    dependencies: tuple[Any, ...] = (
        [{"name": "../x", "version": "1"}],
        [{"name": "a", "repository": "file:///etc"}],
        [{"name": "a", "repository": "http://127.0.0.1:1/"}],
        [{"name": "a", "alias": "../b"}],
        [None],
        "text",
        [{"name": "shop", "repository": "file://."}],
        [{"name": 5}],
    )
    for value in dependencies:
        yield _chart(
            f"dependencies {json.dumps(value)[:50]}",
            Expected.EITHER,
            {"Chart.yaml": dump({**_CHART, "dependencies": value})},
        )
    for content in ("", "[", "\x00", "a: &a [*a]", Special.FIFO, Link("/dev/zero"), b"\xff\xfe"):
        yield _chart(f"content {str(content)[:20]!r}", Expected.REPORTED, {"Chart.yaml": content})


@hostile_class("values of charts")
def chart_values(source: random.Random) -> Iterator[Member]:
    """Values files and options with values that a template does not expect."""
    del source
    for content in (
        "[",
        "a: &a [*a]",
        "- list",
        "text",
        "\x00",
        "image: {a: [}",
        Special.FIFO,
        Link("/etc/passwd"),
        b"\xff",
        "image: .nan",
    ):
        yield _chart(f"values.yaml {str(content)[:20]!r}", Expected.EITHER, {"values.yaml": content})
    options = (
        "a=",
        "=a",
        "a[=b",
        "a[0]=b",
        "a[99999999999]=b",
        "a[-1]=b",
        "image={",
        "image={a,b}",
        "a.b.c.d=e",
        "image\\=a",
        "image=\x1b[31m",
        "a" * 1000 + "=b",
    )
    for option in options:
        yield _chart(f"--set {option[:30]!r}", Expected.EITHER, {}, ("--set", option))
    for option in (
        "--set-json",
        "--set-file",
        "--set-string",
        "--values",
        "--release-name",
        "--release-namespace",
        "--api-versions",
    ):
        yield _chart(f"{option} /etc/passwd", Expected.EITHER, {}, (option, "image=/etc/passwd"))
        yield _chart(f"{option} brackets", Expected.EITHER, {}, (option, "a={[}"))


@hostile_class("templates of charts")
def templates(source: random.Random) -> Iterator[Member]:
    """Templates that fail, loop, grow, read files or print other than manifests."""
    del source
    texts = (
        "{{",
        "{{ .Values.a.b.c }}",
        '{{ fail "\\x1b[31mowned" }}',
        '{{ include "x" . }}',
        '{{ define "x" }}{{ include "x" . }}{{ end }}{{ include "x" . }}',
        "{{ range until 100000000 }}a{{ end }}",
        '{{ repeat 1000000000 "a" }}',
        '{{ .Files.Get "/etc/passwd" }}',
        '{{ .Files.Get "../../../secret" }}',
        '{{ env "PATH" }}',
        '{{ expandenv "$PATH" }}',
        '{{ getHostByName "example.com" }}',
        '{{ genPrivateKey "rsa" }}',
        '{{ derivePassword 1 "a" "b" "c" "d" }}',
        "a: {{ now }}",
        '{{ tpl (repeat 1000 "{{ tpl . $ }}") . }}',
        '{{ regexMatch "(a*)*$" (repeat 100000 "a") }}',
        "{{ toYaml .Values | nindent 1000000 }}",
        '{{ lookup "v1" "Secret" "" "" }}',
        "apiVersion: v1\nkind: Pod\n# Source: ../../etc/passwd\n",
        "{{ randAlphaNum 1000000 }}",
        '{{ printf "%s" nil }}',
        '{{- $x := dict }}{{- $_ := set $x "x" $x }}{{ toYaml $x }}',
        "\u202e{{ .Chart.Name }}",
        '{{ mustFromJson "{" }}',
        "---\n" * 5_000,
    )
    for number, text in enumerate(texts):
        yield _chart(f"{number} {text[:40]!r}", Expected.EITHER, {"templates/b.yaml": text})


def _kustomization(name: str, expected: Expected, document: Any, **files: Content) -> Member:
    content = document if isinstance(document, str | bytes | Link | Special) else dump(document)
    entries = {f"in/{file}": entry for file, entry in files.items()}
    return Member(name, {"in/kustomization.yaml": content, "in/a.yaml": POD, **entries}, expected)


@hostile_class("kustomizations")
def kustomizations(source: random.Random) -> Iterator[Member]:
    """Kustomizations in which one value is of another type, and references that lead elsewhere."""
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["a.yaml"],
        "namePrefix": "p-",
        "namespace": "n",
        "commonLabels": {"a": "b"},
        "labels": [{"pairs": {"c": "d"}, "includeSelectors": True}],
        "images": [{"name": "nginx", "newTag": "1"}],
        "patches": [
            {"patch": '[{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]', "target": {"kind": "Pod"}}
        ],
        "configMapGenerator": [{"name": "c", "literals": ["a=b"]}],
        "replicas": [{"name": "x", "count": 2}],
        "replacements": [
            {
                "source": {"kind": "Pod", "fieldPath": "metadata.name"},
                "targets": [{"select": {"kind": "Pod"}, "fieldPaths": ["metadata.name"]}],
            }
        ],
    }
    for name, changed in mutate(document, source, 14):
        yield _kustomization(name, Expected.EITHER, changed)
    for reference in (
        "/etc/passwd",
        "../../../secret",
        "https://127.0.0.1:1/a",
        "git::file:///etc",
        ".",
        "..",
        "-",
        "\x1b[31m",
        "a\x00b",
        "missing",
        "x" * 5_000,
    ):
        yield _kustomization(f"resource {reference[:30]!r}", Expected.REPORTED, {**document, "resources": [reference]})
    for content in ("[", "", "text", "a: &a [*a]", Special.FIFO, Link("/dev/zero"), b"\xff\xfe\x00"):
        yield _kustomization(f"content {str(content)[:20]!r}", Expected.REPORTED, content)


def _module(name: str, expected: Expected, text: Content, file: str = "main.tf", **files: Content) -> Member:
    return Member(name, {f"in/{file}": text, **{f"in/{key}": content for key, content in files.items()}}, expected)


_RESOURCE: Final = """\
resource "kubernetes_pod" "a" {
  metadata { name = "a" }
  spec {
    container {
      name  = "a"
      image = @
    }
  }
}
"""
_CONTAINERS: Final = """\
    dynamic "container" {
      for_each = @
      content {
        name = container.value
      }
    }
"""


@hostile_class("Terraform syntax")
def terraform_syntax(source: random.Random) -> Iterator[Member]:
    """Modules with damaged bytes, and text that is no HCL."""
    for name, content in damage(_RESOURCE.replace("@", '"nginx:${1 + 2}"').encode(), source, 30):
        yield _module(name, Expected.EITHER, content)
    texts = (
        "{",
        '"',
        "/*",
        "<<EOF\na",
        'a = "${"',
        "a = [for x in",
        "a = {",
        "resource {",
        'resource "a" {',
        "\x00",
        "a = 0x",
        "(" * 5_000,
        "[" * 5_000,
        "!" * 5_000,
        "a {" * 5_000,
        "${" * 5_000,
        "-" * 50_000,
        'a = "' + "${" * 500,
        "a = <<-" + "E" * 10_000,
    )
    for number, text in enumerate(texts):
        yield _module(f"{number} {text[:20]!r}", Expected.REPORTED, f"{_RESOURCE.replace('@', chr(34) * 2)}\n{text}\n")


@hostile_class("Terraform expressions")
def terraform_expressions(source: random.Random) -> Iterator[Member]:
    """Expressions that never end, grow without bound, read files or refer to themselves."""
    del source
    expressions = (
        'file("/etc/passwd")',
        'file("../../../secret")',
        'filebase64("/dev/zero")',
        'templatefile("/etc/passwd", {})',
        'fileset("/", "**")',
        "1 / 0",
        "9 % 0",
        "2 ** 3",
        'join(",", range(100000000))',
        "range(0, 1, 0.0000001)",
        'format("%999999999s", "a")',
        'format("%.999999999f", 1.0)',
        'replace("aaaa", "/(a*)*$/", "b")',
        'regex("(a|a)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!")',
        'cidrsubnet("0.0.0.0/0", 32, 0)',
        'cidrsubnets("::/0", 128, 128)',
        "setproduct(range(3000), range(3000))",
        'jsondecode("[[[[")',
        'yamldecode("a: &a [*a]")',
        'base64gzip("a")',
        "local.self",
        "var.self",
        "module.x.y",
        "each.value",
        "self.x",
        "path.module",
        "null.a.b",
        '"${local.self}"',
        "[for x in range(100000): [for y in range(100000): x]]",
        "{for x in range(1000000) : x => x}",
        'substr("abc", -1, 99999999999)',
        'strrev("\\u202e")',
        "(" * 300 + "1" + ")" * 300,
        "[" * 300 + "]" * 300,
        "1" + " + 1" * 10_000,
        "true" + " ? true : true" * 1_000,
        "!" * 400 + "true",
        'parseint("9" , 99)',
        "pow(9, 99999)",
        "log(0, 0)",
        'timeadd("x", "y")',
        'bcrypt("a", 31)',
        "uuid()",
        'sha512("a")',
        "a.b[*].c[*].d[*]",
        "9" * 5_000,
        'formatdate("x", "y")',
        'lookup({}, "a")',
        "element([], 0)",
        "chunklist([1], 0)",
    )
    for number, expression in enumerate(expressions):
        text = f"locals {{\n  self = local.self\n}}\n{_RESOURCE.replace('@', expression)}"
        yield _module(f"{number} {expression[:40]}", Expected.EITHER, text)
    squares = "\n".join(f"  v{n} = local.v{n - 1} * local.v{n - 1}" for n in range(1, 60))
    doubles = "\n".join(f'  v{n} = "${{local.v{n - 1}}}${{local.v{n - 1}}}"' for n in range(1, 60))
    lists = "\n".join(f"  v{n} = [local.v{n - 1}, local.v{n - 1}]" for n in range(1, 60))
    for name, rows, first in (
        ("squares", squares, "9"),
        ("doubled texts", doubles, '"a"'),
        ("doubled lists", lists, "[1]"),
    ):
        yield _module(
            name, Expected.EITHER, f"locals {{\n  v0 = {first}\n{rows}\n}}\n{_RESOURCE.replace('@', 'local.v59')}"
        )


@hostile_class("Terraform modules")
def terraform_modules(source: random.Random) -> Iterator[Member]:
    """Modules that call themselves or others without end, and blocks with values of other types."""
    del source
    for path in (
        "./",
        ".",
        "../in",
        "./b",
        "/etc",
        "../../../..",
        "https://127.0.0.1:1/a",
        "git::ssh://a/b",
        "./" * 1_000,
        "missing",
        "\\x1b[31m",
    ):
        yield _module(
            f"source {path[:30]}",
            Expected.EITHER,
            f'module "a" {{\n  source = "{path}"\n}}\n{_RESOURCE.replace("@", chr(34) + "a" + chr(34))}',
        )
    counts = ("-1", "1e9", "1000000", '"a"', "null", "[]", "0.5", "true", "{}", "1e400", "local.missing")
    for value in counts:
        body = _RESOURCE.replace("@", '"a"').replace("{\n  metadata", f"{{\n  count = {value}\n  metadata", 1)
        yield _module(f"count {value}", Expected.EITHER, body)
        yield _module(f"for_each {value}", Expected.EITHER, body.replace("count =", "for_each ="))
    for value in ("range(1000000)", "[1, [2]]", "{a = {}}", '"text"', "null", "toset([])"):
        dynamic = _CONTAINERS.replace("@", value)
        yield _module(
            f"dynamic {value}",
            Expected.EITHER,
            _RESOURCE.replace("@", '"a"').replace("    container {", f"{dynamic}    container {{"),
        )
    chain: dict[str, Content] = {f"m{n}/main.tf": f'module "a" {{\n  source = "../m{n + 1}"\n}}\n' for n in range(200)}
    yield _module("chain of modules", Expected.EITHER, 'module "a" {\n  source = "./m0"\n}\n', "main.tf", **chain)
    fan: dict[str, Content] = {
        f"m{n}/main.tf": "".join(f'module "a{k}" {{\n  source = "../m{n + 1}"\n}}\n' for k in range(8))
        for n in range(10)
    }
    yield _module("8^10 modules", Expected.EITHER, 'module "a" {\n  source = "./m0"\n}\n', "main.tf", **fan)


@hostile_class("Terraform in JSON")
def terraform_json(source: random.Random) -> Iterator[Member]:
    """Modules, values files and plans in JSON in which one value is of another type."""
    document = {
        "resource": {
            "kubernetes_pod": {
                "a": {
                    "metadata": {"name": "a", "labels": {"a": "b"}},
                    "spec": [
                        {
                            "container": [
                                {
                                    "name": "a",
                                    "image": "${var.image}",
                                    "security_context": {"privileged": True},
                                    "env": [{"name": "A", "value": "b"}],
                                }
                            ]
                        }
                    ],
                }
            }
        },
        "variable": {"image": {"type": "string", "default": "nginx"}},
        "locals": {"a": ["${1 + 1}"]},
    }
    for name, changed in mutate(document, source, 24):
        yield _module(name, Expected.EITHER, dump(changed), "main.tf.json")
    manifest = {
        "resource": {
            "kubernetes_manifest": {"a": {"manifest": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}}}
        }
    }
    for value in VALUES:
        changed_manifest = {"resource": {"kubernetes_manifest": {"a": {"manifest": value}}}, "variable": manifest}
        yield _module(f"manifest {dump(value)[:30]}", Expected.EITHER, dump(changed_manifest), "main.tf.json")
    plan = {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": "kubernetes_pod.a",
                        "type": "kubernetes_pod",
                        "name": "a",
                        "values": {"metadata": [{"name": "a"}]},
                    }
                ]
            }
        },
    }
    for name, changed in mutate(plan, source, 6):
        yield _module(f"plan: {name}", Expected.EITHER, dump(changed), "plan.json")


@hostile_class("GitOps applications")
def applications(source: random.Random) -> Iterator[Member]:
    """Applications of Argo CD and Flux in which one value is of another type, and paths that lead elsewhere."""
    argo: dict[str, Any] = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "a", "namespace": "argocd"},
        "spec": {
            "source": {
                "repoURL": "https://example.com/a.git",
                "path": "chart",
                "targetRevision": "HEAD",
                "helm": {
                    "releaseName": "a",
                    "valueFiles": ["values.yaml"],
                    "parameters": [{"name": "image", "value": "b"}],
                    "values": "image: c\n",
                    "valuesObject": {"image": "d"},
                },
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "sources": [],
        },
    }
    flux = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": "a"},
        "spec": {
            "chart": {
                "spec": {
                    "chart": "./chart",
                    "sourceRef": {"kind": "GitRepository", "name": "a"},
                    "valuesFiles": ["values.yaml"],
                }
            },
            "values": {"image": "a"},
            "valuesFrom": [{"kind": "ConfigMap", "name": "a"}],
            "targetNamespace": "shop",
        },
    }
    chart: dict[str, Content] = {
        "in/chart/Chart.yaml": dump(_CHART),
        "in/chart/values.yaml": "image: a\n",
        "in/chart/templates/a.yaml": _TEMPLATE,
    }
    for document in (argo, flux):
        for name, changed in mutate(document, source, 9):
            yield Member(f"{document['kind']}: {name}", {"in/app.yaml": dump(changed), **chart}, Expected.EITHER)
    for path in ("../../../secret", "/etc", "", ".", "chart/../..", "\x1b[31m", "chart\x00", "x" * 5_000):
        spec = {**argo["spec"], "source": {**argo["spec"]["source"], "path": path}}
        yield Member(f"path {path[:20]!r}", {"in/app.yaml": dump({**argo, "spec": spec}), **chart}, Expected.EITHER)
    for name in ("terminal", "right to left", "XML"):
        values = {
            **argo["spec"],
            "source": {**argo["spec"]["source"], "helm": {"values": TEXTS[name], "valueFiles": [TEXTS[name]]}},
        }
        yield Member(f"values with {name}", {"in/app.yaml": dump({**argo, "spec": values}), **chart}, Expected.EITHER)
