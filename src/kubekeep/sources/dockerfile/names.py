"""Names and file type of Dockerfiles. No I/O."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.source import CommentSyntax, FileType

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
