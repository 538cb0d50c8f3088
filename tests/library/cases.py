"""The cases of the library, found by walking, and how one is judged. Never asserts: tests do."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubekeep.assess.run import run
from kubekeep.assess.select import select
from kubekeep.engine.policies import RegoPolicySet
from kubekeep.library.load import ROOT, builtin
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Path as DocumentPath
from kubekeep.model.location import format_path, parse_path
from kubekeep.model.resource import Resource


class Case(msgspec.Struct, frozen=True):
    """A file beside a control: `fail.*` must fail, `pass.*` must pass, `skip.*` must not be evaluated or not apply.

    Comment lines at its top may set `# params: {"name": ["value"]}`, `# kubernetes: "1.30"` and
    `# paths: ["exact evidence paths"]`, each as JSON.
    """

    control: Control
    file: Path
    options: dict[str, Any]

    @property
    def expected(self) -> str:
        """`fail`, `pass` or `skip`."""
        return self.file.name.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.control.slug}/{self.file.name}"


def all_cases() -> list[Case]:
    """Every case of every control."""
    return [
        Case(control, file, _options(file))
        for control in builtin().controls.values()
        for file in sorted((ROOT / "controls" / control.area / control.slug / "cases").glob("*.yaml"))
    ]


def _options(file: Path) -> dict[str, Any]:
    found = re.findall(r"^# (params|kubernetes|paths): (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {key: json.loads(value) for key, value in found}


def objects(case: Case) -> list[dict[str, Any]]:
    """The documents of the case."""
    return [item for item in yaml.load_all(case.file.read_bytes(), yaml.CSafeLoader) if item]


def judge(case: Case, documents: Sequence[dict[str, Any]]) -> list[ResourceResult]:
    """The results of the case's control over `documents`."""
    selection = select(named=[case.control], params=case.options.get("params"))
    minor = int(case.options.get("kubernetes", "1.37").partition(".")[2])
    results = run([Resource(item) for item in documents], selection, RegoPolicySet, kubernetes_minor=minor)
    return [result for result in results if case.control.slug in result.verdicts]


def verdicts(case: Case, results: Sequence[ResourceResult]) -> list[Verdict]:
    """The verdicts of the case's control."""
    return [result.verdicts[case.control.slug] for result in results]


def mended(
    documents: Sequence[dict[str, Any]], results: Sequence[ResourceResult], slug: str
) -> list[dict[str, Any]] | None:
    """The documents with every proposed fix applied; None when some evidence comes without one."""
    fixed = copy.deepcopy(list(documents))
    for result in results:
        verdict = result.verdicts[slug]
        if verdict.status is not Status.FAILED:
            continue
        if any(not evidence.delete and evidence.fix is None for evidence in verdict.evidence):
            return None
        target = next(item for item in fixed if Resource(item).identity == result.resource.identity)
        # From the last to the first, so that deleting a list item does not move the others.
        for evidence in reversed(verdict.evidence):
            if evidence.fix is None:
                _delete(target, parse_path(evidence.path))
            else:
                _set(target, parse_path(evidence.path), json.loads(evidence.fix))
    return fixed


def _set(document: Any, path: DocumentPath, value: Any) -> None:
    for step, following in itertools.pairwise(path):
        if isinstance(document, list):
            assert isinstance(step, int), format_path(path)
            document = document[step]
        else:
            empty: Any = [] if isinstance(following, int) else {}
            if document.get(step) is None:
                document[step] = empty
            document = document[step]
    last = path[-1]
    if isinstance(document, list) and isinstance(last, int) and last == len(document):
        document.append(value)
    else:
        document[last] = value


def _delete(document: Any, path: DocumentPath) -> None:
    for step in path[:-1]:
        document = document[step]
    del document[path[-1]]
