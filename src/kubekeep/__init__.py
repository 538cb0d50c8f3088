"""Kubekeep: an open platform for Kubernetes security.

    import kubekeep

    assessment = kubekeep.scan("deploy/")
    for finding in assessment.findings:
        print(finding.location, finding.priority.level.label, finding.title)

Importing the package loads nothing else; each name of the API is loaded on first use.
"""

from __future__ import annotations

_MODULES = {
    "Assessment": "kubekeep.model.assessment",
    "Evidence": "kubekeep.model.verdict",
    "Finding": "kubekeep.model.finding",
    "FindingKind": "kubekeep.model.definition",
    "KubekeepError": "kubekeep.model.errors",
    "Location": "kubekeep.model.location",
    "Priority": "kubekeep.model.priority",
    "Resource": "kubekeep.model.resource",
    "Server": "kubekeep.usecases.server",
    "Severity": "kubekeep.model.severity",
    "Status": "kubekeep.model.verdict",
    "VulnerabilityOptions": "kubekeep.vulnerabilities.options",
    "render": "kubekeep.api",
    "scan": "kubekeep.api",
    "scan_cluster": "kubekeep.api",
}
"""The module of each public name; the stub `__init__.pyi` lists the same names for type checkers."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'kubekeep' has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only the first use of the API pays for it

    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
