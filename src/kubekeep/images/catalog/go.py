"""Go modules in executables, from the build information of the Go linker, and the functions that are linked.

The version of the main module is not guessed: `go_versions` has the evidence for a build without a stamped version
(`(devel)`). `go.mod` files are read by `go_files`.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.images.catalog.documents import MAXIMUM_PACKAGES, is_name, is_plain
from kubekeep.images.catalog.go_versions import find_version
from kubekeep.images.content import CatalogRecord, Executable
from kubekeep.images.package_url import normalise_name
from kubekeep.model.package import GoSymbols, Package

PATTERNS: Final[tuple[str, ...]] = ()
MAXIMUM_TEXT: Final = 16 * 1024 * 1024
TOOLCHAIN: Final = r"(?:devel )?go(\d+\.\d+(?:\.\d+)?(?:(?:rc|beta)\d+)?)"
LITERALS_WITH_NAMES: Final = (1, 21)
"""First version of Go whose names of function literals contain the functions that were inlined."""
PSEUDO_WITHOUT_TAG: Final = r"v0\.0\.0-\d{14}-[0-9a-f]{12}(?:\+dirty)?"


def read_executable(executable: Executable) -> CatalogRecord | None:
    """Return the standard library, the main module and the modules that an executable is linked with."""
    if not executable.go_version:
        return None
    if len(executable.go_modules) > MAXIMUM_TEXT:
        raise ValueError("its Go build information is too large")
    version = read_toolchain(executable.go_version)
    packages = [] if version is None else [build_module("stdlib", version)]
    main, modules, flags = _read_modules(executable.go_modules)
    main = _resolve_main(main, executable, flags, version or "")
    if main is not None:
        packages.append(build_module(*main))
    packages += [build_module(path, version) for path, version in modules]
    if len(packages) > MAXIMUM_PACKAGES:
        raise ValueError(f"lists {len(packages)} Go modules, more than {MAXIMUM_PACKAGES}")
    distinct = tuple(dict.fromkeys(packages))
    return CatalogRecord(executable.path, "go", distinct, go_symbols=_read_symbols(executable)) if distinct else None


def read_toolchain(text: str) -> str | None:
    """Return the version of Go without prefix and experiments: `1.22.1` of `go1.22.1 X:boringcrypto` and `go1.22.1-fips`."""
    match = re.match(TOOLCHAIN, text)
    return match[1] if match else None


def _read_symbols(executable: Executable) -> GoSymbols | None:
    """Return the linked functions, with the paths of records for paths that only the executable has."""
    toolchain = read_toolchain(executable.go_version)
    lines = executable.go_modules.split("\n")
    # The linker names the main package of a plugin after its content.
    if not executable.go_symbols or toolchain is None or "build\t-buildmode=plugin" in lines:
        return None
    main = next((line.partition("\t")[2] for line in lines if line.startswith("path\t")), "")
    # A program that was built from a list of files has no path.
    aliases = [("main", "" if main == "command-line-arguments" else main)]
    previous = ""
    for line in lines:
        kind, path, version, *_ = (*line.split("\t"), "", "")
        if kind == "=>" and previous and not _is_local(path, version) and path != previous:
            aliases.append((previous, path))
        previous = path if kind == "dep" else ""
    major, minor = re.findall(r"\d+", toolchain)[:2]
    has_functions = (int(major), int(minor)) >= LITERALS_WITH_NAMES
    return GoSymbols(executable.path, executable.go_symbols, tuple(aliases), has_functions=has_functions)


def build_module(path: str, version: str, *, declared: bool = False, evidence: str = "Go build information") -> Package:
    """Return a module; versions of modules keep their `v`, as in advisories."""
    namespace, _, name = path.rpartition("/")
    namespace, name = normalise_name("golang", namespace, name)
    return Package(type="golang", namespace=namespace, name=name, version=version, evidence=evidence, declared=declared)


def is_module(path: str, version: str) -> bool:
    """Return True for a module path and a version (or none) that can be listed."""
    return is_name(path) and not path.endswith("/") and (not version or is_plain(version))


def _read_modules(text: str) -> tuple[tuple[str, str] | None, list[tuple[str, str]], str]:
    """Return the main module, the others and the linker flags; a replaced module is the module that replaces it."""
    main: tuple[str, str] | None = None
    modules: list[tuple[str, str]] = []
    flags = ""
    is_main = False
    for line in text.split("\n"):
        kind, _, rest = line.partition("\t")
        path, _, version = rest.partition("\t")
        version = version.partition("\t")[0]
        if kind == "build":
            flags = rest.partition("=")[2] if rest.startswith("-ldflags=") else flags
        elif kind in ("mod", "dep", "=>") and is_module(path, version):
            if kind == "=>":
                _replace(path, version, main if is_main else None, modules)
            elif kind == "mod":
                main, is_main = (path, version), True
            else:
                modules.append((path, version))
                is_main = False
    return main, modules, flags


def _replace(path: str, version: str, main: tuple[str, str] | None, modules: list[tuple[str, str]]) -> None:
    """Put a replacement in the place of the last module. A local folder has no version, so the original name stays."""
    if main is not None or not modules:
        return
    if _is_local(path, version):
        modules[-1] = (modules[-1][0], "")
    else:
        modules[-1] = (path, version)


def _is_local(path: str, version: str) -> bool:
    """Return True if a module is replaced by a folder."""
    return path.startswith((".", "/")) or not version


def _resolve_main(
    main: tuple[str, str] | None, executable: Executable, flags: str, toolchain: str
) -> tuple[str, str] | None:
    """Return the main module with its version; empty if it is unknown.

    A pseudo-version without a tag would make each advisory with a fixed version match, so it counts as unknown.
    """
    if main is None or main[0] == "command-line-arguments":
        return None
    path, version = main
    if version and version != "(devel)" and not re.fullmatch(PSEUDO_WITHOUT_TAG, version):
        return path, version
    command = next((line[5:] for line in executable.go_modules.split("\n") if line.startswith("path\t")), "")
    return path, find_version(path, command, executable, flags, toolchain)
