"""Write the published JSON schemas from the model; `--check` fails when they are out of date.

Writes the schemas of the library's files, of image policies and of the JSON form of findings, coverage gaps and submissions, nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from kubekeep.imagepolicy.policy import ImagePolicy
from kubekeep.model.control import Control
from kubekeep.model.finding_document import FindingDocument, GapDocument
from kubekeep.model.framework import Framework
from kubekeep.model.submission import Submission

PACKAGE = Path(__file__).parent.parent / "src" / "kubekeep"
SCHEMAS = {
    PACKAGE / "library" / "schema" / "control.schema.json": Control,
    PACKAGE / "library" / "schema" / "framework.schema.json": Framework,
    PACKAGE / "model" / "finding-v1.schema.json": FindingDocument,
    PACKAGE / "model" / "coverage-gap-v1.schema.json": GapDocument,
    PACKAGE / "model" / "submission-v1.schema.json": Submission,
    PACKAGE / "imagepolicy" / "image-policy-v1.schema.json": ImagePolicy,
}
PATH_FIELDS = {"Control": ("slug", "area", "page"), "Framework": ("slug",)}
"""Fields that library files do not contain: they come from the names of the file and its folders."""


def create_schema(kind: type) -> str:
    """Return the schema of documents of this type."""
    document = msgspec.json.schema(kind)
    for name, fields in PATH_FIELDS.items():
        for field in fields:
            document["$defs"].get(name, {"properties": {}})["properties"].pop(field, None)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | document, indent=2) + "\n"


def main() -> int:
    """Write the schemas, or compare them."""
    texts = {file: create_schema(kind) for file, kind in SCHEMAS.items()}
    if "--check" in sys.argv:
        outdated = [file.name for file, text in texts.items() if file.read_text(encoding="utf-8") != text]
        if outdated:
            print(f"out of date: {', '.join(outdated)}; run scripts/schema.py", file=sys.stderr)
        return bool(outdated)
    for file, text in texts.items():
        file.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
