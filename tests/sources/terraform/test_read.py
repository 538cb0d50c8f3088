"""Terraform modules as objects: their content, the locations of values, and values known only after apply."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.sources.inputs import read
from kubekeep.sources.source import Root
from kubekeep.sources.terraform.read import TERRAFORM, read_modules

WEB = """\
variable "image" {
  type    = string
  default = "nginx:1.25"
}

locals {
  labels     = { app = "web", tier = 1 }
  privileged = true
}

resource "kubernetes_namespace" "shop" {
  metadata {
    name = "shop"
  }
}

resource "kubernetes_deployment_v1" "web" {
  metadata {
    name      = "web"
    namespace = kubernetes_namespace.shop.metadata[0].name
    labels    = merge(local.labels, { extra = "x" })
  }
  spec {
    replicas = "3"
    selector {
      match_labels = local.labels
    }
    template {
      metadata {
        labels = local.labels
      }
      spec {
        host_network = true
        container {
          name  = "web"
          image = var.image
          args  = ["-p", 80]
          security_context {
            privileged  = local.privileged
            run_as_user = "0"
            capabilities {
              add = ["SYS_ADMIN"]
            }
          }
          dynamic "env" {
            for_each = { A = 1, B = "two" }
            content {
              name  = env.key
              value = env.value
            }
          }
          resources {
            limits = { cpu = 1, memory = "1Gi" }
          }
          liveness_probe {
            http_get {
              path = "/"
              port = 80
            }
          }
        }
        volume {
          name = "keys"
          secret {
            secret_name  = "keys"
            default_mode = "0400"
          }
        }
      }
    }
  }
}
"""


def read_files(folder: Path, **files: str) -> list[Resource | UnreadInput]:
    """Write files into folder and read the module in it. In names, `__` is a slash and `_tf` the file extension."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_tfvars", ".tfvars").replace("_tf", ".tf")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(read_modules([Root("terraform", str(folder), ".", str(folder))]))


def get_objects(results: Sequence[Subject | UnreadInput]) -> list[dict[str, Any]]:
    """Return the objects among results."""
    return [result.object for result in results if isinstance(result, Resource)]


def get_messages(results: Sequence[Subject | UnreadInput]) -> list[str]:
    """Return location and message of each problem among results."""
    return [f"{result.location} {result.message}" for result in results if isinstance(result, UnreadInput)]


def locate(resource: Resource, path: str) -> str:
    """Return the location of a path in a resource as text."""
    return str(resource.locate(parse_path(path)))


def test_typed_resources_become_objects(tmp_path: Path) -> None:
    results = read_files(tmp_path, main_tf=WEB)
    assert get_messages(results) == []
    assert get_objects(results)[0] == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert get_objects(results)[1] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "1", "extra": "x"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web", "tier": "1"}},
            "template": {
                "metadata": {"labels": {"app": "web", "tier": "1"}},
                "spec": {
                    "hostNetwork": True,
                    "containers": [
                        {
                            "name": "web",
                            "image": "nginx:1.25",
                            "args": ["-p", "80"],
                            "securityContext": {
                                "privileged": True,
                                "runAsUser": 0,
                                "capabilities": {"add": ["SYS_ADMIN"]},
                            },
                            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "two"}],
                            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
                            "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
                        }
                    ],
                    "volumes": [{"name": "keys", "secret": {"secretName": "keys", "defaultMode": 0o400}}],
                },
            },
        },
    }


def test_values_have_locations(tmp_path: Path) -> None:
    web = read_files(tmp_path, main_tf=WEB)[1]
    assert isinstance(web, Resource)
    assert web.source is not None
    assert (web.source.path, web.source.document, web.source.file_type) == ("main.tf", 1, TERRAFORM)
    container = "spec.template.spec.containers[0]"
    snippets = {
        "": 'resource "kubernetes_deployment_v1"',
        "metadata.labels.tier": "tier = 1",
        "metadata.labels.extra": "extra =",
        "spec.template.spec.hostNetwork": "host_network",
        f"{container}.securityContext.capabilities.add[0]": "SYS_ADMIN",
        f"{container}.securityContext.readOnlyRootFilesystem": "security_context {",
        f"{container}.securityContext.privileged": "privileged  = local",
        f"{container}.env[1].value": "env.value",
        f"{container}.image": "image = var",
        f"{container}.ports": "container {",
    }
    assert {path: locate(web, path) for path in snippets} == {
        path: f"main.tf:{WEB[: WEB.index(text)].count(chr(10)) + 1}" for path, text in snippets.items()
    }
    privileged = web.locate(parse_path(f"{container}.securityContext.privileged"))
    assert privileged is not None
    assert str(privileged.setting) == "main.tf:8 local.privileged"
    image = web.locate(parse_path(f"{container}.image"))
    assert image is not None
    assert image.region is not None
    assert (image.region.start.column, image.region.end.column) == (11, 28)
    assert str(image.setting) == "main.tf:3 var.image"


