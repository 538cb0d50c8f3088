"""The JSON report against a schema of Kubescape's JSON v2, field by field.

The schema is ours and derived from the known format: names, types, optional fields, and no other fields except the
additions it marks. It relies on Draft 2020-12, which evaluates keywords beside `$ref`.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonschema
import msgspec
import pytest
from tests.reports.vulnerable import assess_vulnerable
from tests.requests import ALL_CONTROLS

from kubekeep.model.assessment import Assessment
from kubekeep.model.git import Commit, GitRepository
from kubekeep.reports import ReportOptions, load
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SHAPE: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "assets" / "kubescape-v2.schema.json").read_text())
MOMENT: Final = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
EXAMPLES: Final = Path(__file__).parents[2] / "examples"
ABSENT: Final = {
    "$/exceptionAudit": "only who asks for the audit gets it",
    "$/resourceLabels": "objects are embedded with their labels",
    "metadata/encryptionMetadata": "only in reports that are encrypted",
    "path/fixCommand": "no control has a command for a fix",
    "path/resourceID": "paths lead through `relatedObjects` into the related resource",
}
"""Fields of the schema that these reports do not have, with the reason."""
OURS_ELSEWHERE: Final = {"change"}
"""Additions of ours that only some reports have."""


def documents(assessment: Assessment) -> list[dict[str, Any]]:
    """Return the canonical report, and reports of real scans."""
    requests = (
        ScanRequest(ScanInput(paths=(str(EXAMPLES),)), rules=ALL_CONTROLS),
        ScanRequest(
            ScanInput(paths=(str(EXAMPLES / "attack-paths"),), snapshot=True),
            rules=ALL_CONTROLS,
            needs=ReportNeeds(extras=load("json").extras),
        ),
        ScanRequest(
            ScanInput(paths=(str(EXAMPLES / "online-shop" / "operations" / "debug-pod.yaml"),)),
            rules=RuleOptions(controls=("C-0057",)),
        ),
    )
    repository = GitRepository(
        "/srv/shop", "https://github.com/acme/shop", "main", Commit("4f2a", "Ann", "a@b", MOMENT, "Begin")
    )
    repository_folder = msgspec.structs.replace(assessment, repository=repository)
    reports = []
    for scanned in (assessment, repository_folder, assess_vulnerable(), *map(scan, requests)):
        stream = io.StringIO()
        load("json").render(scanned, stream, ReportOptions())
        reports.append(json.loads(stream.getvalue()))
    return reports


def test_fields_match_the_schema(assessment: Assessment) -> None:
    jsonschema.Draft202012Validator.check_schema(SHAPE)
    validator = jsonschema.Draft202012Validator(SHAPE)
    for document in documents(assessment):
        assert [f"{error.json_path}: {error.message}"[:300] for error in validator.iter_errors(document)] == []


def test_every_schema_field_occurs_or_has_a_reason(assessment: Assessment) -> None:
    seen_fields: set[str] = set()
    for document in documents(assessment):
        _collect_fields(document, SHAPE, "$", seen_fields)
    expected = {
        f"{name}/{key}"
        for name, shape in {"$": SHAPE, **SHAPE["$defs"]}.items()
        for key in shape.get("properties", ())
        if name != "audit"
    }
    assert expected - seen_fields - ABSENT.keys() == {f"path/{key}" for key in OURS_ELSEWHERE}
    assert not seen_fields & ABSENT.keys()


def _collect_fields(value: Any, shape: Any, name: str, seen_fields: set[str]) -> None:
    """Collect each field of `shape` that `value` has."""
    if isinstance(shape, dict) and "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        shape = SHAPE["$defs"][name]
    if isinstance(value, dict) and isinstance(shape, dict):
        for key, child in value.items():
            children = shape.get("properties", {}).get(key, shape.get("additionalProperties"))
            if key in shape.get("properties", {}):
                seen_fields.add(f"{name}/{key}")
            _collect_fields(child, children, f"{name}/{key}", seen_fields)
    elif isinstance(value, list) and isinstance(shape, dict):
        for child in value:
            _collect_fields(child, shape.get("items"), name, seen_fields)


def test_schema_rejects_wrong_documents(assessment: Assessment) -> None:
    document = documents(assessment)[0]
    validator = jsonschema.Draft202012Validator(SHAPE)
    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda report: report.update(resultsNew=[]),
        lambda report: report["summaryDetails"].pop("ResourceCounters"),
        lambda report: report["summaryDetails"]["frameworks"][0]["controls"]["C-0057"].update(severity="High"),
        lambda report: report["results"][0].update(resourceID=7),
    )
    for change in changes:
        changed = json.loads(json.dumps(document))
        change(changed)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(changed)
