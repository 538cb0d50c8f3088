"""Namespaces that whoever installs a chart will choose, told from those that somebody has decided on."""

from __future__ import annotations

from pathlib import Path

from kubekeep.model.resource import Resource
from kubekeep.sources.options import HelmOptions
from tests.sources.helm.reading import chart, read

TEMPLATES: dict[str, str | bytes] = {
    "values.yaml": "namespace: default\n",
    "templates/_names.tpl": '{{- define "here" -}}\n{{ .Release.Namespace }}\n{{- end -}}\n',
    "templates/binding.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: binding
  namespace: {{ .Release.Namespace }}
subjects:
- {kind: ServiceAccount, name: spelled, namespace: default}
- {kind: ServiceAccount, name: "{{ .Release.Name }}", namespace: {{ include "here" . }}}
- kind: ServiceAccount
  name: helped
  namespace: {{ include "here" . | quote }}
- kind: ServiceAccount
  name: valued
  namespace: {{ .Values.namespace }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}
""",
    "templates/role.yaml": """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: role
  namespace: default
""",
    "templates/account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: account\n",
}


def later(folder: Path, renderer: str | None, options: HelmOptions) -> dict[str, object]:
    """By kind, the paths of namespaces that are left open."""
    resources, unread = read(chart(folder, TEMPLATES), renderer, options=options)
    assert unread == []
    return {item.kind: item.release_namespace_paths for item in resources if isinstance(item, Resource)}


def test_what_a_template_takes_from_the_release_is_left_open(renderer: str | None, tmp_path: Path) -> None:
    found = later(tmp_path / "c", renderer, HelmOptions())
    binding = found.pop("RoleBinding")
    assert isinstance(binding, tuple)
    assert set(binding) == {
        ("metadata", "namespace"),
        ("subjects", 1, "namespace"),
        ("subjects", 2, "namespace"),
    }
    assert found == {"Role": (), "ServiceAccount": ()}


def test_a_namespace_that_was_named_is_settled(renderer: str | None, tmp_path: Path) -> None:
    found = later(tmp_path / "c", renderer, HelmOptions(namespace="default"))
    assert set(found.values()) == {None}
