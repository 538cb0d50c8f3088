"""Detection of patterns of registries on the command line. Opens none itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.registries.address import PREFIX, is_registry_address
from kubekeep.sources.source import ReadContext, Root, SourceType


class RegistrySource(SourceType):
    """Images of registries by pattern: `registry:registry.example/team/*`."""

    name = "registries"
    order = 95

    def matches_address(self, address: str) -> bool:
        """Return True for a pattern of images."""
        return is_registry_address(address)

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the pattern as a root."""
        del context
        pattern = address.removeprefix(PREFIX)
        yield Root(self.name, pattern, pattern, "")

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the resource of each image, and the parts that could not be read."""
        packages = context.options.registries.packages
        if roots and packages is not None:
            from kubekeep.sources.registries.known import read_known  # noqa: PLC0415 - only to match again

            yield from read_known(packages, context)
        elif roots:
            from kubekeep.sources.registries.read import read_registries  # noqa: PLC0415 - most scans have none

            yield from read_registries([root.path for root in roots], context)


SOURCE: Final = RegistrySource()
