"""Creation of controls, and evaluation of their test cases (`fail`, `pass`, `skip`) and fixes.

Never prints. Controls of the library and of users run through the same code.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubekeep.engine.compile import compile_rules
from kubekeep.library import scaffold
from kubekeep.library.cases import Case, list_cases, read_objects
from kubekeep.library.load import ROOT, Library, LibraryError, builtin
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.model.location import Path as DocumentPath
from kubekeep.model.location import format_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Status, Verdict
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select


def write_control(folder: Path, area: str, slug: str) -> list[Path]:
    """Write a new control below `folder`, with a rule and cases that pass, and return its files.

    Raises ValueError for invalid names and for slugs of the library, FileExistsError for an existing folder.
    """
    files = {folder / path: text for path, text in scaffold.build_files(area, slug).items()}
    if slug in builtin().controls:
        raise ValueError(f"the library already has a control {slug}: use another name")
    (folder / area / slug).mkdir(parents=True)
    for file, text in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files)


def load_controls(folder: Path) -> tuple[Library, tuple[Control, ...]]:
    """Return the library to evaluate with and the controls in `folder`. Raises LibraryError."""
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise LibraryError(f"{folder}: no such folder")
    if root.is_relative_to(ROOT):
        library = builtin()
        controls = [
            control for control in library.controls.values() if library.get_folder(control).is_relative_to(root)
        ]
        return library, tuple(controls)
    library = Library(root, parent=builtin())
    return library, library.own_controls


def load_cases(folder: Path) -> tuple[Library, list[Case]]:
    """Return the library to evaluate with and the cases of the controls in `folder`. Raises LibraryError."""
    library, controls = load_controls(folder)
    return library, list_cases(library, controls)


def find_problems(case: Case, library: Library) -> list[str]:
    """Return the differences between the case's expectation and the evaluation; [] if there are none.

    Raises LibraryError and ValueError for broken controls.
    """
    documents = read_objects(case)
    results = evaluate_case(case, documents, library)
    verdicts = list_verdicts(case, results)
    problems = [*_status_problems(case, verdicts), *_path_problems(case, verdicts)]
    if case.expected == "fail" and not problems:
        try:
            fixed = apply_fixes(documents, results, case.control.slug)
        except (AttributeError, LookupError, TypeError) as error:
            return [f"the fix cannot be applied to the document: {error}"]
        verdicts_after = [] if fixed is None else list_verdicts(case, evaluate_case(case, fixed, library))
        problems += [
            f"the fix does not resolve the finding: {_format_verdict(verdict)}"
            for verdict in verdicts_after
            if verdict.status is not Status.PASSED
        ]
    return problems


def _status_problems(case: Case, verdicts: Sequence[Verdict]) -> list[str]:
    statuses = {verdict.status for verdict in verdicts}
    required, allowed = {
        "fail": ({Status.FAILED}, {Status.FAILED, Status.PASSED}),
        "pass": ({Status.PASSED}, {Status.PASSED}),
        "skip": (set[Status](), {Status.NOT_EVALUATED}),
    }[case.expected]
    problems = [f"nothing {status}" for status in required - statuses]
    return problems + [
        f"unexpected: {_format_verdict(verdict)}" for verdict in verdicts if verdict.status not in allowed
    ]


def _path_problems(case: Case, verdicts: Sequence[Verdict]) -> list[str]:
    if case.options.paths is None:
        return []
    paths = sorted(evidence.path for verdict in verdicts for evidence in verdict.evidence)
    expected = sorted(case.options.paths)
    return [] if paths == expected else [f"paths are {json.dumps(paths)}, not {json.dumps(expected)}"]


def _format_verdict(verdict: Verdict) -> str:
    if verdict.reason is not None:
        return f"not evaluated: {verdict.reason.text}"
    return " ".join((verdict.status, *(evidence.path for evidence in verdict.evidence)))


def evaluate_case(case: Case, documents: Sequence[dict[str, Any]], library: Library) -> list[SubjectResult]:
    """Return the results of the case's control for `documents`."""
    selection = select(named=[case.control], params=case.options.params, library=library)
    results = evaluate(
        [Resource(document) for document in documents], selection, compile_rules, kubernetes_minor=case.options.minor
    )
    return [result for result in results if case.control.slug in result.verdicts]


def list_verdicts(case: Case, results: Sequence[SubjectResult]) -> list[Verdict]:
    """Return the verdicts of the case's control."""
    return [result.verdicts[case.control.slug] for result in results]


def apply_fixes(
    documents: Sequence[dict[str, Any]], results: Sequence[SubjectResult], slug: str
) -> list[dict[str, Any]] | None:
    """Return the documents with every proposed fix applied; None if some evidence has no fix."""
    fixed = copy.deepcopy(list(documents))
    for result in results:
        verdict = result.verdicts[slug]
        if verdict.status is not Status.FAILED:
            continue
        if any(not evidence.delete and evidence.fix is None for evidence in verdict.evidence):
            return None
        target = next((document for document in fixed if Resource(document).identity == result.subject.identity), None)
        if target is None:  # a joined subject is not one document
            return None
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
            if not isinstance(step, int):
                raise ValueError(f"no field for a fix: {format_path(path)}")
            document = document[step]
        else:
            container: Any = [] if isinstance(following, int) else {}
            if document.get(step) is None:
                document[step] = container
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
