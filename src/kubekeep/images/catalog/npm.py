"""Packages of npm, Yarn, pnpm and Bun: each `package.json` directly in a folder `node_modules`, and Yarn's Plug'n'Play.

The `package.json` of an application is not listed, because its name may be the name of a different package in the
registry. Compiled copies, nested stubs and test data are no packages. Lock files are read by `npm_locks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.images.catalog.bounded import read_content, read_text
from kubekeep.images.catalog.documents import as_text, build_record, decode_json, is_name, is_plain, read_json
from kubekeep.images.catalog.language_licences import read_licences
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.package_url import normalise_name
from kubekeep.model.package import Package

PATTERNS: Final = (
    "**/node_modules/*/package.json",
    "**/node_modules/@*/*/package.json",
    "**/node_modules/.store/*/package/package.json",
    "**/yarn-v*/package.json",
    "**/.pnp.cjs",
)
TEST_FOLDERS: Final = frozenset(
    ("__tests__", "test", "tests", "fixture", "fixtures", "example", "examples", "spec", "specs", "mock", "mocks")
)
NAME: Final = r"(?:@[\w.~-]+/)?[\w.~!'()*-]+"
PNP_STATE: Final = "RAW_RUNTIME_STATE ="
PATCH: Final = r"patch:.*?@npm%3A([^#]+)#"


class PackageManifest(msgspec.Struct):
    """The fields that are read of a `package.json`; each may have any type."""

    name: Any = ""
    version: Any = ""
    license: Any = None
    licenses: Any = None
    author: Any = None


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the package of a `package.json`, or all packages of a Plug'n'Play file."""
    if file.path.endswith(".pnp.cjs"):
        return build_record(file, "npm", _list_pnp(read_text(file)))
    if is_test_data(file.path):
        return None
    manifest = decode_json(_decoder(), read_content(file))
    licences = manifest.license if manifest.license is not None else manifest.licenses
    author = manifest.author.get("name") if isinstance(manifest.author, dict) else manifest.author
    package = build_package(as_text(manifest.name), as_text(manifest.version), "package.json")
    if package is None:
        return None
    supplier = as_text(author)
    package = msgspec.structs.replace(
        package, licences=read_licences(licences), supplier=supplier if supplier.isprintable() else ""
    )
    return CatalogRecord(file.path, "npm", (package,))


def is_test_data(path: str) -> bool:
    """Return True for a package in the test data of another package: `node_modules/a/test/node_modules/b`."""
    if path.count("node_modules/") < 2:
        return False
    folders = path.split("/")
    first = folders.index("node_modules") if "node_modules" in folders else len(folders)
    last = len(folders) - 1 - folders[::-1].index("node_modules") if "node_modules" in folders else 0
    return any(
        folder.lower() in TEST_FOLDERS and folders[position - 1] != "node_modules"
        for position, folder in enumerate(folders[first:last], start=first)
    )


def build_package(
    name: str, version: str, evidence: str, *, declared: bool = False, qualifiers: tuple[tuple[str, str], ...] = ()
) -> Package | None:
    """Return a package, or None if the name or the version is missing or not valid."""
    if not is_name(name) or not is_plain(version) or not re.fullmatch(NAME, name):
        return None
    scope, _, plain_name = name.rpartition("/")
    namespace, plain_name = normalise_name("npm", scope, plain_name)
    return Package(
        type="npm",
        namespace=namespace,
        name=plain_name,
        version=version.removeprefix("v") if version[1:2].isdigit() else version,
        qualifiers=qualifiers,
        evidence=evidence,
        declared=declared,
    )


_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}


def _decoder() -> msgspec.json.Decoder[Any]:
    """Return the decoder of manifests, built on first use."""
    if PackageManifest not in _DECODERS:
        _DECODERS[PackageManifest] = msgspec.json.Decoder(PackageManifest)
    return _DECODERS[PackageManifest]


def _list_pnp(text: str) -> Iterator[Package]:
    """Yield the packages of Yarn's Plug'n'Play data, a JSON document in a string of the script."""
    _, mark, rest = text.partition(PNP_STATE)
    if not mark:
        return
    start = rest.find("'")
    end = rest.find("';", start + 1)
    if start < 0 or end < 0:
        raise ValueError("has no complete Plug'n'Play data")
    encoded = re.sub(
        r"\\(\n|.)", lambda match: "" if match[1] == "\n" else match[1], rest[start + 1 : end], flags=re.DOTALL
    )
    state = read_json(encoded.encode())
    registry = state.get("packageRegistryData") if isinstance(state, dict) else None
    for entry in registry if isinstance(registry, list) else []:
        match entry:
            case [str() as name, [*locators]]:
                for locator in locators:
                    yield from _read_locator(name, locator)
            case _:
                pass


def _read_locator(name: str, locator: object) -> Iterator[Package]:
    match locator:
        case [str() as reference, *_]:
            version = read_reference(reference)
            package = build_package(name, version, "Yarn Plug'n'Play") if version else None
            if package:
                yield package
        case _:
            pass


def read_reference(reference: str) -> str:
    """Return the version of a Yarn reference such as `npm:1.0.0`, `virtual:...#npm:1.0.0` or a patch; empty if none."""
    if reference.startswith("virtual:"):
        reference = reference.partition("#")[2]
    if match := re.match(PATCH, reference):
        return match[1]
    version = reference.removeprefix("npm:").partition("::")[0]
    return version if reference.startswith("npm:") and version[:1].isdigit() else ""
