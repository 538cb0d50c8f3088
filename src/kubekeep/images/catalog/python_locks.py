"""Lock files of Python: pip, Pipenv, Poetry, uv, PDM and the standard `pylock.toml`. Read in folders, not in images.

A requirement counts if it names one version with `==`. Included files are not followed, and markers are not evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content, read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, as_text, build_record, is_plain, read_json, read_toml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.package_url import normalise_name
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = (
    "**/*requirements*.txt",
    "**/requirements/*.txt",
    "**/Pipfile.lock",
    "**/poetry.lock",
    "**/uv.lock",
    "**/pdm.lock",
    "**/pylock.toml",
    "**/pylock.*.toml",
)
REQUIREMENT: Final = (
    r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)\s*(?:;.*|--.*|\\)?$"
)
LOCAL_SOURCES: Final = ("editable", "virtual", "directory", "path")


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the distributions of a lock file."""
    name = file.path.rpartition("/")[2]
    if name.endswith(".txt"):
        packages = _list_requirements(read_text(file, MAXIMUM_SLOW_BYTES))
    elif name == "Pipfile.lock":
        packages = _list_pipenv(as_mapping(read_json(read_content(file))))
    else:
        packages = _list_tables(read_toml(read_content(file)), name)
    return build_record(file, "python_locks", packages)


def _build(name: str, version: str, evidence: str, vcs_url: str = "") -> Iterator[Package]:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,300}", name) and is_plain(version):
        qualifiers = (("vcs_url", vcs_url),) if vcs_url else ()
        yield Package(
            type="pypi",
            name=normalise_name("pypi", "", name)[1],
            version=version,
            qualifiers=qualifiers,
            evidence=evidence,
            declared=True,
        )


def _list_requirements(text: str) -> Iterator[Package]:
    for line in text.splitlines():
        requirement = line.partition(" #")[0].strip()[:1_000]
        if match := re.match(REQUIREMENT, requirement):
            yield from _build(match[1], match[2], "requirements.txt")


def _list_pipenv(document: dict[str, Any]) -> Iterator[Package]:
    for section in ("default", "develop"):
        for name, value in as_mapping(document.get(section)).items():
            entry = as_mapping(value)
            version = as_text(entry.get("version"))
            if version.startswith("=="):
                yield from _build(name, version.lstrip("= "), "Pipfile.lock")
            elif repository := as_text(entry.get("git")):
                yield from _build(name, as_text(entry.get("ref")), "Pipfile.lock", f"git+{repository}")


def _list_tables(document: dict[str, Any], evidence: str) -> Iterator[Package]:
    """Yield the packages of `[[package]]` (Poetry, uv, PDM) or `[[packages]]` (the standard format)."""
    for value in as_list(document.get("package") or document.get("packages")):
        entry = as_mapping(value)
        source = as_mapping(entry.get("source"))
        is_local = any(key in source for key in LOCAL_SOURCES) or source.get("type") in ("directory", "file")
        if is_local or "directory" in entry or "path" in entry:
            continue
        vcs = as_mapping(entry.get("vcs"))
        address = as_text(entry.get("git") or source.get("git") or vcs.get("url"))
        if source.get("type") == "git":
            address = as_text(source.get("url"))
        vcs_url = f"git+{address.removeprefix('git+')}" if address else ""
        yield from _build(as_text(entry.get("name")), as_text(entry.get("version")), evidence, vcs_url)
