"""Check of the design budgets: sizes, docstrings, names, and the use of catch-all handlers and the environment.

Prints violations and exits 1 if there are any; changes no files.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "kubekeep"
PACKAGES = (SOURCE, ROOT / "server" / "src" / "kubekeep_server")
ENTRY_POINTS = ("cli", "lsp", "mcp")
SIZED = ("rust", "tests", "scripts", "benchmarks", "build-backend", "server/build-backend", "integrations", "web/src")
FILE_LINES = 600
FUNCTION_LINES = 70
BRANCHES = 10
VAGUE_NAMES = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|$)")
BRANCHING = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.comprehension, ast.match_case)


def main() -> int:
    """Check the packages, the native crates, the pages, the scripts and the tests, and return the exit code."""
    python = [file for package in PACKAGES for file in sorted(package.rglob("*.py"))]
    problems = [problem for file in python for problem in (*_check_module(file), *_check_size(file))]
    for folder in SIZED:
        for file in sorted((ROOT / folder).rglob("*.*")):
            if file.suffix in (".py", ".rs", ".go", ".ts", ".tsx") and not file.name.endswith(".d.ts"):
                problems += _check_size(file)
    problems += [
        f"{_relative(folder)}: an empty folder"
        for package in PACKAGES
        for folder in package.rglob("*")
        if _is_empty(folder)
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(python)} modules, {len(problems)} problems")
    return bool(problems)


def _check_size(file: Path) -> Iterator[str]:
    if _lines(file) > FILE_LINES:
        yield f"{_relative(file)}: {_lines(file)} lines, {FILE_LINES} at most"


def _check_module(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    is_entry_point = file.is_relative_to(SOURCE) and file.relative_to(SOURCE).parts[0] in ENTRY_POINTS
    if not ast.get_docstring(tree):
        yield f"{_relative(file)}: no docstring with purpose and limits"
    if VAGUE_NAMES.search(file.stem):
        yield f"{_relative(file)}: a vague name"
    for node in ast.walk(tree):
        yield from (
            f"{_relative(file)}:{getattr(node, 'lineno', 0)}: {text}"
            for text in _check_node(node, file, is_entry_point=is_entry_point)
        )


def _check_node(node: ast.AST, file: Path, *, is_entry_point: bool) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name="upgrade") if file.parent.name == "versions":
            # A migration lists tables.
            pass
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            branches = sum(isinstance(child, BRANCHING) for child in ast.walk(node))
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines, {FUNCTION_LINES} at most"
            if branches > BRANCHES:
                yield f"{node.name} has {branches} branches, {BRANCHES} at most"
        case ast.ExceptHandler(type=None) | ast.ExceptHandler(type=ast.Name(id="Exception" | "BaseException")):
            if not is_entry_point:
                yield "catches everything: allowed only in the command line and the language server"
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "getenv") if file.name != "settings.py":
            yield "reads the environment: allowed only in settings.py"
        case ast.Name(id="TYPE_CHECKING"):
            yield "hides an import behind TYPE_CHECKING"
        case _:
            pass


def _is_empty(folder: Path) -> bool:
    return (
        folder.is_dir()
        and folder.name != "__pycache__"
        and not any(entry.name != "__pycache__" for entry in folder.iterdir())
    )


def _lines(file: Path) -> int:
    return file.read_text(encoding="utf-8").count("\n")


def _relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
