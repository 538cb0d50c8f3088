"""Version of a Go program whose build information has none: from linker flags, variables, and values of the linker.

A version is accepted if the program can only mean itself: a version variable of its own module or of a package that exists
for this purpose. In a program without symbols, one value only may look like a version, only functions of the module may
read it, and one of them must name the program or the word "version" beside it. Reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.images.catalog.documents import is_plain
from kubekeep.images.content import Executable, GoLinkedValue, GoVariable

MAXIMUM_FLAGS: Final = 100_000
LINKER_VERSION: Final = r"v?\d+\.\d+\.\d+[\w.+-]*"
VERSION_VARIABLE: Final = (
    r"(?i)(?:(?:git|build|app|release|full|current|package|product|program|cli)_?)*(?:sem)?_?(?:version|ver|tag)"
    r"(?:_?(?:string|str|tag|number|from_?git))?|semver"
)
VERSION_PACKAGE: Final = r"(?i)(?:.*[-_])?(?:versions?|buildinfo|build|versioninfo)"
VERSION_FUNCTION: Final = (
    r"(?i)(?:print|show|get|display|write|format|make|new|run|do|cmd|command|full|long|short|app|program|build|cli|user)*"
    r"version(?:info|string|text|line|cmd|command|flag|template|printer|details?|handler)*|useragent|getuseragent"
)
KUBERNETES_VARIABLES: Final = frozenset(
    {
        "k8s.io/component-base/version.gitVersion",
        "k8s.io/client-go/pkg/version.gitVersion",
    }
)
"""Set by programs of the Kubernetes project to their own version, by others to the version of Kubernetes."""
KUBERNETES_MODULES: Final = ("k8s.io/", "sigs.k8s.io/")
SHARED_VARIABLES: Final = frozenset(
    {
        "github.com/prometheus/common/version.Version",
        "go.szostok.io/version.version",
        "sigs.k8s.io/release-utils/version.gitVersion",
    }
)
"""Variables of modules whose only purpose is the version of the program that sets them."""
NO_VERSION: Final = r"v?0\.0\.0(?![\d.]).*"


def find_version(path: str, command: str, executable: Executable, flags: str, toolchain: str) -> str:
    """Return the version of the main module `path`, which the evidence must agree on; empty if it is unknown.

    command: import path of the main package. flags: of the linker, from the build information.
    """
    names = _list_names(path, command)
    variables = [*_read_flags(flags), *executable.go_variables]
    version = _find_own(path, names, variables) or _find_shared(path, variables)
    if not version and executable.go_linked:
        version = _find_linked(path, names, executable.go_linked, executable.go_modules, toolchain)
    return version


def _list_names(path: str, command: str) -> tuple[str, ...]:
    """Return the names of the program and of its module, without a major version."""
    stems = (re.sub(r"(?:/|\.)v\d+$", "", text).rpartition("/")[2] for text in (command, path))
    return tuple(dict.fromkeys(name for name in stems if len(name) > 1))


def _read_flags(flags: str) -> Iterator[GoVariable]:
    for word in flags[:MAXIMUM_FLAGS].replace("-X=", " ").split():
        name, equals, value = word.strip("'\"").partition("=")
        if equals:
            yield GoVariable(name.strip("'\""), value.strip("'\""), is_linked=True)


def _normalise(value: str) -> str:
    """Return a version with `v`; empty for a text that is none, or that a program without a version has."""
    if not re.fullmatch(LINKER_VERSION, value) or not is_plain(value) or re.fullmatch(NO_VERSION, value):
        return ""
    return "v" + value.removeprefix("v")


def _is_own(path: str, package: str) -> bool:
    return package in ("main", path) or package.startswith(path + "/")


def _split(name: str) -> tuple[str, str]:
    """Return import path and the rest of the name of a variable or function: the linker escapes dots in the last part."""
    folder, slash, rest = name.rpartition("/")
    package, _, variable = rest.partition(".")
    return (folder + slash + package).replace("%2e", "."), variable


def _find_own(path: str, names: Iterable[str], variables: Iterable[GoVariable]) -> str:
    """Return the version in the variables of the module; those that the linker set count more than the source."""
    pattern = "|".join(
        [VERSION_VARIABLE, *(rf"{re.escape(re.sub(r'[^A-Za-z0-9]', '', name))}_?version" for name in names)]
    )
    linked: dict[str, set[str]] = {}
    stated: dict[str, set[str]] = {}
    for variable in variables:
        package, name = _split(variable.name)
        version = _normalise(variable.value)
        if not version or not _is_own(path, package) or not re.fullmatch(pattern, name):
            continue
        if variable.is_linked:
            linked.setdefault(version, set()).add(name.lower())
        elif package in ("main", path) or re.fullmatch(VERSION_PACKAGE, package.rpartition("/")[2]):
            stated.setdefault(version, set()).add(name.lower())
    versions = linked or stated
    if len(versions) > 1:
        versions = {version: names for version, names in versions.items() if "version" in names}
    return next(iter(versions)) if len(versions) == 1 else ""


def _find_shared(path: str, variables: Iterable[GoVariable]) -> str:
    """Return the version in variables for the versions of programs, unless the module has a version of its own."""
    versions = set()
    shared = _list_shared(path)
    for variable in variables:
        version = _normalise(variable.value) if variable.is_linked else ""
        if not version:
            continue
        package, name = _split(variable.name)
        if _is_own(path, package) and re.search(r"(?i)ver|tag|release", name):
            return ""
        if variable.name in shared:
            versions.add(version)
    return versions.pop() if len(versions) == 1 else ""


def _find_linked(path: str, names: Iterable[str], values: Iterable[GoLinkedValue], modules: str, toolchain: str) -> str:
    """Return the only value of the linker that is a version, if it is one of the program."""
    by_version: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for value in values:
        if (version := _normalise(value.value)) and version != f"v{toolchain}":
            by_version.setdefault(version, []).extend(value.readers)
    if len(by_version) != 1:
        return ""
    ((version, readers),) = by_version.items()
    # It could be the version of a dependency.
    is_dependency = f"\t{version}\t" in modules or f"\t{version}\n" in modules
    return version if not is_dependency and _is_read_as_own(path, names, readers) else ""


def _is_read_as_own(path: str, names: Iterable[str], readers: Iterable[tuple[str, tuple[str, ...]]]) -> bool:
    """Return True if only functions of the module read a variable, and one of them as the version of the program."""
    shared = {_split(name)[0] for name in _list_shared(path)}
    stems = "|".join(map(re.escape, names)) or "version"
    text = rf"(?i)\W*(?:%s |the )?(?:(?:{stems})(?:$|[/:@(]|[ -]+(?:v(?:ersion)?\b|%|\())|version(?:$|[ :=]*(?:%.*)?$))"
    is_proved = False
    for function, texts in readers:
        package, name = _split(function)
        if package not in shared and not _is_own(path, package):
            return False
        is_proved |= (
            package in shared or _is_about_version(package, name) or any(re.match(text, line) for line in texts)
        )
    return is_proved


def _list_shared(path: str) -> frozenset[str]:
    return SHARED_VARIABLES | KUBERNETES_VARIABLES if path.startswith(KUBERNETES_MODULES) else SHARED_VARIABLES


def _is_about_version(package: str, name: str) -> bool:
    """Return True for a function about the version: `version.Get`, `main.printVersion`, `main.(*cli).Version.func1`."""
    if re.fullmatch(VERSION_PACKAGE, package.rpartition("/")[2]):
        return True
    return any(re.fullmatch(VERSION_FUNCTION, part.strip("(*)")) for part in name.split("."))
