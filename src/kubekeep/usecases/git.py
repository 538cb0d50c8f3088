"""Git facts about the input of a scan: the commits of failing lines and the repository. Never changes a verdict."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import SubjectResult, UnreadInput
from kubekeep.model.git import GitRepository
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Verdict
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.inputs import Inputs


def add_commits(
    results: Sequence[SubjectResult], source: Inputs, environment: Mapping[str, str], unread: list[UnreadInput]
) -> list[SubjectResult]:
    """Return `results` with the commit of the failing line in all evidence that has one.

    Git runs once per file; its failures are added to `unread`.
    """
    finder = _CommitFinder(results, source, environment)
    with_commits = [
        msgspec.structs.replace(
            result,
            verdicts={slug: finder.add_commits(verdict, result.subject) for slug, verdict in result.verdicts.items()},
        )
        for result in results
    ]
    unread.extend(finder.list_failures())
    return with_commits


class _CommitFinder:
    """The commits of failing lines, by `git blame` in all repositories that hold the input."""

    def __init__(self, results: Sequence[SubjectResult], source: Inputs, environment: Mapping[str, str]) -> None:
        from kubekeep.sources.git.blame import Blame  # noqa: PLC0415 - loaded only if requested

        self._source = source
        self._roots: dict[str, Blame | None] = {}
        self._by_file: dict[str, Blame | None] = {}
        lines: dict[str, set[int]] = {}
        for file, line in self._list_locations(results):
            lines.setdefault(file, set()).add(line)
        for file, numbers in lines.items():
            root = find_repository_root(file)
            if root is not None and root not in self._roots:
                self._roots[root] = Blame(root, environment)
            blame = self._by_file[file] = None if root is None else self._roots[root]
            if blame is not None:
                blame.add_lines(file, numbers)

    def add_commits(self, verdict: Verdict, resource: Subject) -> Verdict:
        """Return `verdict` with the commits of its evidence."""
        if not verdict.evidence:
            return verdict
        return msgspec.structs.replace(
            verdict, evidence=tuple(self._add_commit(evidence, resource) for evidence in verdict.evidence)
        )

    def list_failures(self) -> Iterator[UnreadInput]:
        """Yield the failures of git, per repository."""
        for blame in self._roots.values():
            if blame is not None:
                yield from blame.unread

    def _add_commit(self, evidence: Evidence, resource: Subject) -> Evidence:
        location = self._locate(evidence, resource)
        blame = self._by_file.get(location[0]) if location else None
        commit = blame.find_commit(*location) if blame is not None and location is not None else None
        return evidence if commit is None else msgspec.structs.replace(evidence, commit=commit)

    def _list_locations(self, results: Sequence[SubjectResult]) -> Iterator[tuple[str, int]]:
        for result in results:
            for verdict in result.verdicts.values():
                for evidence in verdict.evidence:
                    location = self._locate(evidence, result.subject)
                    if location is not None:
                        yield location

    def _locate(self, evidence: Evidence, resource: Subject) -> tuple[str, int] | None:
        """Return the file and line to edit: the location of the value if a template only inserts it."""
        location = evidence.location
        if location is None:
            return None
        setting = location.setting
        edited = setting if setting is not None and setting.region is not None else location
        return (
            None if edited.region is None else (self._source.find_path(edited.file, resource), edited.region.start.line)
        )


def find_repository(
    results: Sequence[SubjectResult], source: Inputs, environment: Mapping[str, str]
) -> GitRepository | None:
    """Return the repository that contains the first resource with a file, or the first input.

    None without a repository or if git fails: a scan does not depend on it.
    """
    paths = (
        source.find_path(origin.path, result.subject)
        for result in results
        if (origin := result.subject.source) is not None
    )
    # The path of an image is its reference.
    path = next(filter(os.path.lexists, itertools.chain(paths, source.opened_paths)), "")
    repository = read_repository_at(path, environment)
    if repository is None or repository.branch:
        return repository
    # The head of a checkout is detached.
    return msgspec.structs.replace(repository, branch=source.branches.get(repository.root, ""))


def read_repository_at(path: str, environment: Mapping[str, str]) -> GitRepository | None:
    """Return the repository that contains a file or folder; None without one, or if git fails."""
    if not os.path.lexists(path) or find_repository_root(path) is None:
        return None
    from kubekeep.sources.git.errors import GitError  # noqa: PLC0415 - loaded only if requested
    from kubekeep.sources.git.worktree import read_repository  # noqa: PLC0415

    try:
        return read_repository(path, environment)
    except GitError:
        return None