def test_heredoc_manifest_keeps_its_lines(tmp_path: Path) -> None:
    text = """\
resource "kubernetes_manifest" "pods" {
  for_each = toset(["b", "a"])
  manifest = yamldecode(<<-EOT
    apiVersion: v1
    kind: Pod
    metadata:
      name: ${each.key}
    spec:
      hostPID: true
  EOT
  )
}
"""
    results = read_files(tmp_path, main_tf=text)
    assert [resource_object["metadata"]["name"] for resource_object in get_objects(results)] == ["a", "b"]
    first = results[0]
    assert isinstance(first, Resource)
    location = first.locate(("spec", "hostPID"))
    assert location is not None
    assert location.region is not None
    assert (str(location), location.region.start.column) == ("main.tf:9", 7)


def test_file_manifest_is_located_in_the_file(tmp_path: Path) -> None:
    text = 'resource "kubectl_manifest" "p" {\n  yaml_body = file("${path.module}/pod.yaml")\n}\n'
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec: {}\n")
    results = read_files(tmp_path, main_tf=text)
    assert isinstance(results[0], Resource)
    assert locate(results[0], "metadata.name") == "pod.yaml:4"
    assert locate(results[0], "spec.hostNetwork") == "pod.yaml:5"


def test_manifest_object_is_read(tmp_path: Path) -> None:
    text = 'resource "kubernetes_manifest" "x" {\n  manifest = {\n    "apiVersion" = "v1"\n    kind = "Service"\n'
    text += "    spec = {\n      ports = [{\n        port = 80\n        }]\n    }\n  }\n}\n"
    results = read_files(tmp_path, main_tf=text)
    assert get_objects(results) == [{"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}]
    assert isinstance(results[0], Resource)
    assert locate(results[0], "spec.ports[0].port") == "main.tf:7"
    assert locate(results[0], "metadata") == "main.tf:2"


def test_unknown_fields_are_listed_and_left_out(tmp_path: Path) -> None:
    text = """\
variable "tag" {}
resource "kubernetes_pod" "p" {
  metadata {
    name = data.external.x.result.name
  }
  spec {
    container {
      name  = "a"
      image = "app:${var.tag}"
      args  = ["--port", aws_lb.x.port]
    }
  }
}
"""
    results = read_files(tmp_path, main_tf=text)
    assert get_objects(results) == [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "a"}]}}
    ]
    assert isinstance(results[0], Resource)
    container = ("spec", "containers", 0)
    assert results[0].unknown == (("metadata", "name"), (*container, "image"), (*container, "args"))
    assert get_messages(results) == [
        "main.tf:4 metadata.name is not known before apply: data.external.x.result.name is computed by Terraform",
        "main.tf:9 spec.containers[0].image is not known before apply: var.tag has no value",
        "main.tf:10 spec.containers[0].args is not known before apply: aws_lb.x.port is computed by Terraform",
    ]


def test_unknown_count_gives_one_object(tmp_path: Path) -> None:
    text = 'variable "n" {}\nresource "kubernetes_namespace" "x" {\n  count = var.n\n  metadata {\n'
    results = read_files(tmp_path, main_tf=f'{text}    name = "n-${{count.index}}"\n  }}\n}}\n')
    assert get_objects(results) == [{"apiVersion": "v1", "kind": "Namespace", "metadata": {}}]
    assert get_messages(results)[0] == "main.tf:3 the number of instances is not known before apply: var.n has no value"


