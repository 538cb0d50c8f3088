"""Every fix of the library, applied to the text of failing cases: the control passes and the API server accepts it."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.fixes.edits.change import ABSENT, Change
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.target import find_target
from kubekeep.fixes.edits.text import edit
from kubekeep.fixes.plan import Plan, write_files
from kubekeep.fixes.proposed_changes import UnfixedCause
from kubekeep.library.cases import Case, read_objects
from kubekeep.library.load import Library, builtin
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.sources.inputs import read
from kubekeep.usecases.control import evaluate_case, list_verdicts
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.library.builtin_cases import list_failing_cases
from tests.oracles.references import get_answer

CONTRADICTING: Final = {"admission-external-ips-allowed", "admission-external-ips-denied"}
"""Controls of older and newer benchmarks with opposite requirements."""
REFUSED: Final[dict[str, str]] = {
    "external-secret-store": "its value is in a text inside of the object",
}
"""Controls with fixes that are refused when all fixes are applied together, with the reason."""
UNKNOWN_FIELD: Final = "fail.cronjob-pod-level-does-not-exist.yaml"
"""Case with a field that its kind does not have: fixes beside it cannot be verified."""


class Fixed(msgspec.Struct, frozen=True):
    """Cases in one folder, the plan of their fixes, and the objects before the fixes."""

    folder: Path
    planned: Plan
    before: dict[str, list[dict[str, Any]]]


def contents(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of each file."""
    objects_by_file: dict[str, list[dict[str, Any]]] = {}
    for resource in read([str(folder)]):
        if isinstance(resource, Resource) and resource.source is not None:
            path = str(Path(resource.source.path).relative_to(folder))
            objects_by_file.setdefault(path, []).append(resource.object)
    return objects_by_file


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixed]:
    folder = tmp_path_factory.mktemp("cases")
    first = {case.control.slug: case for case in reversed(list_failing_cases()) if case.control.slug in slugs()}
    for case in first.values():
        (folder / case.control.slug).mkdir(exist_ok=True)
        shutil.copyfile(case.file, folder / case.control.slug / case.file.name)
    before = contents(folder)
    planned = plan(FixRequest(scan=request(folder)))
    assert write_files(planned) == []
    yield Fixed(folder, planned, before)
    shutil.rmtree(folder)


def has_fix(case: Case, library: Library) -> bool:
    """Return True if some evidence of the case has a fix."""
    results = list_verdicts(case, evaluate_case(case, read_objects(case), library))
    return any(evidence.fix is not None or evidence.delete for verdict in results for evidence in verdict.evidence)


@functools.cache
def slugs() -> tuple[str, ...]:
    """Return the slugs of the controls with fixes, without those that contradict each other."""
    fixable = dict.fromkeys(case.control.slug for case in list_failing_cases() if has_fix(case, builtin()))
    return tuple(slug for slug in fixable if slug not in CONTRADICTING)


def request(folder: Path) -> ScanRequest:
    return ScanRequest(ScanInput(paths=(str(folder),)), rules=RuleOptions(controls=slugs()))


def edit_case(case: Case, library: Library) -> str | None:
    """Return the text of a case with every fix applied, or None if one is refused."""
    text = case.file.read_text(encoding="utf-8")
    file = ParsedText(text)
    resources = [resource for resource in read([str(case.file)]) if isinstance(resource, Resource)]
    selection = select(named=[case.control], params=case.options.params, library=library)
    results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=case.options.minor)
    changes: list[Change] = []
    for result in results:
        verdict = result.verdicts.get(case.control.slug)
        for evidence in verdict.evidence if verdict else ():
            path = parse_path(evidence.path)
            if result.subject.source is None or evidence.location != result.subject.locate(path):
                return None
            if evidence.delete or evidence.fix is not None:
                assert isinstance(result.subject, Resource)
                target = find_target(result.subject, path, lambda _: file)
                value = ABSENT if evidence.fix is None else json.loads(evidence.fix)
                changes.append(Change(target.document, target.path, value))
    edited = edit(file, changes)
    return None if edited.refused else edited.text


def test_every_fix_can_be_applied_to_the_text(tmp_path: Path) -> None:
    unfixed = []
    refused = set()
    for case in list_failing_cases():
        if not has_fix(case, builtin()):
            continue
        text = edit_case(case, builtin())
        if text is None:
            refused.add(case.control.slug)
            continue
        edited = msgspec.structs.replace(case, file=tmp_path / case.file.name)
        edited.file.write_text(text, encoding="utf-8")
        if has_fix(edited, builtin()):
            unfixed.append(str(case))
    assert unfixed == []
    assert refused <= {"external-secret-store", "anonymous-bindings"}


def test_fixed_findings_disappear(fixed: Fixed) -> None:
    rejected = [unfixed for unfixed in fixed.planned.unfixed if unfixed.cause is UnfixedCause.REFUSED]
    unverified = [unfixed for unfixed in rejected if "cannot be verified: unknown field" in unfixed.reason]
    files = {unfixed.resource.source.path for unfixed in unverified if unfixed.resource.source}
    assert {Path(file).name for file in files} == {UNKNOWN_FIELD}
    refused = {unfixed.control.slug for unfixed in rejected if unfixed not in unverified}
    assert refused == REFUSED.keys()
    assert not [unfixed for unfixed in fixed.planned.unfixed if unfixed.cause is UnfixedCause.NEEDS_USER], (
        "the request names every control"
    )
    remaining = [
        (result.subject.source.path, slug, evidence.path)
        for result in scan(request(fixed.folder)).results
        if result.subject.source and result.subject.source.path not in files
        for slug, verdict in result.verdicts.items()
        if slug not in refused
        for evidence in verdict.evidence
        if evidence.fix is not None or evidence.delete
    ]
    assert remaining == []


def test_second_run_plans_no_changes(fixed: Fixed) -> None:
    assert plan(FixRequest(scan=request(fixed.folder))).files == ()


def test_api_server_accepts_fixed_objects(fixed: Fixed) -> None:
    after = contents(fixed.folder)
    assert after.keys() == fixed.before.keys()
    pairs = [
        (name, old, new)
        for name in after
        for old, new in zip(fixed.before[name], after[name], strict=True)
        if old != new
    ]
    assert len(pairs) > 100
    new_errors = []
    # A case for each object, so that a new control needs no new answers for the fixes of others.
    for name, *versions in pairs:
        errors_before, errors_after = map(set, validate(versions))
        if errors_after - errors_before:
            new_errors.append((name, sorted(errors_after - errors_before)))
    assert new_errors == []


def validate(resource_objects: list[dict[str, Any]]) -> list[list[str]]:
    """Return the validation errors of the API server for each object."""
    lines = "".join(json.dumps(entry) + "\n" for entry in resource_objects)
    return [json.loads(line) for line in get_answer("api-server", stdin=lines).stdout.splitlines()]


def test_oracle_rejects_an_invalid_security_context() -> None:
    container = {"name": "a", "image": "b", "securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "y"},
        "spec": {"containers": [container]},
    }
    assert "privileged" in str(validate([pod]))
