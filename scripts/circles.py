"""Check for circular imports in the Python packages and the Rust crates, imports inside functions included.

Prints every circle with its files and the imported names, and exits 1 if there are any; changes no files. Imports by a
computed name, such as those of the registries that walk folders, are not seen. The argument is the root of a repository.
"""

from __future__ import annotations

import ast
import graphlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
NO_CODE = re.compile(r"""//[^\n]*|/\*.*?\*/|\br(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'""", re.DOTALL)
"""Comments, strings and characters of Rust."""
RUST_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod\b")
"""The start of the tests of a module: clippy refuses code after them."""
USE = re.compile(r"\buse\s+([^;]+);")
ALIAS_OR_SPACE = re.compile(r"\s+as\s+\w+|\s+")
PATH = re.compile(r"(?<![\w:])\w+(?:::\w+)+")

Imports = dict[Path, dict[Path, str]]
"""For each file, the files that it imports, each with the first line and the names of the import."""


def main(arguments: list[str]) -> int:
    """Check the repository and return the exit code."""
    root = Path(*arguments).resolve() if arguments else ROOT
    imports = _read_packages(root / "src") | _read_packages(root / "server" / "src")
    for crate in sorted((root / "rust").glob("*/src")):
        imports |= _read_crate(crate)
    circles = list(_list_circles(imports))
    for circle in circles:
        print(f"circle of {len(circle)} modules:", file=sys.stderr)
        for importer, imported in zip(circle, (*circle[1:], circle[0]), strict=True):
            details = imports[importer][imported]
            print(f"  {importer.relative_to(root)}:{details} of {imported.relative_to(root)}", file=sys.stderr)
    print(f"{len(imports)} modules, {len(circles)} circles")
    return bool(circles)


def _list_circles(imports: Mapping[Path, Mapping[Path, str]]) -> Iterator[list[Path]]:
    """Yield circles until none is left, each from importers to imported files; the first import of each is then cut."""
    graph = {importer: list(imported) for importer, imported in imports.items()}
    while True:
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            circle: list[Path] = error.args[1][:0:-1]
            yield circle
            graph[circle[0]].remove(circle[1])
        else:
            return


def _read_packages(folder: Path) -> Imports:
    modules = {_name_module(file.relative_to(folder)): file for file in sorted(folder.rglob("*.py"))}
    imports: Imports = {}
    for name, file in modules.items():
        imports[file] = {}
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for module, imported in _list_python_imports(node, package):
                target = modules.get(f"{module}.{imported}") or modules.get(module)
                if target is not None and target != file:
                    _add(imports[file], target, getattr(node, "lineno", 0), imported or module)
    return imports


def _name_module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _list_python_imports(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Yield the module and the imported name of each import; the name is empty for an import of a whole module."""
    match node:
        case ast.Import(names=aliases):
            yield from ((alias.name, "") for alias in aliases)
        case ast.ImportFrom(module=module, names=aliases, level=level):
            above = package.rsplit(".", level - 1)[0] if level else ""
            source = ".".join(part for part in (above, module) if part)
            yield from ((source, alias.name) for alias in aliases)
        case _:
            pass


def _read_crate(folder: Path) -> Imports:
    modules = {_name_rust_module(file.relative_to(folder)): file for file in sorted(folder.rglob("*.rs"))}
    imports: Imports = {}
    for name, file in modules.items():
        code = NO_CODE.sub(lambda match: "\n" * match[0].count("\n"), file.read_text(encoding="utf-8"))
        code = RUST_TESTS.split(code)[0]
        imports[file] = {}
        for line, path in _list_rust_paths(code):
            target = _resolve(path.split("::"), name, modules)
            if target is not None and target != file:
                _add(imports[file], target, line, path)
    return imports


def _name_rust_module(path: Path) -> tuple[str, ...]:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] in {"lib", "main", "mod"} else parts


def _list_rust_paths(code: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each path, with the nested paths of `use` expanded."""
    for use in USE.finditer(code):
        line = code.count("\n", 0, use.start()) + 1
        yield from ((line, path) for path in _expand(ALIAS_OR_SPACE.sub("", use[1])))
    for match in PATH.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match[0]


def _expand(tree: str) -> Iterator[str]:
    """Yield `a::b` and `a::c::d` for the tree `a::{b,c::{d}}`."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree
        return
    start = depth = 0
    inner = rest.removesuffix("}") + ","
    for position, character in enumerate(inner):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            yield from _expand(head + inner[start:position])
            start = position + 1


def _resolve(path: list[str], module: tuple[str, ...], modules: Mapping[tuple[str, ...], Path]) -> Path | None:
    """Return the file of the module that `path` leads to from `module`, or None for paths to other crates."""
    base = module
    if path[0] == "crate":
        base = ()
    elif path[0] not in {"super", "self"} and (*module, path[0]) not in modules:
        return None
    for part in path:
        if part == "super":
            base = base[:-1]
        elif part not in {"crate", "self"}:
            if (*base, part) not in modules:
                break
            base = (*base, part)
    return modules.get(base)


def _add(imported: dict[Path, str], target: Path, line: int, name: str) -> None:
    if target not in imported:
        imported[target] = f"{line} imports {name}"
    elif name not in imported[target].replace(",", "").split():
        imported[target] += f", {name}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
