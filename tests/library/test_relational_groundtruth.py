"""Controls that relate objects, held against what Kubescape says of its own rule cases and of two public projects.

Reads the facts beside the checkout and skips without them. Where we differ on purpose, a table says why.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from kubekeep.assess.run import run
from kubekeep.assess.select import controls_named, select
from kubekeep.engine.policies import RegoPolicySet
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.sources.manifests import read

SHARED: Final = Path(__file__).resolve().parents[2].parent / "shared"
FACTS: Final = SHARED / "groundtruth"
CORPORA: Final = ("kubernetes-goat", "microservices-demo")
MINOR: Final = 37
IDS: Final = [
    "C-0002",
    "C-0005",
    "C-0012",
    "C-0030",
    "C-0034",
    "C-0035",
    "C-0054",
    "C-0059",
    "C-0066",
    "C-0067",
    "C-0068",
    "C-0069",
    "C-0070",
]
ALSO: Final = {"C-0244": "C-0066"}
"""Controls of Kubescape whose cases hold for one of these too: they ask the same of clouds."""

PURPOSE: Final = {
    "ingress-and-egress-blocked/only-egress-policy": "a policy for egress alone leaves ingress open",
    "ingress-and-egress-blocked/cnp-only-egress": "a policy for egress alone leaves ingress open",
}
"""Rule cases by id that we judge otherwise, and why."""

pytestmark = pytest.mark.skipif(not FACTS.is_dir(), reason=f"no facts at {FACTS}")


class RuleCase(msgspec.Struct, frozen=True):
    """A case of one of Kubescape's rules, for one of our controls."""

    control: str
    id: str
    objects: list[dict[str, Any]]
    inputs: dict[str, list[str]]
    failed: list[dict[str, Any]]


def rule_cases() -> Iterator[RuleCase]:
    """The cases of our controls, in the order of the file."""
    if not FACTS.is_dir():
        return
    for line in (FACTS / "posture-cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        for name in case["controls"]:
            if (control := ALSO.get(name, name)) in IDS:
                yield RuleCase(control, case["id"], case["objects"], case["inputs"], case["failed"])


def one(identifier: str) -> Control:
    """The control of a number."""
    (control,) = controls_named([identifier])
    return control


def failing(results: list[ResourceResult], slug: str) -> list[ResourceResult]:
    """The results in which the control failed."""
    return [item for item in results if slug in item.verdicts and item.verdicts[slug].status is Status.FAILED]


def shown(api_version: str | None, kind: str, name: str | None) -> tuple[str, str, str]:
    return api_version or "", kind, name or ""


@pytest.mark.parametrize("case", list(rule_cases()), ids=lambda case: f"{case.control}:{case.id}")
def test_rule_case(case: RuleCase) -> None:
    control = one(case.control)
    chosen = select(named=[control], params=case.inputs)
    results = run([Resource(item) for item in case.objects], chosen, RegoPolicySet, kubernetes_minor=MINOR)
    failed = failing(results, control.slug)
    found = sorted(shown(item.resource.api_version, item.resource.kind, item.resource.name) for item in failed)
    wanted = sorted(
        shown(each["apiVersion"], each["kind"], each["name"]) for item in case.failed for each in item["objects"]
    )
    if case.id in PURPOSE:
        assert found != wanted, f"no difference any more: {PURPOSE[case.id]}"
        return
    assert found == wanted
    for item in case.failed:
        # Theirs lead into files of the host that ours only carry; those are compared by object alone.
        theirs = {*item["failedPaths"], *(fix["path"] for fix in item["fixPaths"])}
        (mine,) = [each for each in failed if each.resource.name == (item["objects"][0]["name"] or "")]
        if theirs and mine.resource.kind != "KubeletInfo":
            assert {evidence.path for evidence in mine.verdicts[control.slug].evidence} == theirs


@functools.cache
def results_of(corpus: str) -> list[ResourceResult]:
    """Our results for the plain files of a corpus."""
    chosen = select(named=[one(name) for name in IDS])
    found = (item for item in read([str(SHARED / "corpora" / corpus)]) if isinstance(item, Resource))
    return run(found, chosen, RegoPolicySet, kubernetes_minor=MINOR)


def rows(corpus: str, *, joined: bool) -> list[dict[str, Any]]:
    """Kubescape's rows for plain files, or for joined resources."""
    lines = (FACTS / "verdicts" / f"{corpus}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [row for row in found if (row["path"] == "" if joined else row["fileType"] == "YAML")]


Key = tuple[str | None, ...]


def plain_key(result: ResourceResult, corpus: str) -> Key:
    resource = result.resource
    assert resource.source is not None
    path = Path(resource.source.base, resource.source.path).relative_to(SHARED / "corpora" / corpus)
    return str(path), resource.api_version, resource.kind, resource.namespace, resource.name


def joined_key(result: ResourceResult) -> Key:
    resource = result.resource
    binding = resource.related[0]
    return resource.kind, resource.name, binding.kind, binding.namespace, binding.name


def theirs(row: dict[str, Any], *, joined: bool) -> Key:
    if joined:
        kind, namespace, name = row["related"][0]
        return row["kind"], row["name"], kind, namespace or "", name
    return row["path"], row["apiVersion"], row["kind"], row["namespace"] or "", row["name"]


@pytest.mark.parametrize("joined", [False, True], ids=["plain", "joined"])
@pytest.mark.parametrize("corpus", CORPORA)
def test_verdicts(corpus: str, *, joined: bool) -> None:
    mine = {
        joined_key(item) if joined else plain_key(item, corpus): item
        for item in results_of(corpus)
        if bool(item.resource.related) is joined
    }
    compared, different = 0, []
    for row in rows(corpus, joined=joined):
        for name in sorted(set(IDS) & set(row["controls"])):
            key = theirs(row, joined=joined)
            if joined and key not in mine:
                continue  # Its binding comes out of a chart.
            verdict = mine[key].verdicts.get(one(name).slug)
            compared += 1
            if verdict is None or verdict.status.value != row["controls"][name][0]:
                different.append(f"{name} on {row['kind']} {row['name']}")
    print(f"{corpus}: {compared - len(different)} of {compared} agree")
    assert not different
