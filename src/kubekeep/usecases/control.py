"""Write a new control, and judge the cases of controls: fail fails, pass passes, skip skips, fixes mend.

Never prints; the cases that come with Kubekeep are judged by the same code.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library import scaffold
from kubekeep.library.cases import Case, cases_of, objects
from kubekeep.library.load import ROOT, Library, LibraryError, builtin
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.location import Path as DocumentPath
from kubekeep.model.location import format_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.select import select


def write_control(folder: Path, area: str, slug: str) -> list[Path]:
    """Write a control that passes its cases below `folder`, and return its files.

    Raises ValueError for names that a control cannot have, FileExistsError where there is one already.
    """
    files = {folder / path: text for path, text in scaffold.files(area, slug).items()}
    if slug in builtin().controls:
        raise ValueError(f"the library has a control {slug}: a control is told apart by its name")
    (folder / area / slug).mkdir(parents=True)
    for file, text in files.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return list(files)


def controls_below(folder: Path) -> tuple[Library, tuple[Control, ...]]:
    """The controls in `folder`, and the library to evaluate them with. Raises LibraryError."""
    root = folder.resolve()
    if not root.is_dir():
        raise LibraryError(f"{folder}: no such folder")
    if root.is_relative_to(ROOT):
        library = builtin()
        inside = [item for item in library.controls.values() if library.folder(item).is_relative_to(root)]
        return library, tuple(inside)
    library = Library(root, beneath=builtin())
    return library, library.own_controls


def cases_below(folder: Path) -> tuple[Library, list[Case]]:
    """The cases of the controls in `folder`, and the library to judge them with. Raises LibraryError."""
    library, controls = controls_below(folder)
    return library, cases_of(library, controls)


def problems(case: Case, library: Library) -> list[str]:
    """What is not as the case says; nothing when all is. Raises LibraryError and ValueError for broken controls."""
    documents = objects(case)
    results = judge(case, documents, library)
    found = verdicts(case, results)
    said = [*_status_problems(case, found), *_path_problems(case, found)]
    if case.expected == "fail" and not said:
        try:
            fixed = mended(documents, results, case.control.slug)
        except (AttributeError, LookupError, TypeError) as error:
            return [f"its fix does not fit the document: {error}"]
        after = [] if fixed is None else verdicts(case, judge(case, fixed, library))
        said += [f"its fix does not mend: {_told(item)}" for item in after if item.status is not Status.PASSED]
    return said


def _status_problems(case: Case, found: Sequence[Verdict]) -> list[str]:
    statuses = {verdict.status for verdict in found}
    wanted, allowed = {
        "fail": ({Status.FAILED}, {Status.FAILED, Status.PASSED}),
        "pass": ({Status.PASSED}, {Status.PASSED}),
        "skip": (set[Status](), {Status.NOT_EVALUATED}),
    }[case.expected]
    said = [f"nothing {status}" for status in wanted - statuses]
    return said + [f"unexpected: {_told(verdict)}" for verdict in found if verdict.status not in allowed]


def _path_problems(case: Case, found: Sequence[Verdict]) -> list[str]:
    if case.options.paths is None:
        return []
    paths = sorted(item.path for verdict in found for item in verdict.evidence)
    wanted = sorted(case.options.paths)
    return [] if paths == wanted else [f"paths are {json.dumps(paths)}, not {json.dumps(wanted)}"]


def _told(verdict: Verdict) -> str:
    if verdict.reason is not None:
        return f"not evaluated: {verdict.reason.text}"
    return " ".join((verdict.status, *(item.path for item in verdict.evidence)))


def judge(case: Case, documents: Sequence[dict[str, Any]], library: Library) -> list[ResourceResult]:
    """The results of the case's control over `documents`."""
    selection = select(named=[case.control], params=case.options.params, library=library)
    results = evaluate(
        [Resource(item) for item in documents], selection, RegoPolicySet, kubernetes_minor=case.options.minor
    )
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
        target = next((item for item in fixed if Resource(item).identity == result.resource.identity), None)
        if target is None:  # a joined subject is no document of its own
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
                raise ValueError(f"no place for a fix: {format_path(path)}")
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
