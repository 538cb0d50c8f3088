"""Checks for every control of a library, shared by the tests of the built-in library and of the scaffold."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

import jsonschema
import yaml

from kubekeep.library.cases import Case, read_objects
from kubekeep.library.load import CONTROL_FILE, ROOT, Library
from kubekeep.model.control import SUBJECT, WORKLOAD, Control
from kubekeep.model.resource import Resource
from kubekeep.usecases.control import evaluate_case, list_verdicts

INDEXED_KINDS: Final = {
    "account_users": WORKLOAD,
    "custom_owners": WORKLOAD,
    "enforcement": "ConfigMap",
    "grants": SUBJECT,
    "isolation": "NetworkPolicy",
    "nodes": "Node",
    "pods": WORKLOAD,
    "selecting": "Service",
}
"""Kind in `relates` that a control needs if its rule reads an index of `input.cluster`."""


@functools.cache
def load_schema(name: str) -> jsonschema.protocols.Validator:
    """Return the validator of a published schema, which is checked itself only once."""
    schema = json.loads((ROOT / "schema" / name).read_text())
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    return validator(schema)


def check_schema(control: Control, library: Library) -> None:
    """Assert that `control.yaml` matches the published schema and that its texts are complete."""
    file = library.get_folder(control) / CONTROL_FILE
    load_schema("control.schema.json").validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    assert 0 <= control.severity <= 10
    assert all(text.strip() for text in (control.title, control.asks, control.why, control.fix))
    assert not control.title.endswith(".")


def check_unique_names(library: Library) -> None:
    """Assert that no two controls of the library share a number, a title or a slug."""
    names = [name for control in library.controls.values() for name in (*control.ids, control.title, control.slug)]
    assert len(names) == len(set(names))


def check_messages(case: Case, library: Library) -> None:
    """Assert that all evidence of a failing case has a message."""
    failures = list_verdicts(case, evaluate_case(case, read_objects(case), library))
    assert all(evidence.message for verdict in failures for evidence in verdict.evidence)


def check_cases(control: Control, cases: Iterable[Case]) -> None:
    """Assert that the rule of the control has enough cases, in `cases` of its library."""
    control_cases = [case for case in cases if case.control.slug == control.rule_name]
    counts = Counter(case.expected for case in control_cases)
    assert len(control_cases) >= 3, "a control needs three cases"
    assert counts["fail"] >= 2, "a control needs two failing cases"
    assert counts["pass"] >= 1, "a control needs a passing case"
    failing = [
        Resource(document) for case in control_cases if case.expected == "fail" for document in read_objects(case)
    ]
    kinds = {(resource.group, resource.kind) for resource in failing}
    if WORKLOAD in control.targets or len(control.targets) > 1 or SUBJECT in control.targets:
        assert len(kinds) >= 2, "failing cases of two kinds"
    assert {case.expected for case in control_cases} <= {"fail", "pass", "skip"}


def check_consistency(control: Control, library: Library) -> None:
    """Assert that the fields of the control match the text of its rule."""
    rule = library.get_rule(control)
    assert ("input.cluster" in rule.source) <= bool(control.relates), "a rule that reads input.cluster needs `relates`"
    for index, kind in INDEXED_KINDS.items():
        assert f"input.cluster.{index}" not in rule.source or kind in control.relates, f"{index} needs {kind}"
    assert {*control.within, *control.only_for, *control.exempting} <= {*control.relates}
    assert bool(control.exempting) == ("exempt_by" in rule.source)
    assert {target for targets in control.only_for.values() for target in targets} <= {*control.targets}
    sources = "\n".join((rule.source, *(library.shared_modules[name] for name in rule.libraries)))
    for name in control.params:
        assert f"input.params.{name}" in sources
    assert bool(control.targets)
    assert set(control.satisfies) <= set(library.frameworks)
    assert control.slug == control.slug.lower()
