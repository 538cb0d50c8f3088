"""Metadata of node files for documents: mode and owner, and for some the content with secrets masked.

Of keys, tokens and kubeconfigs only mode and owner are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from kubekeep.model.location import line_starts
from kubekeep.sources import yaml_text
from kubekeep.sources.host.configuration import mask_secrets
from kubekeep.sources.host.root import HostReadError, MissingFileError, NodeRoot
from kubekeep.sources.tree import Limits, Problem

_BYTES: Final = 1 << 20
_LIMITS: Final = Limits(bytes=_BYTES, depth=100, aliased=10_000, documents=10, nodes=100_000)
_DIGITS: Final = 10
"""Digits of the largest user id, which has 32 bits; Python refuses to parse thousands of digits."""
_PERMISSIONS: Final = 0o777


class NodeAccounts(msgspec.Struct, frozen=True):
    """Names of users and groups by id, as defined on the node."""

    users: dict[int, str]
    groups: dict[int, str]


def read_accounts(root: NodeRoot) -> NodeAccounts:
    """Read the users and groups below `root`; empty if the files cannot be read."""
    return NodeAccounts(_read_names(root, "/etc/passwd"), _read_names(root, "/etc/group"))


class NodeFiles(msgspec.Struct, frozen=True):
    """Files below one root."""

    root: NodeRoot
    accounts: NodeAccounts

    def describe(self, path: str) -> dict[str, Any]:
        """Return `path`, `permissions` and `ownership` of a file. Raises HostReadError."""
        if not path.startswith("/"):
            raise HostReadError("the path is relative to the working directory of the process")
        status = self.root.get_status(path)
        owner: dict[str, Any] = {"uid": status.uid, "gid": status.gid}
        if name := self.accounts.users.get(status.uid):
            owner["username"] = name
        if name := self.accounts.groups.get(status.gid):
            owner["groupname"] = name
        return {"path": path, "permissions": status.mode & _PERMISSIONS, "ownership": owner}

    def read_configuration(self, path: str, kinds: Collection[str]) -> dict[str, Any]:
        """Return the object in a file, one of `kinds`, with secrets masked. Raises HostReadError.

        A file of any other kind is not the configuration that a command line claims, so its content is not read.
        """
        if not path.startswith("/"):
            raise HostReadError("the path is relative to the working directory of the process")
        text = self.root.read_text(path, _BYTES)
        document = next(iter(yaml_text.parse_documents(text, line_starts(text), _LIMITS)), None)
        if document is None or isinstance(document, Problem):
            raise HostReadError("not valid YAML")
        value = document.value
        kind = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            raise HostReadError(f"it does not contain a {' or '.join(sorted(kinds))}")
        masked: dict[str, Any] = mask_secrets(value)
        return masked

    def find_first(self, paths: Iterable[str]) -> str:
        """Return the first of `paths` that exists, even if access is denied. Raises MissingFileError if none does."""
        for path in paths:
            try:
                self.root.get_status(path)
            except MissingFileError:
                continue
            except HostReadError:
                return path
            return path
        raise MissingFileError


def _read_names(root: NodeRoot, path: str) -> dict[int, str]:
    try:
        lines = root.read_text(path, _BYTES).splitlines()
    except HostReadError:
        return {}
    names: dict[int, str] = {}
    for line in lines:
        fields = line.split(":")
        if len(fields) > 3 and fields[2].isdecimal() and len(fields[2]) <= _DIGITS:
            # The system shows the first name of an id.
            names.setdefault(int(fields[2]), fields[0])
    return names
