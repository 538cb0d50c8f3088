"""Every fix that the library proposes, made in the text of the failing cases: it mends, and the API server takes it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.assess.fix import Why
from kubekeep.library.cases import cases_of
from kubekeep.library.load import builtin
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.sources.manifests import read
from kubekeep.usecases.fix import FixRequest, Plan, plan, write
from kubekeep.usecases.scan import ScanRequest, scan
from tests.oracles.program import program

FAILING: Final = [
    case
    for case in cases_of(builtin(), [item for item in builtin().controls.values() if not item.rule])
    if case.expected == "fail" and not case.options.params and case.options.minor == 37
]
UNMENDED: Final[dict[str, str]] = {}
"""Cases whose fixes are refused, and why."""


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
    for case in FAILING:
        (folder / case.control.slug).mkdir(exist_ok=True)
        shutil.copyfile(case.file, folder / case.control.slug / case.file.name)
    before = contents(folder)
    planned = plan(FixRequest(scan=request(folder)))
    assert write(planned) == []
    yield Fixed(folder, planned, before)
    shutil.rmtree(folder)


def request(folder: Path) -> ScanRequest:
    slugs = tuple(dict.fromkeys(case.control.slug for case in FAILING))
    return ScanRequest(paths=(str(folder),), controls=slugs)


def test_what_is_fixed_is_not_reported_again(fixed: Fixed) -> None:
    left = {
        (item.control.slug, item.evidence.location and item.evidence.location.file, item.evidence.path): item.reason
        for item in fixed.planned.left
    }
    again = scan(request(fixed.folder))
    still = [
        (result.resource.source.path, slug, evidence.path, evidence.fix, left)
        for result in again.results
        if result.resource.source
        for slug, verdict in result.verdicts.items()
        if verdict.status is Status.FAILED and f"/{slug}/" in result.resource.source.path
        for evidence in verdict.evidence
        if (evidence.fix is not None or evidence.delete)
        and (slug, result.resource.source.path, evidence.path) not in left
    ]
    assert still == []
    reasons = Counter(f"{item.control.slug}: {item.reason}" for item in fixed.planned.left if item.why is Why.REFUSED)
    assert {} == dict(reasons)


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
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "y"}, "spec": {"containers": [container]}}
    assert "privileged" in str(ask([pod]))
