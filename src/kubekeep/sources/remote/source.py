"""Detection of URLs. Fetches nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.sources.source import ReadContext, Root, SourceType


class RemoteSource(SourceType):
    """Files fetched by HTTP or HTTPS; their content is read by other sources. URLs of repositories match Git first."""

    name = "remote"
    order = 20

    def matches_address(self, address: str) -> bool:
        """Return True for URLs of HTTP and HTTPS."""
        return address.lower().startswith(("http://", "https://"))

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the inputs in the file at a URL, which is kept until the scan ends."""
        from kubekeep.sources.remote.fetch import RemoteError, fetch  # noqa: PLC0415 - most scans name paths

        try:
            fetched = context.stack.enter_context(fetch(address))
        except RemoteError as error:
            yield UnreadInput(Location(visible(address.rpartition("@")[2])), str(error))
            return
        context.notes += fetched.notes
        yield from context.find(fetched.path, fetched.display_url)


SOURCE: Final = RemoteSource()