def test_values_files_override_defaults(tmp_path: Path) -> None:
    main = 'variable "a" { default = "d" }\nvariable "b" {}\nresource "kubernetes_config_map" "c" {\n  metadata {\n'
    main += '    name = "c"\n  }\n  data = {\n    a = var.a\n    b = var.b\n  }\n}\n'
    results = read_files(tmp_path, main_tf=main, terraform_tfvars='a = "t"\nb = "t"\n', z__unused_tf="")
    assert get_objects(results)[0]["data"] == {"a": "t", "b": "t"}
    (tmp_path / "last.auto.tfvars").write_text('\nb = "auto"\n')
    results = read_files(tmp_path)
    assert get_objects(results)[0]["data"] == {"a": "t", "b": "auto"}
    assert isinstance(results[0], Resource)
    location = results[0].locate(("data", "b"))
    assert location is not None
    assert str(location.setting) == "last.auto.tfvars:2 var.b"


CHILD = """\
variable "name" {}
variable "settings" {
  type = object({ a = optional(number), b = optional(string, "dflt") })
}
resource "kubernetes_service_account_v1" "sa" {
  count = 2
  metadata {
    name        = format("%s-%02d", var.name, count.index)
    annotations = { for k, v in var.settings : upper(k) => v if v != null }
  }
  automount_service_account_token = var.settings.a == 1 ? "false" : true
}
output "account" {
  value = kubernetes_service_account_v1.sa[1].metadata.0.name
}
"""


def test_local_modules_are_read_with_their_arguments(tmp_path: Path) -> None:
    main = 'module "app" {\n  for_each = toset(["x", "y"])\n  source   = "./app"\n  name     = each.value\n'
    main += '  settings = { a = "1" }\n}\nmodule "one" {\n  source = "./app"\n  name = "z"\n  settings = {}\n}\n'
    main += 'resource "kubernetes_cluster_role_binding" "b" {\n  metadata {\n    name = "b"\n  }\n  role_ref {\n'
    main += (
        '    api_group = "rbac.authorization.k8s.io"\n    kind = "ClusterRole"\n    name = "view"\n  }\n  subject {\n'
    )
    main += '    kind = "ServiceAccount"\n    name = module.one.account\n    namespace = "default"\n  }\n}\n'
    results = read_files(tmp_path, main_tf=main, app__main_tf=CHILD)
    assert get_messages(results) == []
    accounts = get_objects(results)[:-1]
    assert [resource_object["metadata"]["name"] for resource_object in accounts] == [
        "x-00",
        "x-01",
        "y-00",
        "y-01",
        "z-00",
        "z-01",
    ]
    assert accounts[0]["metadata"]["annotations"] == {"A": "1", "B": "dflt"}
    assert [resource_object["automountServiceAccountToken"] for resource_object in accounts] == [False] * 4 + [True] * 2
    assert get_objects(results)[-1]["subjects"] == [{"kind": "ServiceAccount", "name": "z-01", "namespace": "default"}]
    resources = [resource for resource in results if isinstance(resource, Resource)]
    assert locate(resources[0], "metadata.name") == "app/main.tf:8"
    assert len({resource.id for resource in resources}) == len(resources)


