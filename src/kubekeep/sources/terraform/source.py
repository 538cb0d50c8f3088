"""Detection of Terraform modules: folders with Terraform files. Evaluates nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.source import ReadContext, Root, SourceType
from kubekeep.sources.terraform.names import EXTENSIONS, VALUES_EXTENSIONS


class TerraformSource(SourceType):
    """Terraform modules; a file that is named selects the module of its folder."""

    name = "terraform"
    order = 60
    is_folder = True

    def matches_file(self, name: str) -> bool:
        """Return True for Terraform files and values files."""
        return name.endswith((*EXTENSIONS, *VALUES_EXTENSIONS))

    def matches_folder(self, names: AbstractSet[str]) -> bool:
        """Return True for folders with Terraform files."""
        return any(name.endswith(EXTENSIONS) for name in names)

    def owns_entry(self, name: str, *, is_folder: bool) -> bool:
        """Return True for Terraform files."""
        return not is_folder and name.endswith(EXTENSIONS)

    def selected_part(self, name: str) -> str:
        """Return the name of the file."""
        return name

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the objects that modules create."""
        if not roots:
            return
        # The reader is loaded only for scans with Terraform.
        from kubekeep.sources.terraform.read import read_modules  # noqa: PLC0415

        for resource in read_modules(roots, context.options.unsaved):
            if isinstance(resource, Resource) and resource.source is not None:
                path = resource.source.path
                context.changed_files.record_changes(path, (context.find_path(path, resource),))
            yield resource


SOURCE: Final = TerraformSource()
