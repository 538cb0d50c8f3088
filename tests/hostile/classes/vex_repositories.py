"""VEX repositories for `db import`: indexes, documents and archives."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.hostile.member import Expected, Member, hostile_class
from tests.hostile.samples import TEXTS, damage, mutate
from tests.vulnerabilities.database.vex_repository import lay_out, pack, suppress

_FILES = lay_out({"pkg:npm/left-pad": suppress("pkg:npm/left-pad"), "pkg:oci/shop": suppress("pkg:oci/shop@1")})
_PATH = "pkg/0/vex.json"


@hostile_class("VEX repositories")
def repositories(source: random.Random) -> Iterator[Member]:
    """Indexes and documents in which one value is of another type, texts as paths and package URLs, damaged archives."""

    def load(name: str, content: bytes, kind: str = "tar.gz", expected: Expected = Expected.EITHER) -> Member:
        arguments = ("db", "import", f"in.{kind}", "--feed", "hub", "--database", "report")
        return Member(name, {f"in.{kind}": content}, expected, arguments)

    def replace(**files: object) -> bytes:
        changed = {"index.json": files.get("index"), _PATH: files.get("document")}
        return pack(_FILES | {path: json.dumps(value).encode() for path, value in changed.items() if value is not None})

    index, document = json.loads(_FILES["index.json"]), json.loads(_FILES[_PATH])
    yield load("valid", pack(_FILES), expected=Expected.READ)
    for name, changed in mutate(index, source, 32):
        yield load(f"index: {name}", replace(index=changed))
    for name, changed in mutate(document, source, 32):
        yield load(f"document: {name}", replace(document=changed))
    for number, text in enumerate(TEXTS):
        for key in ("id", "location"):
            entries = [{**index["packages"][0], key: text}, index["packages"][1]]
            yield load(f"{key}: {number}", replace(index={**index, "packages": entries}))
    for kind, archive in {"tar.gz": pack(_FILES), "tar.xz": pack(_FILES, "xz"), "zip": pack(_FILES, "zip")}.items():
        for name, content in damage(archive, source, 16):
            yield load(f"{kind}: {name}", content, kind)
