"""Templates of a new control that passes its own cases and the tests of the library. Writes no files."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

_CONTROL: Final = """\
title: Workloads have an owner label
severity: 5
asks: >-
  Set the label `owner` on each workload. Describe the requirement here.
why: >-
  Describe the risk here.
fix: >-
  Set the label `owner` to the team that is responsible for the workload.
targets: [workload]
"""

_RULE: Final = """\
package kubekeep.controls.{package}

violation contains {{"path": "metadata.labels.owner", "fix": "YOUR_TEAM", "message": message}} if {{
	labels := object.get(input.object, ["metadata", "labels"], {{}})
	object.get(labels, "owner", "") == ""
	message := "the label `owner` is not set"
}}
"""

_FAIL_POD: Final = """\
# paths: ["metadata.labels.owner"]
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
    - name: web
      image: registry.example/web:1.0
"""

_DEPLOYMENT: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    owner: {owner}
spec:
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:1.0
"""


def build_files(area: str, slug: str) -> dict[str, str]:
    """Return the text of each file of the control `area`/`slug`, keyed by path relative to the folder of controls.

    Every path is in the control's own folder. Raises ValueError for names that are not lower-case words joined by `-`.
    """
    for name in (area, slug):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a valid name of a control: use lower-case words joined by -")
    if slug[0].isdigit():
        raise ValueError(f"{slug!r} is not a valid name of a control: it must not begin with a digit")
    folder = f"{area}/{slug}"
    return {
        f"{folder}/control.yaml": _CONTROL,
        f"{folder}/control.rego": _RULE.format(package=slug.replace("-", "_")),
        f"{folder}/cases/fail.pod.yaml": _FAIL_POD,
        f"{folder}/cases/fail.empty-label.yaml": _DEPLOYMENT.format(owner='""'),
        f"{folder}/cases/pass.deployment.yaml": _DEPLOYMENT.format(owner="payments"),
    }
