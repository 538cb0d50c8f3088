"""Ruby gems: the specifications of installed and default gems, and in folders `Gemfile.lock`. Never evaluates Ruby.

A specification whose name or version is computed, as in a source folder, is not listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kubekeep.images.catalog.bounded import read_text
from kubekeep.images.catalog.documents import MAXIMUM_SLOW_BYTES, build_record, is_name, is_plain
from kubekeep.images.catalog.language_licences import read_licence
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package

PATTERNS: Final = ("**/specifications/*.gemspec", "**/specifications/default/*.gemspec", "**/bundler/gems/*/*.gemspec")
FOLDER_PATTERNS: Final = ("**/Gemfile.lock", "**/gems.locked")
MAXIMUM_SPECIFICATION: Final = 1024 * 1024
STRING: Final = r"""(?:"([^"\\\n#]*)"|'([^'\\\n]*)')"""
FIELD: Final = rf"(?m)^[ \t]*\w+\.(name|version|platform|license|author)[ \t]*=[ \t]*(?:Gem::Version\.new[ \t(]*)?{STRING}(?:\.freeze)?\)?[ \t]*(?:if .*)?$"
LIST: Final = r"(?m)^[ \t]*\w+\.(licenses|authors)[ \t]*=[ \t]*\[([^\]\n]{0,2000})\]"
GEM: Final = r"    ([A-Za-z0-9][\w.-]*) \(([0-9][\w.]*)(?:-([\w.-]+))?\)"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the gem of a specification, or the gems of a lock file."""
    if not file.path.endswith(".gemspec"):
        return build_record(file, "ruby", _list_locked(read_text(file, MAXIMUM_SLOW_BYTES)))
    text = read_text(file, MAXIMUM_SPECIFICATION)
    fields = {key: one or other for key, one, other in re.findall(FIELD, text)}
    lists = {key: [one or other for one, other in re.findall(STRING, body)] for key, body in re.findall(LIST, text)}
    if stub := re.match(r"(?:#[^\n]*\n)?# stub: (\S+) (\S+) (\S+) ", text):
        fields["name"], fields["version"], fields["platform"] = stub.groups()
    licences = lists.get("licenses") or [fields.get("license", "")]
    authors = ", ".join(lists.get("authors") or [fields.get("author", "")])
    package = _build(
        fields.get("name", ""),
        fields.get("version", ""),
        fields.get("platform", ""),
        tuple(read_licence(licence) for licence in licences if licence and licence.isprintable()),
        authors if authors.isprintable() else "",
    )
    return build_record(file, "ruby", [package] if package else [])


def _build(name: str, version: str, platform: str, licences: tuple[str, ...], supplier: str) -> Package | None:
    if not is_name(name) or "/" in name or not is_plain(version) or not version[0].isdigit():
        return None
    return Package(
        type="gem",
        name=name,
        version=version,
        qualifiers=(("platform", platform),) if platform not in ("", "ruby") and is_plain(platform) else (),
        licences=licences,
        supplier=supplier,
        evidence="gemspec",
    )


def _list_locked(text: str) -> Iterator[Package]:
    """Yield the gems in the sections GEM and GIT; PATH has gems of the project itself."""
    section = repository = revision = ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            section, repository, revision = line.strip(), "", ""
        elif section == "GIT" and line.startswith("  remote: "):
            repository = line[10:].strip()
        elif section == "GIT" and line.startswith("  revision: "):
            revision = line[12:].strip()
        elif section in ("GEM", "GIT") and (match := re.fullmatch(GEM, line[:500])):
            name, version, platform = match.groups()
            vcs_url = f"git+{repository}@{revision}" if repository else ""
            qualifiers = [("platform", platform or ""), ("vcs_url", vcs_url)]
            yield Package(
                type="gem",
                name=name,
                version=version,
                qualifiers=tuple(pair for pair in qualifiers if pair[1]),
                evidence="Gemfile.lock",
                declared=True,
            )
