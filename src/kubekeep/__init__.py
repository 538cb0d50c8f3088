"""Kubekeep: an open platform for Kubernetes security.

    import kubekeep

    assessment = kubekeep.scan("deploy/")
    for finding in assessment.findings:
        print(finding.location, finding.severity.label, finding.title)

Importing the package loads nothing else; each name of the API is loaded on first use from `kubekeep.api`.
"""

from __future__ import annotations

__all__ = [
    "Assessment",
    "Evidence",
    "Finding",
    "FindingKind",
    "KubekeepError",
    "Location",
    "Resource",
    "Severity",
    "Status",
    "render",
    "scan",
    "scan_cluster",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'kubekeep' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only the first use of the API pays for it

    value = globals()[name] = getattr(importlib.import_module("kubekeep.api"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
