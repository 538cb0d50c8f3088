"""Detection of Dockerfiles by their names. Reads nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.model.source import CommentSyntax, FileType
from kubekeep.sources.source import ReadContext, Root, SourceType

DOCKERFILE: Final = FileType("Dockerfile", comments=(("", CommentSyntax.DOCKERFILE),))
_NAME: Final = re.compile(r"(?:Docker|Container)file(?:\.(?P<variant>.+))?|[^.].*\.(?:[dD]ocker|[cC]ontainer)file")
_OTHER_FILES: Final = frozenset(
    (
        *("dockerignore", "containerignore", "j2", "jinja", "jinja2", "tmpl", "tpl", "template", "erb", "hbs", "ejs"),
        *("mustache", "gotmpl", "in", "m4", "md", "rst", "adoc", "html", "patch", "diff", "orig", "rej", "bak", "swp"),
        *(
            "sig",
            "asc",
            "sha256",
            "json",
            "yaml",
            "yml",
            "toml",
            "sh",
            "py",
            "go",
            "js",
            "ts",
            "rb",
            "rego",
            "gz",
            "zip",
        ),
    )
)
"""Extensions after `Dockerfile.` of files that are no Dockerfiles: ignore files, templates, copies and programs."""


def is_dockerfile_name(name: str) -> bool:
    """Return True if a file with this base name is read as a Dockerfile."""
    if "file" not in name or (match := _NAME.fullmatch(name)) is None:
        return False
    variant = match["variant"] or ""
    return variant.rpartition(".")[2].lower() not in _OTHER_FILES and not variant.endswith("~")


class DockerfileSource(SourceType):
    """Files named `Dockerfile`, `Containerfile`, `Dockerfile.*` and `*.Dockerfile`."""

    name = "dockerfile"
    order = 55

    def matches_file(self, name: str) -> bool:
        """Return True for names of Dockerfiles."""
        return is_dockerfile_name(name)

    def matches_entry(self, name: str) -> bool:
        """Return True for names of Dockerfiles."""
        return is_dockerfile_name(name)

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield a resource for each file."""
        if not roots:
            return
        # The reader is loaded only for scans with Dockerfiles.
        from kubekeep.sources.dockerfile.read import read_root  # noqa: PLC0415

        for root in roots:
            path = os.path.abspath(root.path)
            context.files += 1
            context.changed_files.record_changes(root.shown_path, (root.path,))
            yield from read_root(root, path, context.options.unsaved, context.limits)


SOURCE: Final = DockerfileSource()
