"""Patterns of imported policies: globs of the policy-controller, wildcards of Kyverno and of its ImageValidatingPolicy.

They compare whole references, unlike the patterns of image policies. No I/O.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final, Literal

import re2  # type: ignore[import-untyped]  # it has no types

from kubekeep.registry.reference import DEFAULT_TAG, ArtifactReference

GlobSyntax = Literal["policy-controller", "kyverno", "image-validating-policy"]
_HUB: Final = "docker.io"
_CONTROLLER_HUB: Final = "index.docker.io"
_CONTROLLER: Final = re.compile(r"[a-zA-Z0-9\-_:/*.@]+")
_EXPANDED: Final = {"*": "index.docker.io/library/*", "*/*": "index.docker.io/*/*"}
_UNKNOWN_DIGEST: Final = "sha256:" + "0" * 64
_LONGEST: Final = 1000


class WrittenReference:
    """A reference in the forms that the patterns of each syntax are compared with. text: as users wrote it."""

    def __init__(self, name: ArtifactReference, text: str) -> None:
        self.name = name
        self.text = text

    def matches(self, syntax: GlobSyntax, glob: str) -> bool | None:
        """Return True if the glob matches; None if that is not known.

        The policy-controller compares the digest of a tag: a glob that matches only one of the two may not apply.
        """
        match syntax:
            case "policy-controller":
                return self._match_controller(glob)
            case "kyverno":
                return compile_glob(syntax, glob).fullmatch(format_kyverno(self.text)) is not None
            case _:
                return compile_glob(syntax, glob).fullmatch(self.text) is not None

    def _match_controller(self, glob: str) -> bool | None:
        """Match the digest. In a cluster, the controller resolves a tag before it selects policies."""
        pattern = compile_glob("policy-controller", glob)
        host = _CONTROLLER_HUB if self.name.registry == _HUB else self.name.registry
        if not {".", ":"} & set(host):
            # The controller looks for such a host, as localhost, on Docker Hub.
            return None
        repository = f"{host}/{self.name.repository}"
        by_digest = pattern.fullmatch(f"{repository}@{self.name.digest or _UNKNOWN_DIGEST}") is not None
        if self.name.digest:
            return by_digest
        by_tag = pattern.fullmatch(f"{repository}:{self.name.tag or DEFAULT_TAG}") is not None
        return by_tag if by_tag == by_digest else None


@functools.lru_cache(maxsize=4096)
def compile_glob(syntax: GlobSyntax, glob: str) -> Any:
    """Return the glob as a regular expression. Raises ValueError for an invalid glob."""
    if len(glob) > _LONGEST:
        raise ValueError(f"the glob is longer than {_LONGEST} characters")
    if syntax == "policy-controller":
        if not _CONTROLLER.fullmatch(glob):
            raise ValueError(f"invalid glob {glob!r}: use letters, digits and any of - _ : / * . @")
        # The order is that of the controller: `**` first, then `*`.
        text = _EXPANDED.get(glob, glob).replace(".", r"\.").replace("**", "#").replace("*", "[^/]*")
        return re2.compile(text.replace("#", ".*"))
    if syntax == "image-validating-policy" and (unsupported := re.search(r"[\[\]{}\\]", glob)):
        raise ValueError(f"the glob {glob!r} has {unsupported[0]!r}: use * and ? only")
    return re2.compile(re.escape(glob).replace(r"\*", ".*").replace(r"\?", "."))


def format_kyverno(text: str) -> str:
    """Return a reference as Kyverno compares it: with registry, and either the digest or the tag.

    Unlike Docker's own notation, an image without an organisation is `docker.io/nginx`, not `docker.io/library/nginx`.
    """
    name, _, digest = text.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    host = name.partition("/")[0]
    is_registry = "/" in name and ("." in host or ":" in host or host == "localhost" or host != host.lower())
    prefix = "" if is_registry else f"{_HUB}/"
    return f"{prefix}{head}{slash}{last}" + (f"@{digest}" if digest else f":{tag or DEFAULT_TAG}")
