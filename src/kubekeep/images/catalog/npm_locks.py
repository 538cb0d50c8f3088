"""Lock files of npm, Yarn, pnpm and Bun. They are read in folders, because an image has the installed packages.

Packages of the workspace itself, links and local files are not listed. Git dependencies keep their address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.catalog.bounded import decode_text, read_content
from kubekeep.images.catalog.documents import as_text, build_record, decode_json, read_json, read_yaml
from kubekeep.images.catalog.language_licences import read_licences
from kubekeep.images.catalog.npm import build_package, is_test_data, read_reference
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final[tuple[str, ...]] = ()
FOLDER_PATTERNS: Final = (
    "**/package-lock.json",
    "**/npm-shrinkwrap.json",
    "**/yarn.lock",
    "**/pnpm-lock.yaml",
    "**/bun.lock",
)
MAXIMUM_DEPTH: Final = 100
PNPM_OLD_KEY: Final = r"/((?:@[^/@]+/)?[^/@]+)/([^/_(]+)"
PNPM_KEY: Final = r"/?((?:@[^/@]+/)?[^/@()]+)@([^()]+)"


class LockedPackage(msgspec.Struct):
    """The fields that are read of an entry of `package-lock.json`."""

    name: Any = ""
    version: Any = ""
    resolved: Any = ""
    link: Any = False
    license: Any = None
    dependencies: Any = None


class PackageLock(msgspec.Struct):
    """A `package-lock.json`: `packages` in versions 2 and 3, the tree `dependencies` in version 1."""

    packages: dict[str, LockedPackage] | None = None
    dependencies: dict[str, Any] | None = None


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file."""
    name = file.path.rpartition("/")[2]
    if "node_modules/" in file.path or is_test_data(file.path):
        return None
    if name in ("package-lock.json", "npm-shrinkwrap.json"):
        packages = _list_package_lock(read_content(file), name)
    elif name == "yarn.lock":
        packages = _list_yarn(read_content(file))
    elif name == "pnpm-lock.yaml":
        packages = _list_pnpm(read_content(file))
    else:
        packages = _list_bun(read_content(file))
    return build_record(file, "npm_locks", packages)


def _build(name: str, version: str, resolved: str, evidence: str) -> Package | None:
    """Return a package, with the address of a Git repository or an archive outside of a registry."""
    qualifiers: tuple[tuple[str, str], ...] = ()
    if resolved.startswith(("git+", "git:", "github:", "git@")):
        qualifiers = (("vcs_url", resolved),)
    elif resolved.startswith(("file:", "link:", "workspace:", "portal:")):
        return None
    return build_package(name, version, evidence, declared=True, qualifiers=qualifiers)


def _list_package_lock(content: bytes, evidence: str) -> Iterator[Package]:
    lock = decode_json(msgspec.json.Decoder(PackageLock), content)
    if lock.packages is None:
        yield from _list_lock_tree(lock.dependencies or {}, evidence)
        return
    for path, entry in lock.packages.items():
        _, folder, name = path.rpartition("node_modules/")
        # A path outside of node_modules is a package of the workspace; a link points to one.
        if not folder or entry.link:
            continue
        package = _build(as_text(entry.name) or name, as_text(entry.version), as_text(entry.resolved), evidence)
        if package:
            yield msgspec.structs.replace(package, licences=read_licences(entry.license)) if entry.license else package


def _list_lock_tree(dependencies: dict[str, Any], evidence: str) -> Iterator[Package]:
    """Yield the packages of version 1, where an alias has the version `npm:NAME@VERSION`."""
    pending = [(dependencies, 0)]
    while pending:
        tree, depth = pending.pop()
        if depth > MAXIMUM_DEPTH:
            raise ValueError("nested too deeply")
        for name, value in tree.items():
            entry = as_mapping(value)
            version = as_text(entry.get("version"))
            pending.append((as_mapping(entry.get("dependencies")), depth + 1))
            resolved = as_text(entry.get("resolved")) or version
            if version.startswith("npm:"):
                name, _, version = version[4:].rpartition("@")  # noqa: PLW2901 - the name behind the alias
            elif ":" in version:
                resolved, version = version, version.rpartition("#")[2] if "#" in version else ""
            if package := _build(name, version, resolved, evidence):
                yield package


