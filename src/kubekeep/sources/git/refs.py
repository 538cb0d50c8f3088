"""Resolution of the branch, tag or commit of an address. Lists the refs of the repository; fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.sources.git.address import Address
from kubekeep.sources.git.errors import GitError

_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_HASH: Final = re.compile(r"[0-9a-f]{7,63}")
_NO_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|[./]$")
"""Text that is invalid in the name of a ref (git-check-ref-format)."""
_SHA256_DIGITS: Final = 64
_SYMREF: Final = "ref: "
_MOST_PARTS: Final = 12
"""Maximum number of parts of the name of a branch if a path follows it."""


class Revision(msgspec.Struct, frozen=True):
    """A resolved revision.

    ref: full ref or hash. branch: branch or tag, empty for a hash. subpath: path in the commit. object_format: `sha1` or
    `sha256`.
    """

    ref: str
    branch: str
    subpath: str
    object_format: str


def resolve_revision(address: Address, branch: str | None, list_refs: Callable[[Sequence[str]], str]) -> Revision:
    """Resolve the revision of an address, or `branch` (a branch, tag or commit) in its place.

    The URL of a page has a ref followed by a path, both with slashes: the longest ref in the repository is used, because
    only one of `a` and `a/b` can be a branch. list_refs: returns the output of `git ls-remote --symref` for patterns,
    lines of a hash, a tab and a ref. Raises GitError.
    """
    candidates = _list_candidates(address, branch)
    hashes_by_ref, head = _parse_refs(
        list_refs(["HEAD", *(ref for name, _ in candidates for ref in _expand_name(name))])
    )
    object_format = _detect_object_format(hashes_by_ref)
    for name, subpath in candidates:
        ref = next((ref for ref in _expand_name(name) if ref in hashes_by_ref), None)
        if ref is not None:
            return Revision(ref, _shorten_ref(ref), subpath, object_format)
        if _HASH.fullmatch(name):
            return Revision(name, "", subpath, object_format)
    if candidates:
        name = candidates[-1][0]
        hint = "; for a commit, use its full id" if _SHORT_HASH.fullmatch(name) else ""
        raise GitError(f"{address.display_url}: branch or tag {name} does not exist{hint}")
    if "HEAD" not in hashes_by_ref:
        raise GitError(f"{address.display_url}: the repository is empty, or the branch of its HEAD does not exist")
    return Revision("HEAD", visible(_shorten_ref(head)), address.subpath, object_format)


def _list_candidates(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """Return the possible pairs of ref and subpath, the longest ref first; empty for the default branch."""
    if branch is not None and (not branch or _NO_REF.search(branch)):
        raise GitError(f"{visible(branch) or '(empty)'} is not a valid name of a branch or tag")
    if not address.tail:
        return _list_explicit_refs(address, branch)
    parts = address.tail.split("/")
    splits = [("/".join(parts[:n]), "/".join(parts[n:])) for n in range(min(len(parts), _MOST_PARTS), 0, -1)]
    # A path may have characters that are invalid in a ref: the ref ends before them.
    names = [split for split in splits if not _NO_REF.search(split[0]) and branch in (None, split[0])]
    if not names:
        raise GitError(
            f"{address.display_url}: {f'the branch in the address differs from {branch}' if branch else 'the branch is missing'}"
        )
    return names


def _list_explicit_refs(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """Return the ref that the address or the user names, if any."""
    if _NO_REF.search(address.ref.removeprefix("refs/")):
        raise GitError(f"{address.display_url}: {visible(address.ref)} is not a valid name of a branch or tag")
    if branch is None:
        return [(address.ref, address.subpath)] if address.ref else []
    if address.ref and branch != _shorten_ref(address.ref):
        raise GitError(f"{address.display_url}: the branch in the address differs from {branch}")
    return [(branch, address.subpath)]


def _expand_name(name: str) -> tuple[str, ...]:
    return (name,) if name.startswith("refs/") else (f"refs/heads/{name}", f"refs/tags/{name}")


def _shorten_ref(ref: str) -> str:
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


def _detect_object_format(hashes: Mapping[str, str]) -> str:
    return "sha256" if any(len(value) == _SHA256_DIGITS for value in hashes.values()) else "sha1"
