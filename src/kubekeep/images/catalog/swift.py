"""Swift packages in `Package.resolved` and CocoaPods in `Podfile.lock`, in images and folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from kubekeep.images.catalog.bounded import read_content
from kubekeep.images.catalog.documents import as_text, build_record, is_name, is_plain, read_json, read_yaml
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.package import Package

PATTERNS: Final = ("**/Package.resolved", "**/Podfile.lock")
POD: Final = r"([^\s()]+) \(([^\s()]+)\)"


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the packages of a lock file."""
    if file.path.endswith("Podfile.lock"):
        packages = _list_pods(as_mapping(read_yaml(read_content(file))))
    else:
        packages = _list_pins(as_mapping(read_json(read_content(file))))
    return build_record(file, "swift", packages)


def _list_pins(document: dict[str, Any]) -> Iterator[Package]:
    """Yield the pins of versions 1 (`object`) to 3; namespace and name are those of the repository's address."""
    pins = document.get("pins") or as_mapping(document.get("object")).get("pins")
    for value in as_list(pins):
        pin = as_mapping(value)
        state = as_mapping(pin.get("state"))
        address = as_text(pin.get("location") or pin.get("repositoryURL"))
        version = as_text(state.get("version")) or as_text(state.get("revision"))
        path = re.sub(r"^(?:[a-z+]+://)?(?:[^/@]*@)?", "", address).replace(":", "/", 1)
        namespace, _, name = path.removesuffix("/").removesuffix(".git").rpartition("/")
        if pin.get("kind") == "registry" or not namespace:
            namespace, _, name = as_text(pin.get("identity")).partition(".")
        if is_name(name) and is_name(namespace) and is_plain(version):
            yield Package(
                type="swift",
                namespace=namespace,
                name=name,
                version=version,
                evidence="Package.resolved",
                declared=True,
            )


def _list_pods(document: dict[str, Any]) -> Iterator[Package]:
    """Yield the pods; parts of a pod (`Firebase/Core`) are the pod itself."""
    external = as_mapping(document.get("EXTERNAL SOURCES"))
    for value in as_list(document.get("PODS")):
        text = next(iter(value), "") if isinstance(value, dict) else value
        match = re.fullmatch(POD, as_text(text)[:500])
        if match is None:
            continue
        name, version = match[1].partition("/")[0], match[2]
        if is_name(name) and is_plain(version) and "path" not in str(as_mapping(external.get(name)).keys()):
            yield Package(type="cocoapods", name=name, version=version, evidence="Podfile.lock", declared=True)
