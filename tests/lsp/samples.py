"""Manifests of the tests of the language server. All content is fictitious."""

from __future__ import annotations

from pathlib import Path
from typing import Final

POD: Final = """\
apiVersion: v1
kind: Pod
metadata:
  name: debug
  namespace: shop
spec:
  containers:
    - name: shell
      image: registry.example.com/shell:1.0
      securityContext:
        privileged: true
"""
HARDENED: Final = POD.replace("privileged: true", "privileged: false")
ROLE: Final = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get, list]
"""
BINDING: Final = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
  - kind: ServiceAccount
    name: robot
    namespace: shop
"""
TEMPLATE: Final = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  hostNetwork: {{ .Values.pod.hostNetwork }}
  containers:
    - name: web
      image: {{ .Values.image }}
      securityContext:
        privileged: false
"""
VALUES: Final = """\
image: registry.example.com/web:1.0
pod:
  hostNetwork: true
"""


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def write_chart(folder: Path) -> Path:
    """Write a chart `web` with one pod and return the folder."""
    chart = {"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": VALUES}
    files = {**chart, "templates/pod.yaml": TEMPLATE}
    return write_files(folder, {f"web/{name}": text for name, text in files.items()})


def find_line(text: str, part: str) -> int:
    """Return the number of the first line with a part, from 0."""
    return next(number for number, line in enumerate(text.splitlines()) if part in line)
