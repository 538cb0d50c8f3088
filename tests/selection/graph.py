"""Dependencies of test files on the files of the repository, for the choice of tests after a change.

The edges are the imports of Python (the graph of the import contracts), the names that are imported from the native module,
modules that are loaded by name, fixtures, and names of files in the texts of tests. Reads the tree; never imports the product.
"""

from __future__ import annotations

import ast
import collections
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

import grimp

PACKAGES: Final = {"kubekeep": "src", "kubekeep_server": "server/src", "tests": ""}
"""Packages with the folders that contain them."""
EVERYTHING: Final = ("requirements*.lock", "pyproject.toml", "rust/Cargo.*", "tests/conftest.py", "tests/stages.py")
"""Files that every test depends on."""
FARTHEST: Final = 99
"""Distance of a test from a file that every test depends on."""
_LOADS_BY_NAME: Final = re.compile(r"\b(?:import_module|iter_modules|LazyGroup)\b")
_MODULE_NAME: Final = re.compile(r"\b(?:kubekeep|kubekeep_server|tests)(?:\.\w+)+")
_PROGRAM: Final = re.compile(r"""["']kubekeep["']""")
_WORD: Final = re.compile(r"[\w.+-]*\w")
_FIXTURE: Final = re.compile(r"@pytest\.fixture(\([^\n]*\))?\n(?:@[^\n]*\n)*(?:async )?def (\w+)\(")
_NATIVE_IMPORT: Final = re.compile(r"from kubekeep\._native import (\([^)]*\)|[^\n]*)")
_NATIVE_EXPORT: Final = re.compile(r"\b(\w+)::(\w+)(?:>|,)")
_CRATE: Final = re.compile(r"\bkubekeep_(\w+)\b")
_PATH: Final = re.compile(r"""/ ["']([\w.+-]+)["']|["']([^"'\n]*/[^"'\n]*)["']""")
_READS: Final = re.compile(r"\bmark\.reads\(([^)]*)\)")
_MAIN: Final = "src/kubekeep/__main__.py"


