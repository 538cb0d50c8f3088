"""Parsing of repository addresses: clone URLs and URLs of pages that show a branch or folder.

Supports the pages of GitHub, GitLab, Bitbucket, Azure DevOps and Gitea, also self-hosted. The end of the branch and the
start of the path in a page's URL are resolved by `refs`. No network access.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

from kubekeep.model.text import visible
from kubekeep.sources.git.errors import GitError

SCHEMES: Final = frozenset({"https", "http", "ssh", "file"})
_FILES: Final = (".yaml", ".yml", ".json", ".tgz")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HELPER: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+::")
_SCP: Final = re.compile(r"(?:([^@/:\s]+)@)?([^@/:\s]{2,}):(?!//)(\S.*)")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PAIR_HOSTS: Final = frozenset({"github.com", "bitbucket.org"})
"""Hosts with repositories at `owner/name` only."""
_VIEWS: Final = ("tree", "blob")
_AZURE_REFS: Final = {"GB": "refs/heads/", "GT": "refs/tags/", "GC": ""}


class Login(msgspec.Struct, frozen=True):
    """User name with a password or token."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Login(...)"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed address.

    remote: URL for git. display_url: URL for messages; both without credentials, which are in `login`. host: with the
    port if one is named; empty for files. ref: a branch, tag or commit, or a full `refs/...`. tail: the part of a page's
    URL after `tree/`, a ref followed by a path. subpath: folder, without slashes at its ends.
    """

    remote: str
    display_url: str
    scheme: str
    host: str = ""
    login: Login | None = None
    ref: str = ""
    tail: str = ""
    subpath: str = ""


def is_repository(text: str) -> bool:
    """Return True if `text` is the address of a repository, rather than a path or the URL of one manifest.

    An existing path is never an address. Also True for addresses that git accepts and `parse_address` rejects.
    """
    if os.path.lexists(text):
        return False
    scheme = _SCHEME.match(text)
    if scheme is None:
        match = _SCP.fullmatch(text)
        return bool(_HELPER.match(text) or (match and (match[1] or match[3].rstrip("/").endswith(".git"))))
    if scheme[1].lower() not in ("http", "https"):
        return scheme[1].lower() in SCHEMES | {"git"} or scheme[1].lower().startswith("git+")
    try:
        parts = urlsplit(text)
    except ValueError:
        return True
    return (
        not parts.path.lower().endswith(_FILES)
        or _split_page_path(_get_host(parts), parts.path.split("/")[1:]) is not None
    )


def parse_address(text: str) -> Address:
    """Parse an address. Raises GitError, without credentials in its message, if git must not open it."""
    if not text.isprintable() or any(not char.isprintable() for char in unquote(text)):
        raise GitError("repository address contains control characters")
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _parse_scp(text)
    try:
        parts = urlsplit(text.removeprefix("git+"))
        port = parts.port
    except ValueError:
        raise GitError("invalid repository address: invalid host or port") from None
    if parts.scheme not in SCHEMES:
        raise GitError(f"{parts.scheme}:// is refused: use https, ssh, http or file")
    if parts.scheme == "file":
        return _parse_file(parts)
    host = _get_host(parts)
    if not _HOST.fullmatch(host.removesuffix(f":{port}")):
        raise GitError("invalid repository address: invalid host name")
    return _parse_ssh(parts, host) if parts.scheme == "ssh" else _parse_web(parts, host)


def _get_host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port is not None else host


def _parse_scp(text: str) -> Address:
    """Parse an address of the form `git@host:owner/repo.git`."""
    match = _SCP.fullmatch(text)
    if helper := _HELPER.match(text):
        raise GitError(f"{helper[0]} is refused: git would run a program")
    if match is None or "@" in match[3].partition("/")[0]:
        # The address may contain a password: it is not quoted.
        raise GitError("invalid repository address")
    user, host, path = match[1] or "", match[2].lower(), match[3]
    if (user and not _USER.fullmatch(user)) or not _HOST.fullmatch(host) or path.startswith("-"):
        raise GitError("invalid repository address: invalid user, host or path")
    return Address(remote=text, display_url=text, scheme="ssh", host=host)


def _parse_file(parts: SplitResult) -> Address:
    if parts.netloc or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise GitError("the address of a local repository has the form file:///absolute/path")
    remote = f"file://{parts.path}"
    return Address(remote=remote, display_url=remote, scheme="file")


def _parse_ssh(parts: SplitResult, host: str) -> Address:
    if parts.password is not None:
        raise GitError("a password in an ssh address is refused: use a key in your ssh agent")
    user = parts.username or ""
    if user and not _USER.fullmatch(user):
        raise GitError("invalid repository address: invalid user")
    path, subpath, ref = _split_repository_path(parts)
    remote = f"ssh://{user}{'@' if user else ''}{host}{path}"
    return Address(remote=remote, display_url=remote, scheme="ssh", host=host, ref=ref, subpath=subpath)


def _parse_web(parts: SplitResult, host: str) -> Address:
    login = None
    if parts.username or parts.password:
        login = Login(unquote(parts.username or ""), unquote(parts.password or ""))
    display_url = f"{parts.scheme}://{host}{parts.path}"
    segments = parts.path.strip("/").split("/")
    ref = tail = subpath = ""
    if "_git" in segments[:-1]:
        # Azure has the branch and the path in the query.
        path = "/" + "/".join(segments[: segments.index("_git") + 2])
        query = parse_qs(parts.query)
        subpath, ref = _clean_path(query.get("path", [""])[0]), _parse_azure_ref(query.get("version", [""])[0])
        display_url = f"{display_url}?{parts.query}" if subpath or ref else display_url
    elif (page := _split_page_path(host, segments)) is not None:
        owner, tail = page
        path, tail = f"/{'/'.join(owner).removesuffix('.git')}.git", _clean_path(tail)
    else:
        path, subpath, ref = _split_repository_path(parts)
        if host in _PAIR_HOSTS and path.strip("/").count("/") != 1:
            raise GitError(
                f"{visible(display_url)}: not the address of a repository (owner/name) or of a page of its files"
            )
    remote = f"{parts.scheme}://{host}{path}"
    return Address(
        remote=remote,
        display_url=visible(display_url),
        scheme=parts.scheme,
        host=host,
        login=login,
        ref=ref,
        tail=tail,
        subpath=subpath,
    )


def _split_page_path(host: str, segments: Sequence[str]) -> tuple[list[str], str] | None:
    """Return the parts of the repository's path, and the ref with the path; None if the URL is not a page of files."""
    if "-" in segments[2:-2]:
        # GitLab has nested groups: a dash ends the path of the repository.
        dash = segments.index("-", 2)
        return (list(segments[:dash]), "/".join(segments[dash + 2 :])) if segments[dash + 1] in _VIEWS else None
    match segments:
        case [owner, name, "src", ("branch" | "tag" | "commit"), first, *rest] if host != "bitbucket.org":
            return [owner, name], "/".join([first, *rest])
        case [owner, name, "src", first, *rest] if host == "bitbucket.org":
            return [owner, name], "/".join([first, *rest])
        case [owner, name, view, first, *rest] if view in _VIEWS:
            return [owner, name], "/".join([first, *rest])
        case _:
            return None


def _split_repository_path(parts: SplitResult) -> tuple[str, str, str]:
    """Return path, subpath and ref of `/owner/name.git//folder?ref=main`, the notation of kustomize."""
    if parts.fragment:
        raise GitError("a repository address must not contain a fragment (#)")
    query = parse_qs(parts.query, keep_blank_values=True)
    ref = query.pop("ref", [""])[0]
    if query:
        raise GitError("a repository address supports only the query ?ref=")
    path, _, subpath = parts.path.partition("//")
    if not path.strip("/"):
        raise GitError("invalid repository address: the path is missing")
    return path.rstrip("/"), _clean_path(subpath), ref


def _parse_azure_ref(version: str) -> str:
    kind, name = version[:2], version[2:]
    if version and (kind not in _AZURE_REFS or not name):
        raise GitError("the version in the address is not a branch, tag or commit (GB, GT, GC)")
    return _AZURE_REFS[kind] + name if version else ""


def _clean_path(path: str) -> str:
    """Decode a path and remove empty parts and dots. Raises GitError for `..`."""
    parts = [part for part in unquote(path).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise GitError("the path in the address is outside the repository")
    return "/".join(parts)
