"""Import paths and symbols that records of the Go vulnerability database name (https://go.dev/doc/security/vuln/database).

Never reads an executable: the caller looks up the imports of a package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from kubekeep.model.package import Package
from kubekeep.vulnerabilities.advisory import AffectedVersions


class UsedSymbols(Protocol):
    """The import paths and symbols of Go modules that are linked into the executables of an image, in lower case."""

    def get_imports(self, package: Package) -> Mapping[str, frozenset[str] | None] | None:
        """Return symbols by import path; None for a path with unknown symbols, and for an unknown package.

        The empty path has symbols that may be of any import path.
        """


def list_symbols(affected: AffectedVersions) -> tuple[str, ...]:
    """Return the vulnerable symbols as `path.Symbol`, or the path if all its symbols are vulnerable."""
    symbols: list[str] = []
    for entry in _iterate_imports(affected):
        names = _list_texts(entry.get("symbols"))
        symbols += [f"{entry['path']}.{name}" for name in names] or [entry["path"]]
    return tuple(dict.fromkeys(symbols))


def explain_imports(affected: AffectedVersions, package: Package, platform: str, used: UsedSymbols | None) -> str:
    """Return the reason why the vulnerable code is not in the package; empty if it can be, or nothing is known.

    platform: operating system and architecture, as "linux/amd64"; each may be empty.
    """
    imports = list(_iterate_imports(affected))
    if not imports:
        return ""
    on_platform = [entry for entry in imports if _is_on_platform(entry, package, platform)]
    if not on_platform:
        return f"the vulnerable code exists on {', '.join(_list_platforms(imports))} only"
    linked = used.get_imports(package) if used else None
    return "" if linked is None else _explain_linked(on_platform, linked)


def _list_platforms(imports: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({name for entry in imports for key in ("goos", "goarch") for name in _list_texts(entry.get(key))})


def _explain_linked(imports: Sequence[Mapping[str, Any]], linked: Mapping[str, frozenset[str] | None]) -> str:
    if any(_is_linked(entry, linked) for entry in imports):
        return ""
    paths = ", ".join(sorted({entry["path"] for entry in imports})[:3])
    if any(entry["path"].lower() in linked for entry in imports):
        return f"no vulnerable symbol of {paths} is linked into the executable"
    return f"the vulnerable import paths ({paths}) are not linked into the executable"


def _iterate_imports(affected: AffectedVersions) -> Iterator[dict[str, Any]]:
    imports = (affected.ecosystem_specific or {}).get("imports")
    if isinstance(imports, list):
        for entry in imports:
            if isinstance(entry, dict) and isinstance(entry.get("path"), str):
                yield entry


def _is_on_platform(entry: Mapping[str, Any], package: Package, platform: str) -> bool:
    qualifiers = dict(package.qualifiers)
    system, _, architecture = platform.partition("/")
    actual = {
        "goos": qualifiers.get("goos") or system,
        "goarch": qualifiers.get("goarch") or architecture.partition("/")[0],
    }
    for key, value in actual.items():
        names = _list_texts(entry.get(key))
        if names and value and value not in names:
            return False
    return True


def _is_linked(entry: Mapping[str, Any], linked: Mapping[str, frozenset[str] | None]) -> bool:
    """Return False if the executable has no function that an entry names.

    An entry without symbols may be about types and constants, of which no function would be linked. Records differ from
    the code in upper and lower case, and some repeat the name of the package: `regexp.Compile` in `regexp`.
    """
    path = entry["path"].lower()
    names = {name.lower() for name in _list_texts(entry.get("symbols"))}
    if not names:
        return True
    names |= {name.removeprefix(path.rpartition("/")[2] + ".") for name in names}
    for present in (linked.get(path, frozenset()), linked.get("", frozenset())):
        if present is None or not present.isdisjoint(names):
            return True
    return False


def _list_texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
