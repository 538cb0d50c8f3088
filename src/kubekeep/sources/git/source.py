"""Detection of Git repositories by their addresses. Fetches nothing itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.sources.source import ReadContext, Root, SourceType


class GitSource(SourceType):
    """Remote repositories, checked out into a temporary folder; their content is read by other sources."""

    name = "git"
    order = 10

    def matches_address(self, address: str) -> bool:
        """Return True for addresses of repositories."""
        if ":" not in address:
            return False
        # Most scans name paths: what fetches is loaded only for others.
        from kubekeep.sources.git.address import is_repository  # noqa: PLC0415

        return is_repository(address)

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield the inputs in a repository."""
        from kubekeep.sources.git.checkout import checkout  # noqa: PLC0415
        from kubekeep.sources.git.errors import GitError  # noqa: PLC0415
        from kubekeep.sources.git.worktree import remove_credentials  # noqa: PLC0415

        options = context.options
        try:
            working_tree = context.stack.enter_context(
                checkout(
                    address,
                    environment=options.access.environment,
                    tokens=options.access.tokens,
                    branch=options.branch or None,
                    history=bool(options.blame or options.changed_since),
                )
            )
        except GitError as error:
            yield UnreadInput(Location(visible(remove_credentials(address))), str(error))
            return
        yield from working_tree.unread
        context.temporary[os.path.realpath(working_tree.root)] = ""
        revision = f"{working_tree.branch or 'commit'} {working_tree.commit[:12]}"
        context.notes.append(f"{working_tree.display_url}: {revision}")
        context.opened_paths.append(working_tree.path)
        context.branches[os.path.realpath(working_tree.root)] = working_tree.branch
        for root in context.find(working_tree.path, working_tree.subpath):
            if isinstance(root, Root):
                context.homes[root.base] = working_tree.root
            yield root


SOURCE: Final = GitSource()
