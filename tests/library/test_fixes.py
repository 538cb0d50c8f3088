"""Every fix that the library proposes, made in the text of the failing cases: it mends, and the API server takes it."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
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
from kubekeep.fixes.wanted_changes import UnfixedCause
from kubekeep.library.cases import Case, cases_of, objects
from kubekeep.library.load import builtin
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.sources.inputs import read
from kubekeep.usecases.control import judge, verdicts
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.oracles.program import program

FAILING: Final = [
    case
    for case in cases_of(builtin(), [item for item in builtin().controls.values() if not item.rule])
    if case.expected == "fail" and not case.options.params and case.options.minor == 37
]
CONTRADICTING: Final = {"admission-external-ips-allowed", "admission-external-ips-denied"}
"""Older and newer benchmarks ask for the opposite."""
REFUSED: Final[dict[str, str]] = {
    "external-secret-store": "its value lies in a text inside of the object",
}
"""Controls some of whose fixes are refused when all are made together, and why."""


class Fixed(msgspec.Struct, frozen=True):
    """The cases in one folder, what was planned, and what stood there before."""

    folder: Path
    planned: Plan
    before: dict[str, list[dict[str, Any]]]


def contents(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The objects of each file."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in read([str(folder)]):
        if isinstance(item, Resource) and item.source is not None:
            found.setdefault(str(Path(item.source.path).relative_to(folder)), []).append(item.object)
    return found


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fixed]:
    folder = tmp_path_factory.mktemp("cases")
    first = {case.control.slug: case for case in reversed(FAILING) if case.control.slug in slugs()}
    for case in first.values():
        (folder / case.control.slug).mkdir(exist_ok=True)
        shutil.copyfile(case.file, folder / case.control.slug / case.file.name)
    before = contents(folder)
    planned = plan(FixRequest(scan=request(folder)))
    assert write_files(planned) == []
    yield Fixed(folder, planned, before)
    shutil.rmtree(folder)


def has_fix(case: Case) -> bool:
    """Whether the findings of a case come with a change that mends."""
    found = verdicts(case, judge(case, objects(case), builtin()))
    return any(item.fix is not None or item.delete for verdict in found for item in verdict.evidence)


@functools.cache
def slugs() -> tuple[str, ...]:
    """The controls with fixes, but for those that contradict each other."""
    found = dict.fromkeys(case.control.slug for case in FAILING if has_fix(case))
    return tuple(slug for slug in found if slug not in CONTRADICTING)


def request(folder: Path) -> ScanRequest:
    return ScanRequest(ScanInput(paths=(str(folder),)), rules=RuleOptions(controls=slugs()))


def mended_text(case: Case) -> str | None:
    """The file of a case with every fix made in its text; None where one is refused."""
    text = case.file.read_text(encoding="utf-8")
    file = ParsedText(text)
    resources = [item for item in read([str(case.file)]) if isinstance(item, Resource)]
    selection = select(named=[case.control], params=case.options.params)
    results = evaluate(resources, selection, RegoPolicySet, kubernetes_minor=case.options.minor)
    changes: list[Change] = []
    for result in results:
        verdict = result.verdicts.get(case.control.slug)
        for item in verdict.evidence if verdict else ():
            path = parse_path(item.path)
            if result.resource.source is None or item.location != result.resource.locate(path):
                return None
            if item.delete or item.fix is not None:
                target = find_target(result.resource, path, lambda _: file)
                value = ABSENT if item.fix is None else json.loads(item.fix)
                changes.append(Change(target.document, target.path, value))
    made = edit(file, changes)
    return None if made.refused else made.text


def test_every_fix_can_be_made_in_the_text(tmp_path: Path) -> None:
    still = []
    refused = set()
    for case in filter(has_fix, FAILING):
        text = mended_text(case)
        if text is None:
            refused.add(case.control.slug)
            continue
        again = msgspec.structs.replace(case, file=tmp_path / case.file.name)
        again.file.write_text(text, encoding="utf-8")
        if has_fix(again):
            still.append(str(case))
    assert still == []
    assert refused <= {"external-secret-store", "anonymous-bindings"}


def test_what_is_fixed_is_not_reported_again(fixed: Fixed) -> None:
    refused = {item.control.slug for item in fixed.planned.unfixed if item.why is UnfixedCause.REFUSED}
    assert refused == REFUSED.keys()
    assert not [item for item in fixed.planned.unfixed if item.why is UnfixedCause.YOURS], "every control is named"
    still = [
        (result.resource.source.path, slug, evidence.path)
        for result in scan(request(fixed.folder)).results
        if result.resource.source
        for slug, verdict in result.verdicts.items()
        if slug not in refused
        for evidence in verdict.evidence
        if evidence.fix is not None or evidence.delete
    ]
    assert still == []


def test_a_second_time_nothing_is_left_to_fix(fixed: Fixed) -> None:
    assert plan(FixRequest(scan=request(fixed.folder))).files == ()


def test_the_api_server_takes_what_it_took(fixed: Fixed) -> None:
    after = contents(fixed.folder)
    assert after.keys() == fixed.before.keys()
    pairs = [
        (name, old, new)
        for name in after
        for old, new in zip(fixed.before[name], after[name], strict=True)
        if old != new
    ]
    assert len(pairs) > 100
    answers = ask([item for _, *both in pairs for item in both])
    wrong = [
        (name, sorted(set(answers[2 * number + 1]) - set(answers[2 * number])))
        for number, (name, *_) in enumerate(pairs)
        if set(answers[2 * number + 1]) - set(answers[2 * number])
    ]
    assert wrong == []


def ask(objects: list[dict[str, Any]]) -> list[list[str]]:
    """What the API server has against each object."""
    lines = "".join(json.dumps(item) + "\n" for item in objects)
    done = subprocess.run([program("api-server")], input=lines, capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_oracle_knows_what_a_fix_could_break() -> None:
    container = {"name": "a", "image": "b", "securityContext": {"privileged": True, "allowPrivilegeEscalation": False}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "y"},
        "spec": {"containers": [container]},
    }
    assert "privileged" in str(ask([pod]))
