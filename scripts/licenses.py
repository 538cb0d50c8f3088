"""Check of the licences of all dependencies at run time: fails for GPL, LGPL, AGPL and for unknown ones.

Reads the installed packages of the lock file and of the optional extras, the crates of the native module, and the packages that
the pages contain.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
_BUILD: Final = {"kubekeep", "kubekeep-kubescape", "kubekeep-server", "maturin"}
_COPYLEFT: Final = re.compile(r"GPL|General Public License", re.IGNORECASE)
_OR: Final = re.compile(r"\s+OR\s+|/", re.IGNORECASE)


def is_accepted(expression: str) -> bool:
    """Return True if some alternative of a licence expression is known and not copyleft."""
    return any(part.strip() and not _COPYLEFT.search(part) for part in _OR.split(expression))


def main() -> int:
    """Print the dependencies with a licence that is not accepted; return 1 if there are any."""
    refused = [f"{name}: {text or 'unknown licence'}" for name, text in _list_licenses() if not is_accepted(text)]
    print("\n".join(refused), file=sys.stderr, end="\n" if refused else "")
    return int(bool(refused))


def _list_licenses() -> Iterator[tuple[str, str]]:
    for name in sorted(_list_packages() - _BUILD):
        try:
            yield name, _find_license(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform or Python
    metadata = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", "rust/Cargo.toml"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for crate in json.loads(metadata.stdout)["packages"]:
        yield f"{crate['name']} {crate['version']}", crate["license"] or ""
    yield from list_page_licenses((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))


def list_page_licenses(lock: str) -> Iterator[tuple[str, str]]:
    """Yield name and licence of each package in a lock file of npm, without those for development."""
    for path, package in json.loads(lock)["packages"].items():
        if not package.get("dev"):
            yield f"{path.rpartition('node_modules/')[2] or 'web'} of the pages", package.get("license", "")


def _list_packages() -> set[str]:
    """Return the names of the packages in the lock file, of the optional ones and of those of the server, with all that they need."""
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements-run.lock").read_text(encoding="utf-8"), re.MULTILINE)
    extras = _read_project(ROOT)["optional-dependencies"]
    todo = [*locked, *(requirement for extra in extras.values() for requirement in extra)]
    todo += _read_project(ROOT / "server")["dependencies"]
    names: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        if name in names or "extra ==" in requirement:
            continue
        names.add(name)
        try:
            todo += importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
    return names


def _read_project(folder: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _find_license(name: str) -> str:
    """Return the licence of an installed package: the expression, the classifiers, or the text of the field."""
    metadata = importlib.metadata.metadata(name)
    classifiers = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier") or () if text.startswith("License ::")
    ]
    expressions, texts = (metadata.get_all(field) or [] for field in ("License-Expression", "License"))
    return " OR ".join(expressions or classifiers or texts)


if __name__ == "__main__":
    sys.exit(main())