class DependencyGraph:
    """Dependencies of the files below `root`. Paths are relative to it, with `/`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts = dict(_read_texts(root))
        self._modules = {_name_module(path): path for path in self._texts}
        self._importers: dict[str, set[str]] = collections.defaultdict(set)
        texts = {path: text for path, text in self._texts.items() if path.startswith("tests/")}
        self._words = {path: frozenset(_WORD.findall(text)) for path, text in texts.items()}
        self._folders = {path: frozenset(_list_folders(text)) for path, text in texts.items()}
        self._read = {path: _list_read_folders(text) for path, text in texts.items()}
        self._add_imports()
        self._add_names()
        self._add_fixtures()
        self._add_native_imports()

    @property
    def tests(self) -> list[str]:
        """Paths of all test files, sorted."""
        return sorted(path for path in self._texts if _is_test(path))

    def measure_distances(self, changed: Iterable[str]) -> dict[str, int]:
        """Return the number of edges between each test file and the nearest changed file; without tests that need none.

        A test that is named as a changed file, or is in the folder of tests with its name, is as near as one that imports it.
        """
        nearest: dict[str, int] = {}
        for path in changed:
            for file, distance in self._visit(dict(self._list_starts(path))).items():
                if _is_test(file):
                    counted = min(distance, 1) if distance != FARTHEST and _is_counterpart(file, path) else distance
                    nearest[file] = min(counted, nearest.get(file, FARTHEST))
        return dict(sorted(nearest.items()))

    def _visit(self, starts: Mapping[str, int]) -> dict[str, int]:
        """Return the distance of each file that depends on the starts: breadth first, by distance."""
        distances: dict[str, int] = {}
        levels: dict[int, set[str]] = collections.defaultdict(set)
        for path, distance in starts.items():
            levels[distance].add(path)
        while levels:
            distance = min(levels)
            for path in levels.pop(distance):
                if path not in distances:
                    distances[path] = distance
                    levels[distance + 1] |= {
                        importer for importer in self._importers[path] if importer not in distances
                    }
        return distances

    def _list_starts(self, path: str) -> Iterator[tuple[str, int]]:
        """Yield the files from which the effect of a change of `path` begins, with their distances."""
        if any(PurePosixPath(path).match(pattern) for pattern in EVERYTHING):
            yield from ((test, FARTHEST) for test in self.tests)
        if path in self._texts:
            yield path, 0
        elif path.startswith("rust/"):
            yield _name_crate(path), 0
        elif path.startswith(("src/", "server/src/")):
            yield from ((module, 1) for module in self._list_nearest_modules(path))
        else:
            yield from self._list_mentions(path)
        yield from (
            (module, 1)
            for module, folders in self._read.items()
            if any(path.startswith(f"{folder}/") for folder in folders)
        )

    def _list_nearest_modules(self, path: str) -> list[str]:
        """Return the modules in the nearest folder above a file that has any."""
        for folder in PurePosixPath(path).parents:
            modules = [module for module in self._texts if PurePosixPath(module).parent == folder]
            if modules:
                return modules
        return []

    def _list_mentions(self, path: str) -> Iterator[tuple[str, int]]:
        """Yield the files of tests that name a file, or the folders above it; for data of tests, at least those beside it."""
        parts = PurePosixPath(path).parts
        nearest = self._list_nearest_modules(path) if parts[0] == "tests" else []
        beside = PurePosixPath(nearest[0]).parent if nearest else PurePosixPath()
        own = parts[len(beside.parts) :]
        distances = {
            module: distance
            for module in self._words
            if PurePosixPath(module).is_relative_to(beside) and (distance := self._measure_mention(module, own))
        }
        yield from distances.items() if distances else ((module, 1) for module in nearest)

    def _measure_mention(self, module: str, parts: tuple[str, ...]) -> int:
        """Return 1 for a module with the name of the file, more for one with the folders above it, and 0 for others."""
        if parts[-1] in self._words[module]:
            return 1
        folders = self._folders[module]
        named = next((number for number, part in enumerate(parts) if part not in folders), len(parts))
        return len(parts) - named + 1 if named else 0

    def _add_imports(self) -> None:
        graph = grimp.build_graph(*PACKAGES, include_external_packages=False, cache_dir=None)
        for module in graph.modules:
            for imported in graph.find_modules_directly_imported_by(module):
                self._add(module, imported)
        # Folders without an `__init__.py`, which the graph leaves out.
        for module in self._modules.keys() - graph.modules:
            for node in ast.walk(ast.parse(self._texts[self._modules[module]])):
                for imported in _list_imports(node):
                    self._add_longest(self._modules[module], imported)

    def _add_names(self) -> None:
        """Add modules that load others of their package by name, and names of modules in the texts of tests."""
        for path, text in self._texts.items():
            if path.startswith("tests/"):
                for name in set(_MODULE_NAME.findall(text)):
                    self._add_longest(path, name)
                if _PROGRAM.search(text):
                    self._importers[_MAIN].add(path)
            elif _LOADS_BY_NAME.search(text):
                folder = f"{PurePosixPath(path).parent}/"
                for other in self._texts:
                    if other.startswith(folder) and other != path:
                        self._importers[other].add(path)

    def _add_longest(self, path: str, name: str) -> None:
        while name and name not in self._modules:
            name = name.rpartition(".")[0]
        if name and self._modules[name] != path:
            self._importers[self._modules[name]].add(path)

    def _add_fixtures(self) -> None:
        """Add the modules with fixtures to the tests that name one of them."""
        for path, text in self._texts.items():
            if not path.startswith("tests/") or _is_test(path):
                continue
            fixtures = _FIXTURE.findall(text)
            names = {name for _, name in fixtures}
            is_automatic = any("autouse=True" in options for options, _ in fixtures)
            folder = PurePosixPath(path).parent if path.endswith("/conftest.py") else PurePosixPath("tests")
            for other, words in self._words.items() if fixtures else ():
                if PurePosixPath(other).is_relative_to(folder) and other != path and (is_automatic or names & words):
                    self._importers[path].add(other)

    def _add_native_imports(self) -> None:
        """Add the crates, and the files of the crate with the Python bindings, to the modules that import their names."""
        bindings = self._root / "rust" / "native" / "src"
        origins: dict[str, str] = {}
        for origin, name in _NATIVE_EXPORT.findall((bindings / "lib.rs").read_text(encoding="utf-8")):
            crate = _CRATE.fullmatch(origin)
            origins[name] = f"rust/{crate[1]}" if crate else f"rust/native/src/{origin}.rs"
        for file in bindings.glob("*.rs"):
            for crate_name in set(_CRATE.findall(file.read_text(encoding="utf-8"))):
                self._importers[f"rust/{crate_name}"].add(f"rust/native/src/{file.name}")
        for path, text in self._texts.items():
            for imported in _NATIVE_IMPORT.findall(text):
                for name in re.findall(r"\w+", imported):
                    if name in origins:
                        self._importers[origins[name]].add(path)
                self._importers["rust/native/src/lib.rs"].add(path)

    def _add(self, importer: str, imported: str) -> None:
        if importer in self._modules and imported in self._modules:
            self._importers[self._modules[imported]].add(self._modules[importer])


def _read_texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each Python file of the packages."""
    for package, folder in PACKAGES.items():
        for file in sorted((root / folder / package).rglob("*.py")):
            yield file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")


def _list_imports(node: ast.AST) -> Iterator[str]:
    """Yield the names that an import loads, some of which are names in a module. Tests have no relative imports."""
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=str(module), names=aliases):
            yield from (f"{module}.{alias.name}" for alias in aliases)
        case _:
            pass


def _name_module(path: str) -> str:
    return (
        path.removeprefix("server/")
        .removeprefix("src/")
        .removesuffix(".py")
        .removesuffix("/__init__")
        .replace("/", ".")
    )


def _name_crate(path: str) -> str:
    """Return the node of a Rust file: its crate, or the file itself in the crate with the Python bindings."""
    return path if path.startswith("rust/native/src/") else "/".join(path.split("/")[:2])


def _list_folders(text: str) -> Iterator[str]:
    """Yield the parts of the paths in a text."""
    for segment, path in _PATH.findall(text):
        yield from (segment,) if segment else path.split("/")


def _list_read_folders(text: str) -> tuple[str, ...]:
    """Return the folders of `pytest.mark.reads` in a text."""
    return tuple(folder for folders in _READS.findall(text) for folder in re.findall(r"""["']([^"']+)["']""", folders))


def _is_counterpart(test: str, changed: str) -> bool:
    """Return True if a test file has the name of a changed file of the product, or is in the folder of tests of its package."""
    for package, folder in PACKAGES.items():
        prefix = f"{folder}/{package}/"
        if changed.startswith(prefix):
            module = PurePosixPath(changed.removeprefix(prefix))
            stem = PurePosixPath(test).stem.removeprefix("test_")
            return f"tests/{module.parent}" == str(PurePosixPath(test).parent) or stem.startswith(module.stem)
    return False


def _is_test(path: str) -> bool:
    return path.startswith("tests/") and PurePosixPath(path).name.startswith("test_")
