"""Namespaces taken from an unnamed release, as opposed to namespaces set in the chart or by the user."""

from __future__ import annotations

from pathlib import Path

from kubekeep.model.resource import Resource
from kubekeep.sources.options import HelmOptions
from tests.sources.helm.reading import read_chart, write_chart

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


def get_open_paths(folder: Path, renderer: str | None, options: HelmOptions) -> dict[str, object]:
    """Return the paths of open namespaces by kind."""
    resources, unread = read_chart(write_chart(folder, TEMPLATES), renderer, options=options)
    assert unread == []
    return {resource.kind: resource.release_namespace_paths for resource in resources if isinstance(resource, Resource)}


def test_namespace_from_release_is_open(renderer: str | None, tmp_path: Path) -> None:
    open_paths = get_open_paths(tmp_path / "c", renderer, HelmOptions())
    binding = open_paths.pop("RoleBinding")
    assert isinstance(binding, tuple)
    assert set(binding) == {
        ("metadata", "namespace"),
        ("subjects", 1, "namespace"),
        ("subjects", 2, "namespace"),
    }
    assert open_paths == {"Role": (), "ServiceAccount": ()}


def test_named_namespace_is_not_open(renderer: str | None, tmp_path: Path) -> None:
    open_paths = get_open_paths(tmp_path / "c", renderer, HelmOptions(namespace="default"))
    assert set(open_paths.values()) == {None}
