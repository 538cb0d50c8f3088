"""Risks of fixed settings for programs that were built without them. Reads plans only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from kubekeep.fixes.proposed_changes import ControlFinding
from kubekeep.model.location import Path, parse_path
from kubekeep.model.workload import value_at_or

_NON_ROOT: Final = "runAsNonRoot"
_RISKS: Final[Mapping[str, str]] = {
    _NON_ROOT: "the container does not start if its image runs as root; set runAsUser to a user of the image",
    "readOnlyRootFilesystem": "the program fails if it writes to its root file system; mount an emptyDir where it writes",
}
"""Risks of fields that a fix sets to true."""


def find_risks(fixed: Iterable[ControlFinding]) -> dict[str, list[ControlFinding]]:
    """Return the fixed findings whose change can stop a program, each field once, by the text of the risk."""
    by_risk: dict[str, dict[tuple[int, str], ControlFinding]] = {}
    for finding in fixed:
        path = parse_path(finding.evidence.path)
        field = str(path[-1]) if path else ""
        is_set = field in _RISKS and finding.evidence.fix is not None and json.loads(finding.evidence.fix) is True
        if is_set and not (field == _NON_ROOT and _has_user(finding, path)):
            text = f"{field}: {_RISKS[field]}"
            by_risk.setdefault(text, {}).setdefault((id(finding.resource), finding.evidence.path), finding)
    return {text: list(findings.values()) for text, findings in by_risk.items()}


def _has_user(finding: ControlFinding, path: Path) -> bool:
    """Return True if the container, or its pod, sets another user than root."""
    pod = next((path[:index] for index, step in enumerate(path) if str(step).endswith("ontainers")), path[:-2])
    own = value_at_or(finding.resource.object, (*path[:-1], "runAsUser"), None)
    shared = value_at_or(finding.resource.object, (*pod, "securityContext", "runAsUser"), None)
    return bool(shared if own is None else own)
