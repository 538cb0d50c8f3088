"""Byte code and the interpreter, which is the reference, give every control the same verdict on every object.

The objects are the cases of all controls, copies of them with fields of other types and without fields, generated
objects, and public projects beside the checkout.
"""

from __future__ import annotations

import copy
import functools
import random
import runpy
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from kubekeep.engine.policy_set import PolicySet, RuleQuery, Shard
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.cases import Case, list_cases, read_objects
from kubekeep.library.index import Program
from kubekeep.library.load import ROOT, Library
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Cause, Verdict
from kubekeep.posture.byte_code import INTERPRETED, compile_programs
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select
from kubekeep.sources.inputs import read

GROUPS: Final = 8
"""Tests that share the controls, for parallel runs."""
CHANGED_COPIES: Final = 2
KEPT: Final = 40
"""Compiled rules in memory: those of the last controls and all byte code."""
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 1.5, "", "a", "true", "0", "*", "10Mi", "500m"),
    *([], [None], [{}], {}, {"a": "b"}, ["a"], [1]),
)
CHECKOUT: Final = Path(__file__).parents[2]
CORPORA: Final = CHECKOUT.parent / "shared" / "corpora"


class CompiledLibrary(Library):
    """The built-in library with byte code of its rules."""

    @functools.cached_property
    def programs(self) -> tuple[Program, ...]:
        return compile_programs(INTERPRETED_LIBRARY)


INTERPRETED_LIBRARY: Final = Library(ROOT)
COMPILED_LIBRARY: Final = CompiledLibrary(ROOT)
_policies: Final[dict[bytes, RegoPolicySet]] = {}


def compile_once(
    shards: Sequence[Shard], groups: Sequence[Sequence[RuleQuery]], context: Mapping[str, Any]
) -> PolicySet:
    """Compile rules, or return those compiled before for another object."""
    key = repr((shards, groups)).encode()
    policies = _policies.get(key)
    if policies is None:
        if len(_policies) >= KEPT:
            _policies.clear()
        policies = _policies[key] = RegoPolicySet(shards, groups, {})
    return policies.with_context(context)


def judge(case: Case, documents: Sequence[dict[str, Any]], library: Library) -> list[dict[str, Any]]:
    """Return the comparable verdicts on `documents`."""
    selection = select(named=[case.control], params=case.options.params, library=library)
    resources = [Resource(document) for document in documents]
    return simplify(evaluate(resources, selection, compile_once, kubernetes_minor=case.options.minor))


def simplify(results: Sequence[SubjectResult]) -> list[dict[str, Any]]:
    """Return the verdicts by control; the texts of failures of a rule are left out, as those of the engines differ."""
    return [{slug: simplify_verdict(verdict) for slug, verdict in result.verdicts.items()} for result in results]


def simplify_verdict(verdict: Verdict) -> Any:
    is_failure = verdict.reason is not None and verdict.reason.cause is Cause.RULE_ERROR
    return "the rule failed" if is_failure else verdict


def list_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the collection and the key or index of each value below `value`."""
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from list_places(child)


def change(document: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Return a copy with fields removed, repeated or replaced; apiVersion, kind and metadata stay."""
    changed = copy.deepcopy(document)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        fixed = ("apiVersion", "kind", "metadata")
        places = [place for place in list_places(changed) if place[0] is not changed or place[1] not in fixed]
        if not places:
            break
        owner, key = dice.choice(places)
        match dice.randrange(4):
            case 0:
                del owner[key]
            case 1:
                other, other_key = dice.choice(places)
                owner[key] = copy.deepcopy(other[other_key])
            case 2 if isinstance(owner, list):
                owner.append(copy.deepcopy(owner[key]))
            case _:
                owner[key] = copy.deepcopy(dice.choice(VALUES))
    return changed


@pytest.mark.parametrize("group", range(GROUPS))
def test_cases_have_the_same_verdicts(group: int) -> None:
    library = INTERPRETED_LIBRARY
    controls = [control for slug, control in library.controls.items() if zlib.crc32(slug.encode()) % GROUPS == group]
    cases = list_cases(library, controls)
    assert cases
    for case in cases:
        documents = read_objects(case)
        dice = random.Random(str(case))
        variants = [[change(document, dice) for document in documents] for _ in range(CHANGED_COPIES)]
        for variant in (documents, *variants):
            assert judge(case, variant, COMPILED_LIBRARY) == judge(case, variant, library), (case, variant)


def test_generated_objects_have_the_same_verdicts() -> None:
    generate = runpy.run_path(str(CHECKOUT / "benchmarks" / "corpus.py"))["objects"]
    resources = [Resource(document) for document in generate(400)]
    assert_same_verdicts(resources)


@pytest.mark.skipif(not CORPORA.exists(), reason="needs the public projects beside the checkout")
@pytest.mark.parametrize(
    "corpus", sorted(path.name for path in CORPORA.iterdir() if path.is_dir()) if CORPORA.exists() else []
)
def test_public_projects_have_the_same_verdicts(corpus: str) -> None:
    assert_same_verdicts([resource for resource in read([str(CORPORA / corpus)]) if isinstance(resource, Resource)])


def assert_same_verdicts(resources: Sequence[Resource]) -> None:
    verdicts = []
    for library in (INTERPRETED_LIBRARY, COMPILED_LIBRARY):
        selection = select(named=tuple(library.controls.values()), library=library)
        verdicts.append(simplify(evaluate(resources, selection, compile_once, kubernetes_minor=34)))
    assert verdicts[0] == verdicts[1]
    assert sum(map(len, verdicts[0]))


def test_rules_without_byte_code_exist() -> None:
    assert {control.rule_name for control in INTERPRETED_LIBRARY.controls.values()} >= INTERPRETED
    compiled = {name for program in COMPILED_LIBRARY.programs for name in program.rules}
    assert compiled | INTERPRETED == {
        control.rule_name for control in INTERPRETED_LIBRARY.controls.values() if not control.is_manual
    }
