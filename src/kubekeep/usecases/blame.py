"""The commit that last changed each failing line. Asks git once a file; never changes a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import ResourceResult, Unread
from kubekeep.model.finding import Evidence, Verdict
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import Inputs


def with_commits(
    results: Sequence[ResourceResult], source: Inputs, environment: Mapping[str, str], unread: list[Unread]
) -> list[ResourceResult]:
    """`results` with a commit in all evidence that has a line; what git could not tell is added to `unread`."""
    blames = _Blames(results, source, environment)
    changed = [
        msgspec.structs.replace(
            result,
            verdicts={slug: blames.verdict(verdict, result.resource) for slug, verdict in result.verdicts.items()},
        )
        for result in results
    ]
    unread.extend(blames.unread())
    return changed


class _Blames:
    """The histories of all repositories that failing lines are in."""

    def __init__(self, results: Sequence[ResourceResult], source: Inputs, environment: Mapping[str, str]) -> None:
        from kubekeep.sources.git.blame import Blame  # noqa: PLC0415 - only who asks pays for loading what runs git
        from kubekeep.sources.git.worktree import root_of  # noqa: PLC0415

        self._source = source
        self._roots: dict[str, Blame | None] = {}
        self._of: dict[str, Blame | None] = {}
        lines: dict[str, set[int]] = {}
        for file, line in self._places(results):
            lines.setdefault(file, set()).add(line)
        for file, wanted in lines.items():
            root = root_of(file)
            if root is not None and root not in self._roots:
                self._roots[root] = Blame(root, environment)
            blame = self._of[file] = None if root is None else self._roots[root]
            if blame is not None:
                blame.expect(file, wanted)

    def verdict(self, verdict: Verdict, resource: Resource) -> Verdict:
        """`verdict` with the commits of its evidence."""
        if not verdict.evidence:
            return verdict
        return msgspec.structs.replace(
            verdict, evidence=tuple(self._evidence(item, resource) for item in verdict.evidence)
        )

    def unread(self) -> Iterator[Unread]:
        """What git could not tell."""
        for blame in self._roots.values():
            if blame is not None:
                yield from blame.unread

    def _evidence(self, evidence: Evidence, resource: Resource) -> Evidence:
        place = self._place(evidence, resource)
        blame = self._of.get(place[0]) if place else None
        commit = blame.line(*place) if blame is not None and place is not None else None
        return evidence if commit is None else msgspec.structs.replace(evidence, commit=commit)

    def _places(self, results: Sequence[ResourceResult]) -> Iterator[tuple[str, int]]:
        for result in results:
            for verdict in result.verdicts.values():
                for evidence in verdict.evidence:
                    place = self._place(evidence, result.resource)
                    if place is not None:
                        yield place

    def _place(self, evidence: Evidence, resource: Resource) -> tuple[str, int] | None:
        """The file and line that a person would change: where a template takes over a value, the value's."""
        location = evidence.location
        if location is None:
            return None
        at = location.setting if location.setting is not None and location.setting.region is not None else location
        return None if at.region is None else (self._source.path_of(at.file, resource), at.region.start.line)
