"""Write the JSON schemas of the library's files from the model; `--check` fails when they are out of date.

Writes below src/kubekeep/library/schema/ only.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from kubekeep.model.control import Control
from kubekeep.model.framework import Framework

FOLDER = Path(__file__).parent.parent / "src" / "kubekeep" / "library" / "schema"
FROM_THE_PATH = ("slug", "area", "page")
"""Fields that a file does not say: its own name and its folder's do."""


def schema(kind: type) -> str:
    """The schema of a library file that holds a `kind`."""
    document = msgspec.json.schema(kind)
    for definition in document["$defs"].values():
        for field in FROM_THE_PATH:
            definition["properties"].pop(field, None)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema"} | document, indent=2) + "\n"


def main() -> int:
    """Write both schemas, or compare them."""
    wanted = {"control.schema.json": schema(Control), "framework.schema.json": schema(Framework)}
    if "--check" in sys.argv:
        stale = [name for name, text in wanted.items() if (FOLDER / name).read_text(encoding="utf-8") != text]
        if stale:
            print(f"out of date: {', '.join(stale)}; run scripts/schema.py", file=sys.stderr)
        return bool(stale)
    FOLDER.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
