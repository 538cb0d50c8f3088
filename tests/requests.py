"""Requests for scans in tests, from the options of all parts at once."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.usecases.request import EvaluationOptions, ReportNeeds, RuleOptions, ScanInput, ScanRequest

_PARTS = {"input": ScanInput, "rules": RuleOptions, "evaluation": EvaluationOptions, "needs": ReportNeeds}


ALL_CONTROLS: Final = RuleOptions(frameworks=("allcontrols",))
"""Every numbered control."""


def scan_request(**options: Any) -> ScanRequest:
    """Return a request with `options`, each in the part that has a field of this name; without names, all controls."""
    rules = RuleOptions() if options.get("frameworks") or options.get("controls") else ALL_CONTROLS
    return replaced(ScanRequest(ScanInput(), rules=rules), **options)


def replaced(request: ScanRequest, **options: Any) -> ScanRequest:
    """Return `request` with `options` replaced. Raises TypeError for an option that no part has."""
    parts = {}
    for name, part in _PARTS.items():
        own = {field: options.pop(field) for field in part.__struct_fields__ if field in options}
        parts[name] = msgspec.structs.replace(getattr(request, name), **own)
    if options:
        raise TypeError(f"no part of a request has {', '.join(options)}")
    return ScanRequest(**parts)
