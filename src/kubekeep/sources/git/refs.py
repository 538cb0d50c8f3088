"""Resolution of the branch, tag or commit of an address. Lists the refs of the repository; fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.sources.git.address import Address
from kubekeep.sources.git.program import GitError

_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_HASH: Final = re.compile(r"[0-9a-f]{7,63}")
_NO_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$")
"""Text that is invalid in the name of a ref (git-check-ref-format)."""
_SHA256_DIGITS: Final = 64
_SYMREF: Final = "ref: "
_DEEPEST: Final = 12
"""Maximum number of parts of the name of a branch if a path follows it."""


class Revision(msgspec.Struct, frozen=True):
    """A resolved revision.

    fetch: full ref or hash. branch: branch or tag, empty for a hash. subpath: path in the commit. hashes: object format
    of the repository, `sha1` or `sha256`.
    """

    fetch: str
    branch: str
    subpath: str
    hashes: str


def resolve(address: Address, branch: str | None, list_refs: Callable[[Sequence[str]], str]) -> Revision:
    """Resolve the revision of an address, or `branch` (a branch, tag or commit) in its place.

    The URL of a page has a ref followed by a path, both with slashes: the longest ref in the repository is used, because
    only one of `a` and `a/b` can be a branch. list_refs: returns the output of `git ls-remote --symref` for patterns,
    lines of a hash, a tab and a ref. Raises GitError.
    """
    candidates = _candidates(address, branch)
    hashes_by_ref, head = _parse_refs(list_refs(["HEAD", *(ref for name, _ in candidates for ref in _refs(name))]))
    hashes = _object_format(hashes_by_ref)
    for name, subpath in candidates:
        ref = next((ref for ref in _refs(name) if ref in hashes_by_ref), None)
        if ref is not None:
            return Revision(ref, _name(ref), subpath, hashes)
        if _HASH.fullmatch(name):
            return Revision(name, "", subpath, hashes)
    if candidates:
        name = candidates[-1][0]
        hint = "; a commit is written with all its digits" if _SHORT_HASH.fullmatch(name) else ""
        raise GitError(f"{address.shown}: no branch or tag {name}{hint}")
    if "HEAD" not in hashes_by_ref:
        raise GitError(f"{address.shown}: the repository is empty, or has no branch that its HEAD names")
    return Revision("HEAD", visible(_name(head)), address.subpath, hashes)


def _candidates(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """Return the possible pairs of ref and subpath, the longest ref first; empty for the default branch."""
    if branch is not None and (not branch or _NO_REF.search(branch)):
        raise GitError(f"{visible(branch) or 'nothing'} is no name of a branch or tag")
    if not address.tail:
        return _explicit_ref(address, branch)
    parts = address.tail.split("/")
    splits = [("/".join(parts[:n]), "/".join(parts[n:])) for n in range(min(len(parts), _DEEPEST), 0, -1)]
    # A path may have characters that are invalid in a ref: the ref ends before them.
    names = [split for split in splits if not _NO_REF.search(split[0]) and branch in (None, split[0])]
    if not names:
        raise GitError(
            f"{address.shown}: {f'the address names another branch than {branch}' if branch else 'no branch'}"
        )
    return names


def _explicit_ref(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """Return the ref that the address or the user names, if any."""
    if _NO_REF.search(address.ref.removeprefix("refs/")):
        raise GitError(f"{address.shown}: {visible(address.ref)} is no name of a branch or tag")
    if branch is None:
        return [(address.ref, address.subpath)] if address.ref else []
    if address.ref and branch != _name(address.ref):
        raise GitError(f"{address.shown}: the address names another branch than {branch}")
    return [(branch, address.subpath)]


def _refs(name: str) -> tuple[str, ...]:
    return (name,) if name.startswith("refs/") else (f"refs/heads/{name}", f"refs/tags/{name}")


def _name(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _parse_refs(text: str) -> tuple[Mapping[str, str], str]:
    """Return the hashes by ref, and the branch of HEAD, empty if it has none."""
    hashes: dict[str, str] = {}
    head = ""
    for line in text.splitlines():
        value, _, ref = line.partition("\t")
        if value.startswith(_SYMREF) and ref == "HEAD":
            head = value.removeprefix(_SYMREF)
        elif _HASH.fullmatch(value):
            hashes[ref] = value
    return hashes, head


def _object_format(hashes: Mapping[str, str]) -> str:
    return "sha256" if any(len(value) == _SHA256_DIGITS for value in hashes.values()) else "sha1"
