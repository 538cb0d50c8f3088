"""Images of a workspace of an editor: its SBOMs, compared with the advisory database, joined with the open manifests.

Reads an SBOM only when it has changed, and never uses the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.priority import ResourceContext
from kubekeep.model.resource import Resource

MAX_SBOMS: Final = 50
"""Maximum number of SBOMs of a workspace that are compared."""


class WorkspaceImages:
    """The images that SBOMs describe, with their vulnerabilities. scan: returns the assessment of addresses of SBOMs."""

    def __init__(self, scan: Callable[[tuple[str, ...]], Assessment]) -> None:
        self._scan = scan
        self._stamps: dict[str, tuple[int, int]] = {}
        self._results: list[SubjectResult] = []
        self.definitions: tuple[Definition, ...] = ()
        """The vulnerabilities of all images."""

    def refresh(self, paths: Iterable[str]) -> None:
        """Read the SBOMs again if one has changed."""
        stamps = dict(_list_stamps(list(paths)[:MAX_SBOMS]))
        if stamps == self._stamps:
            return
        self._stamps, self._results, self.definitions = stamps, [], ()
        if not stamps:
            return
        assessment = self._scan(tuple(f"sbom:{path}" for path in stamps))
        summaries = [summary for summary in assessment.summaries if summary.definition.concerns_packages]
        self.definitions = tuple(summary.definition for summary in summaries)
        priorities = {summary.definition.slug: summary.priority for summary in summaries}
        for result in assessment.results:
            verdicts = {slug: verdict for slug, verdict in result.verdicts.items() if slug in priorities}
            own = {slug: result.priorities.get(slug, priorities[slug]) for slug in verdicts}
            self._results.append(SubjectResult(result.subject, verdicts, own))

    def join(self, resources: Sequence[Resource], contexts: Mapping[int, ResourceContext]) -> list[SubjectResult]:
        """Return the images that containers of these resources run, with the containers."""
        if not self._results:
            return []
        # Loaded only for workspaces with SBOMs.
        from kubekeep.usecases.image_workloads import join_images  # noqa: PLC0415

        joined = join_images(self._results, resources, contexts)
        return [result for result in joined if result.containers]

    def list_joined(self, resources: Sequence[Resource]) -> tuple[str, ...]:
        """Return the addresses of the SBOMs of images that containers of these resources run."""
        locations = (result.subject.locate(()) for result in self.join(resources, {}))
        return tuple(f"sbom:{os.path.realpath(location.file)}" for location in locations if location is not None)


def _list_stamps(paths: Iterable[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the modification time and the size of each file that exists."""
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            continue
        yield path, (status.st_mtime_ns, status.st_size)
