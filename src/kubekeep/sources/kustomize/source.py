"""Detection of kustomizations: folders with a kustomization file. Builds nothing itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.kustomize.names import KUSTOMIZATIONS
from kubekeep.sources.notes import list_first
from kubekeep.sources.source import ReadContext, Root, SourceType

_ADVICE: Final = "scan the folder of an overlay"


class KustomizeSource(SourceType):
    """Kustomizations, built before other files: a file that a kustomization includes is read only there."""

    name = "kustomize"
    order = 40
    is_folder = True
    is_followed = True

    def matches_file(self, name: str) -> bool:
        """Return True for kustomization files."""
        return name in KUSTOMIZATIONS

    def matches_folder(self, names: AbstractSet[str]) -> bool:
        """Return True for folders with a kustomization file."""
        return not names.isdisjoint(KUSTOMIZATIONS)

    def owns_entry(self, name: str, *, is_folder: bool) -> bool:
        """Return True for kustomization files."""
        return not is_folder and name in KUSTOMIZATIONS

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the objects of kustomizations that have not been built yet."""
        roots = [root for root in roots if not context.has_read(root.path)]
        if not roots:
            return
        # The builder is loaded only for scans with kustomizations.
        from kubekeep.sources.kustomize.build import Kustomizations  # noqa: PLC0415

        builder = Kustomizations(
            context.limits,
            allow_helm=context.options.kustomize_helm,
            rendering_time=context.rendering_time,
            unsaved=context.options.unsaved,
        )
        shown_path: set[str] = set()
        for resource in builder.read(roots):
            if (
                isinstance(resource, Resource)
                and resource.source is not None
                and resource.source.path not in shown_path
            ):
                shown_path.add(resource.source.path)
                context.changed_files.record_changes(
                    resource.source.path, builder.files_by_folder[resource.source.path]
                )
            yield resource
        built_bases = [path for path in builder.find_bases() if path in shown_path]
        if built_bases:
            context.notes.append(_describe_bases(built_bases))
        context.read_paths.update(os.path.realpath(root.path) for root in roots)
        context.read_paths |= builder.included_files
        context.files += len(builder.included_files)


def _describe_bases(bases: Sequence[str]) -> str:
    """Return a note about bases that are built alone, too."""
    names = list_first(bases)
    if len(bases) == 1:
        return f"1 base of an overlay is evaluated alone, too ({names}); to count its findings only once, {_ADVICE}"
    return f"{len(bases)} bases of overlays are evaluated alone, too ({names}); to count their findings only once, {_ADVICE}"


SOURCE: Final = KustomizeSource()