def test_child_module_is_not_a_root(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.tf").write_text(CHILD)
    (tmp_path / "main.tf").write_text('module "a" {\n  source = "./app"\n  name = "n"\n  settings = {}\n}\n')
    base = str(tmp_path)
    folders = [Root("terraform", str(tmp_path / "app"), "app", base), Root("terraform", base, ".", base)]
    assert [resource_object["metadata"]["name"] for resource_object in get_objects(list(read_modules(folders)))] == [
        "n-00",
        "n-01",
    ]
    (tmp_path / "main.tf").unlink()
    alone = list(read_modules(folders[:1]))
    assert [resource_object["kind"] for resource_object in get_objects(alone)] == ["ServiceAccount"] * 2
    assert "var.name has no value" in get_messages(alone)[1]


@pytest.mark.parametrize(
    ("expression", "expected"), [("7 % 3", "1"), ("-7 % 3", "-1"), ("7 % -3", "1"), ("10 / 4", "2.5")]
)
def test_arithmetic_follows_hcl(tmp_path: Path, expression: str, expected: str) -> None:
    text = 'resource "kubernetes_config_map" "c" {\n  metadata {}\n  data = { v = ' + expression + " }\n}\n"
    assert get_objects(read_files(tmp_path, main_tf=text))[0]["data"] == {"v": expected}


def test_secret_data_is_encoded_in_base64(tmp_path: Path) -> None:
    text = (
        'resource "kubernetes_secret_v1" "s" {\n  metadata {\n    name = "s"\n  }\n  data = {\n    a = "hunter2"\n  }\n'
    )
    results = read_files(tmp_path, main_tf=f'{text}  binary_data = {{\n    b = "AAE="\n  }}\n}}\n')
    assert isinstance(results[0], Resource)
    assert results[0].object["data"] == {"a": base64.b64encode(b"hunter2").decode(), "b": "AAE="}
    assert locate(results[0], "data.a") == "main.tf:6"


def test_json_syntax_is_read(tmp_path: Path) -> None:
    text = """{
  "variable": {"n": {"default": "web", "type": "string"}},
  "resource": {"kubernetes_pod": {"p": {
    "metadata": {"name": "${var.n}", "labels": {"a_b": "c"}},
    "spec": {
      "host_pid": true,
      "node_selector": {"a_b": "b"},
      "container": [
        {"name": "a", "image": "x:${var.n}"},
        {"name": "b", "image": "$${y}"}
      ]
    }
  }}}
}
"""
    (tmp_path / "main.tf.json").write_text(text)
    results = read_files(tmp_path)
    assert get_objects(results) == [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "labels": {"a_b": "c"}},
            "spec": {
                "hostPID": True,
                "nodeSelector": {"a_b": "b"},
                "containers": [{"name": "a", "image": "x:web"}, {"name": "b", "image": "${y}"}],
            },
        }
    ]
    assert isinstance(results[0], Resource)
    assert locate(results[0], "spec.containers[1].image") == "main.tf.json:10"


