"""The controls on workloads against what Kubescape says: its rule cases, and its verdicts on two public projects.

Where we differ on purpose the tables below say why, and each entry must still differ.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from kubekeep.assess.run import run
from kubekeep.assess.select import controls_named, select
from kubekeep.engine.policies import RegoPolicySet
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.resource import Resource

SHARED: Final = Path(__file__).parents[3] / "shared"
CASES: Final = SHARED / "groundtruth" / "posture-cases.jsonl"
VERDICTS: Final = SHARED / "groundtruth" / "verdicts"
CONTROLS: Final = (
    *("C-0004", "C-0009", "C-0013", "C-0016", "C-0017", "C-0018", "C-0038", "C-0041", "C-0044", "C-0045", "C-0046"),
    *("C-0048", "C-0050", "C-0055", "C-0057", "C-0058", "C-0073", "C-0074", "C-0075", "C-0076", "C-0270", "C-0271"),
    "C-0292",
)

HOLDS_SOCKET: Final = "the root of the node holds the sockets of its runtime"

CASES_APART: Final[dict[str, str]] = {}
"""Rule cases whose failing objects are others than ours, and why."""

VERDICTS_APART: Final = {
    ("C-0074", "system-monitor-deployment"): HOLDS_SOCKET,
}
"""Verdicts, by control and resource, that are others than ours, and why."""

NARROWER: Final = {
    "C-0013": "ephemeral containers come without a path there",
}
"""Controls whose evidence is a part of Kubescape's, and why; that of the others is equal."""


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _cases() -> list[tuple[str, dict[str, Any]]]:
    return [
        (control, case)
        for case in _lines(CASES)
        for control in case["controls"]
        if control in CONTROLS and case["aggregator"] is None
    ]


def _judge(
    identifier: str, documents: Iterable[dict[str, Any]], params: dict[str, list[str]]
) -> list[tuple[Resource, Verdict]]:
    control = controls_named([identifier])[0]
    selection = select(named=[control], params=params)
    results = run([Resource(item) for item in documents], selection, RegoPolicySet, kubernetes_minor=34)
    return [(item.resource, item.verdicts[control.slug]) for item in results if control.slug in item.verdicts]


def _key(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["apiVersion"], item["kind"], item.get("name") or item["metadata"]["name"]


def _quoted(path: str) -> str:
    """A path of Kubescape's in our spelling: it puts keys of labels into brackets without quotes."""
    return re.sub(r"\[([a-z]+)\]", r'["\1"]', path)


def _expected(case: dict[str, Any]) -> dict[tuple[str, str, str], set[str]]:
    places: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for failure in case["failed"]:
        paths = [*failure["failedPaths"], *failure["reviewPaths"], *failure["deletePaths"]]
        paths += [fix["path"] for fix in failure["fixPaths"]]
        for item in failure["objects"]:
            places[_key(item)] |= {_quoted(path) for path in paths}
    return places


def _assert_same_places(control: str, ours: set[str], theirs: set[str]) -> None:
    if control in NARROWER:
        assert ours <= theirs or not theirs
    else:
        assert ours == theirs


@pytest.mark.skipif(not CASES.exists(), reason=f"{CASES} is not there")
@pytest.mark.parametrize(
    ("control", "case"), _cases(), ids=lambda value: value if isinstance(value, str) else value["id"]
)
def test_rule_case(control: str, case: dict[str, Any]) -> None:
    found = _judge(control, case["objects"], case["inputs"])
    ours = {
        _key(resource.object): {item.path for item in verdict.evidence}
        for resource, verdict in found
        if verdict.status is Status.FAILED
    }
    theirs = _expected(case)
    assert not [verdict for _, verdict in found if verdict.status is Status.NOT_EVALUATED]
    assert (set(ours) != set(theirs)) == (case["id"] in CASES_APART), (ours, theirs)
    for key in ours.keys() & theirs.keys():
        _assert_same_places(control, ours[key], theirs[key])


@functools.cache
def _documents(file: Path) -> list[dict[str, Any]]:
    return [item for item in yaml.load_all(file.read_bytes(), yaml.CSafeLoader) if item]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("corpus", ["kubernetes-goat", "microservices-demo"])
def test_verdicts(corpus: str, control: str) -> None:
    """Each verdict that Kubescape gave on a plain manifest."""
    rows = [row for row in _lines(VERDICTS / f"{corpus}.jsonl") if row["fileType"] == "YAML"]
    if not rows:
        pytest.skip(f"{VERDICTS} is not there")
    for row in rows:
        theirs = row["controls"].get(control)
        if theirs is None:
            continue
        found = {
            _key(resource.object): verdict
            for resource, verdict in _judge(control, _documents(SHARED / "corpora" / corpus / row["path"]), {})
        }
        ours = found[_key(row)]
        apart = (control, row["name"]) in VERDICTS_APART
        assert (ours.status.value != theirs[0]) == apart, (row["path"], row["name"], ours, theirs)
        if ours.status is Status.FAILED and not apart:
            paths = theirs[1] if len(theirs) > 1 else [""]
            _assert_same_places(control, {item.path for item in ours.evidence}, {_quoted(path) for path in paths})
