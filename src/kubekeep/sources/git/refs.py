"""Which branch, tag or commit of a remote repository an address means. Asks the repository; fetches nothing."""

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
"""What no name of a ref has in it (git-check-ref-format)."""
_SHA256_DIGITS: Final = 64
_SYMREF: Final = "ref: "
_DEEPEST: Final = 12
"""How many parts a branch's name has at most when a path follows it."""


class Revision(msgspec.Struct, frozen=True):
    """What to fetch (a whole ref or a hash), the branch or tag it is called (empty for a hash), and the path in it.

    `hashes` is how the repository names its objects: `sha1` or `sha256`.
    """

    fetch: str
    branch: str
    subpath: str
    hashes: str


def resolve(address: Address, branch: str | None, ask: Callable[[Sequence[str]], str]) -> Revision:
    """The revision that `address` means, or that `branch` (a branch, tag or commit) tells in its place.

    A page's address holds a ref and a path, one after the other, and both have slashes: the longest ref that the
    repository has is meant, as only one of `a` and `a/b` can be a branch. `ask` gives what `git ls-remote --symref`
    prints for patterns: lines of a hash, a tab and a ref. Raises GitError.
    """
    candidates = _candidates(address, branch)
    found, head = _answers(ask(["HEAD", *(ref for name, _ in candidates for ref in _refs(name))]))
    hashes = _hashes(found)
    for name, subpath in candidates:
        ref = next((ref for ref in _refs(name) if ref in found), None)
        if ref is not None:
            return Revision(ref, _name(ref), subpath, hashes)
        if _HASH.fullmatch(name):
            return Revision(name, "", subpath, hashes)
    if candidates:
        name = candidates[-1][0]
        hint = "; a commit is written with all its digits" if _SHORT_HASH.fullmatch(name) else ""
        raise GitError(f"{address.shown}: no branch or tag {name}{hint}")
    if "HEAD" not in found:
        raise GitError(f"{address.shown}: the repository is empty, or has no branch that its HEAD names")
    return Revision("HEAD", visible(_name(head)), address.subpath, hashes)


def _candidates(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """(ref, sub-path) that may be meant, the longest ref first; empty for the repository's own branch."""
    if branch is not None and (not branch or _NO_REF.search(branch)):
        raise GitError(f"{visible(branch) or 'nothing'} is no name of a branch or tag")
    if not address.tail:
        return _told(address, branch)
    parts = address.tail.split("/")
    splits = [("/".join(parts[:n]), "/".join(parts[n:])) for n in range(min(len(parts), _DEEPEST), 0, -1)]
    # A path may have what no ref has: the ref ends before it.
    names = [split for split in splits if not _NO_REF.search(split[0]) and branch in (None, split[0])]
    if not names:
        raise GitError(
            f"{address.shown}: {f'the address names another branch than {branch}' if branch else 'no branch'}"
        )
    return names


def _told(address: Address, branch: str | None) -> list[tuple[str, str]]:
    """The one ref that the address or the user tells, if one does."""
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


def _answers(text: str) -> tuple[Mapping[str, str], str]:
    """(hashes by ref, the branch that HEAD is, empty when it is none)."""
    found: dict[str, str] = {}
    head = ""
    for line in text.splitlines():
        told, _, ref = line.partition("\t")
        if told.startswith(_SYMREF) and ref == "HEAD":
            head = told.removeprefix(_SYMREF)
        elif _HASH.fullmatch(told):
            found[ref] = told
    return found, head


def _hashes(found: Mapping[str, str]) -> str:
    return "sha256" if any(len(item) == _SHA256_DIGITS for item in found.values()) else "sha1"