def test_json_selector_may_be_a_template(tmp_path: Path) -> None:
    spec = '{"selector": "${local.labels}"}'
    text = '{"locals": {"labels": {"a": "b"}}, "resource": {"kubernetes_service": {"s": {"spec": ' + spec + "}}}}"
    (tmp_path / "main.tf.json").write_text(text)
    assert get_objects(read_files(tmp_path)) == [
        {"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"a": "b"}}}
    ]


@pytest.mark.parametrize(
    "text",
    [
        'resource "aws_instance" "x" {\n  ami = "y"\n}\n',
        'module "vpc" {\n  source = "terraform-aws-modules/vpc/aws"\n}\n',
        'resource "kubernetes_labels" "x" {\n  api_version = "v1"\n}\n',
        'data "kubernetes_pod" "x" {\n  metadata {\n    name = "y"\n  }\n}\n',
    ],
)
def test_other_resources_give_nothing(tmp_path: Path, text: str) -> None:
    assert read_files(tmp_path, main_tf=text) == []


def test_module_without_kubernetes_is_not_parsed(tmp_path: Path) -> None:
    assert read_files(tmp_path, main_tf="this is { no Terraform\n") == []


def test_unsupported_resources_are_reported(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    text = 'resource "helm_release" "x" {\n  name = "x"\n  chart = "./chart"\n}\n'
    text += 'resource "helm_release" "y" {\n  name = "y"\n  chart = "redis"\n}\n'
    text += 'resource "kubernetes_gateway_v9" "z" {\n}\n'
    assert get_messages(read_files(tmp_path, main_tf=text)) == [
        "main.tf:3 the chart './chart' was not rendered with the values of the release",
        "main.tf:5 the chart comes from elsewhere and was not read: scan its repository too",
        "main.tf:9 not evaluated: resource type kubernetes_gateway_v9 is not supported",
    ]


def test_modules_and_charts_from_elsewhere_are_not_assessed(tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "main.tf").write_text('resource "kubernetes_namespace" "a" {\n}\n')
    (tmp_path / "main.tf").write_text(
        'module "local" {\n  source = "./local"\n}\n'
        'module "network" {\n  source = "example/network/aws"\n}\n'
        'module "agent" {\n  source = "git::https://user:Staple1@git.example.com/agent.git"\n  count = 2\n}\n'
        'resource "helm_release" "cache" {\n  chart = "redis"\n}\n'
        'resource "helm_release" "shop" {\n  chart = var.chart\n}\n'
    )
    results = list(read([str(tmp_path)]))
    assert [resource.kind for resource in results if isinstance(resource, Resource)] == ["Namespace"]
    parts = [part for part in results if isinstance(part, UnreadInput)]
    assert all(isinstance(part, UnassessedInput) for part in parts)
    file = str(tmp_path / "main.tf")
    assert [f"{part.location} {part.message}" for part in parts] == [
        f"{file}:{line} the {kind} comes from elsewhere and was not read: scan its repository too"
        for line, kind in ((4, "module"), (7, "module"), (11, "chart"), (14, "chart"))
    ]


def test_irregular_resources_become_objects(tmp_path: Path) -> None:
    text = """\
resource "kubernetes_persistent_volume" "pv" {
  metadata {
    name = "pv"
  }
  spec {
    capacity = { storage = "1Gi" }
    persistent_volume_source {
      host_path {
        path = "/data"
      }
    }
  }
}
resource "kubernetes_network_policy" "np" {
  metadata {
    name = "np"
  }
  spec {
    pod_selector {}
    ingress {
      from {
        ip_block {
          cidr = "10.0.0.0/8"
        }
      }
      ports {
        port     = "8080"
        protocol = "TCP"
      }
      ports {
        port = "http"
      }
    }
    policy_types = ["Ingress"]
  }
}
resource "kubernetes_pod" "p" {
  metadata {
    name = "p"
  }
  spec {
    volume {
      name = "all"
      projected {
        sources {
          secret {
            name = "a"
          }
          secret {
            name = "b"
          }
          config_map {
            name = "c"
          }
        }
      }
    }
  }
}
resource "kubernetes_daemonset" "d" {
  metadata {
    name = "d"
  }
  spec {
    strategy {
      type = "OnDelete"
    }
  }
}
resource "kubernetes_horizontal_pod_autoscaler" "h" {
  metadata {
    name = "h"
  }
  spec {
    max_replicas = 3
    metric {
      type = "Resource"
    }
  }
}
"""
    volume, policy, pod, daemon_set, autoscaler = get_objects(read_files(tmp_path, main_tf=text))
    assert volume["spec"] == {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}
    assert policy["spec"] == {
        "podSelector": {},
        "ingress": [
            {
                "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                "ports": [{"port": 8080, "protocol": "TCP"}, {"port": "http"}],
            }
        ],
        "policyTypes": ["Ingress"],
    }
    assert pod["spec"]["volumes"][0]["projected"]["sources"] == [
        {"secret": {"name": "a"}},
        {"secret": {"name": "b"}},
        {"configMap": {"name": "c"}},
    ]
    assert daemon_set["spec"] == {"updateStrategy": {"type": "OnDelete"}}
    assert (autoscaler["apiVersion"], autoscaler["spec"]["metrics"]) == ("autoscaling/v2beta2", [{"type": "Resource"}])


@pytest.mark.parametrize("text", ["", "\n", "a=1", "a{}", "#", "# kubernetes_\r\na = 1\r\n", "\ufeffa = 1\n"])
def test_smallest_files_are_read(tmp_path: Path, text: str) -> None:
    results = read_files(tmp_path, a_tf=text, b_tf=WEB)
    assert (len(get_objects(results)), get_messages(results)) == (2, [])


def test_named_file_outside_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("work", "infra/web", "infra/child"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "infra" / ".git").mkdir()
    call = 'module "child" {\n  source = "../child"\n}\n'
    (tmp_path / "infra" / "web" / "main.tf").write_text(call, encoding="utf-8")
    (tmp_path / "infra" / "child" / "main.tf").write_text(WEB, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "work")
    for name in ("../infra/web/main.tf", str(tmp_path / "infra" / "web" / "main.tf")):
        results = list(read([name]))
        assert get_messages(results) == []
        assert len(get_objects(results)) == len(get_objects(read_files(tmp_path / "infra" / "child", main_tf=WEB)))


def test_named_file_reads_nothing_outside_of_its_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("work", "infra", "child"):
        (tmp_path / folder).mkdir()
    (tmp_path / "infra" / "main.tf").write_text('module "child" {\n  source = "../child"\n}\n', encoding="utf-8")
    (tmp_path / "child" / "main.tf").write_text(WEB, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "work")
    results = list(read(["../infra/main.tf"]))
    assert get_objects(results) == []
    assert len(get_messages(results)) == 1