def _list_yarn(content: bytes) -> Iterator[Package]:
    text = decode_text(content)
    if re.search(r"(?m)^__metadata:", text):
        yield from _list_yarn_berry(as_mapping(read_yaml(content)))
    else:
        yield from _list_yarn_classic(text)


def _list_yarn_classic(text: str) -> Iterator[Package]:
    """Yield the packages of Yarn 1: unindented lines with patterns such as `"a@^1.0.0", b@npm:a@1:` open an entry."""
    name = version = resolved = ""
    for line in text.splitlines():
        if line and line[0] not in " #\t":
            if version and (package := _build(name, version, resolved, "yarn.lock")):
                yield package
            name, version, resolved = _read_pattern(line), "", ""
        elif line.startswith("  version "):
            version = line[10:].strip().strip('"')
        elif line.startswith("  resolved "):
            resolved = line[11:].strip().strip('"')
    if version and (package := _build(name, version, resolved, "yarn.lock")):
        yield package


def _read_pattern(line: str) -> str:
    """Return the name in the first pattern of an entry; behind `npm:` stands the name of an alias."""
    pattern = line.partition(",")[0].strip().rstrip(":").strip('"')
    name, _, selected = pattern[1:].partition("@")
    name = pattern[:1] + name
    if selected.startswith("npm:"):
        alias = selected[4:]
        position = alias.find("@", 1)
        return alias[:position] if position > 0 else alias
    return "" if selected.startswith(("file:", "link:")) else name


def _list_yarn_berry(document: dict[str, Any]) -> Iterator[Package]:
    """Yield the packages of Yarn 2 and newer by their resolution, as `lodash@npm:4.17.21`."""
    for key, value in document.items():
        resolution = as_text(as_mapping(value).get("resolution"))
        position = resolution.find("@", 1)
        if key == "__metadata" or position < 0:
            continue
        name, reference = resolution[:position], resolution[position + 1 :]
        version = read_reference(reference)
        if not version and "workspace:" not in reference:
            version = as_text(as_mapping(value).get("version"))
            reference = "git+" + reference if ".git#" in reference and not reference.startswith("git") else reference
        if version and (package := _build(name, version, reference, "yarn.lock")):
            yield package


def _list_pnpm(content: bytes) -> Iterator[Package]:
    """Yield the packages of pnpm: keys are `/a/1.0.0_peer` (version 5), `/a@1.0.0(peer)` (6) or `a@1.0.0` (9)."""
    document = as_mapping(read_yaml(content))
    is_old = str(document.get("lockfileVersion", "")).startswith("5")
    for key, value in as_mapping(document.get("packages")).items():
        entry = as_mapping(value)
        match = re.match(PNPM_OLD_KEY if is_old else PNPM_KEY, str(key)[:500])
        name = as_text(entry.get("name")) or (match[1] if match else "")
        version = as_text(entry.get("version")) or (match[2] if match else "")
        resolution = as_mapping(entry.get("resolution"))
        resolved = as_text(resolution.get("tarball"))
        if repository := as_text(resolution.get("repo")):
            resolved = f"git+{repository.removeprefix('git+')}#{as_text(resolution.get('commit'))}"
        elif as_text(resolution.get("directory")) or version.startswith(("file:", "link:")):
            continue
        if ":" not in version and (package := _build(name, version, resolved, "pnpm-lock.yaml")):
            yield package


def _list_bun(content: bytes) -> Iterator[Package]:
    """Yield the packages of Bun's text format: JSON with trailing commas; the first element is `name@version`."""
    text = _drop_trailing_commas(decode_text(content))
    document = as_mapping(read_json(text.encode()))
    for value in as_mapping(document.get("packages")).values():
        identity = as_text(next(iter(as_list(value)), ""))
        position = identity.find("@", 1)
        if position > 0 and not identity[position + 1 :].startswith(("workspace:", "file:", "link:", "root:")):
            reference = identity[position + 1 :].removeprefix("npm:")
            version = reference.rpartition("#")[2] if ":" in reference else reference
            if package := _build(identity[:position], version, reference, "bun.lock"):
                yield package


def _drop_trailing_commas(text: str) -> str:
    """Return JSON without commas before a closing bracket, outside of strings."""
    # An open string runs to the end, so that the search stays linear.
    return re.sub(r'(?s)("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))|,(?=\s*+[}\]])', lambda match: match[1] or "", text)
