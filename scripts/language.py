"""Check the language of the code (Python, Rego, TypeScript), of the texts of controls, and of Markdown pages.

Checks openings of docstrings and comments, plain names and wording, and unique names of Python classes. Prints the figures
with their limits and every violation that has a location; exits 1 if a limit is exceeded.
Arguments are folders with code, files of code, and Markdown files; without arguments, all code is checked. Never changes a file.
"""

from __future__ import annotations

import ast
import collections
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "kubekeep"
FOLDERS = ("src/kubekeep", "server/src", "tests", "scripts", "benchmarks", "integrations", "web/src")
QUESTIONS = re.compile(r"\b(what|which|whether|how|where|who|when|why|whose|whom|whoever|whatever)\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
NAMES = (
    *("found", "said", "told", "asked", "wanted", "given", "judged", "declined", "accepted", "mended"),
    *(
        "judge",
        "mend",
        "item",
        "place",
        "places",
        "thing",
        "things",
        "who",
        "whom",
        "whose",
        "whoever",
        "what",
        "whatever",
    ),
)
"""Words that are no names, in any language: they do not describe a value. Case and outer underscores do not count."""
DIALECT = re.compile(
    r"\b(judge[sd]?|mend(?:s|ed|ing)?|declined|whoever|whomever|anew|likewise|for want of|is (?:said|told)|nothing tells)\b",
    re.IGNORECASE,
)
"""Words for which the glossary has a term, and idioms, in comments, docstrings and messages of any language."""
PLACEHOLDERS = ("res", "out", "tmp", "data")
OPENING_PERCENT = 2.0
QUESTIONS_PER_1000 = 8.0
RATED_WORDS = 1000
"""Words below which a rate of docstrings says nothing of a style, as in a single file."""
PAGE_QUESTIONS_PER_1000 = 10.0
FENCE = re.compile(r"\s*(```|~~~)")
NO_PROSE = re.compile(r"`[^`]*`|\]\([^)]*\)|<?https?://\S+")
"""Inline code, the targets of links, and addresses."""
PUBLISHED_NAMES = ("src/kubekeep/mcp/answers.py",)
"""Files whose fields are names of published answers, which stay."""
PLACEHOLDER_USES = 60
TOKENS = {
    ".rego": re.compile(r'(?P<comment>#[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*")|`[^`]*`|(?P<name>[A-Za-z_]\w*)'),
    ".ts": re.compile(
        r"(?P<comment>//[^\n]*|/\*.*?\*/)"
        r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|(?<=[(,=:?&|]\s)/(?:[^/\\\n]|\\.)+/|(?P<name>[A-Za-z_$][\w$]*)""",
        re.DOTALL,
    ),
    ".yaml": re.compile(r"(?P<comment>#[^\n]*)|(?P<text>[^\n]+)"),
}
TOKENS[".tsx"] = re.compile(
    rf"(?<=>)[^<>{{}}=;()]+(?=[<{{])|(?<=}})[^<>{{}}=;()]+(?=<)|{TOKENS['.ts'].pattern}", re.DOTALL
)
"""Comments, texts and names by file ending. Patterns (raw texts of Rego, `/.../` of TypeScript) and the prose of pages are none of them."""
CONTROL_FILE = "control.yaml"
MARKS = ("#", "//", "*")
"""Beginnings of comment lines."""


class Docstring(msgspec.Struct, frozen=True):
    """One docstring and its location."""

    path: str
    line: int
    text: str
    is_public: bool

    @property
    def opens_with_question(self) -> bool:
        """True if its first word is a question word."""
        first = WORD.search(self.text)
        return first is not None and QUESTIONS.fullmatch(first.group()) is not None


class Module(msgspec.Struct, frozen=True):
    """The measured parts of one Python file."""

    path: str
    docstrings: list[Docstring]
    names: list[tuple[str, int]]
    classes: list[tuple[str, int, tuple[str, ...]]]


def main(arguments: list[str]) -> int:
    """Measure the folders and pages in `arguments`, or all folders, and return the exit code."""
    missing = [argument for argument in arguments if not (ROOT / argument).exists()]
    if missing:
        print(f"not a file or folder of the repository: {', '.join(missing)}", file=sys.stderr)
        return 2
    pages = [argument for argument in arguments if argument.endswith(".md")]
    folders = [argument for argument in arguments if argument not in pages] or ([] if pages else list(FOLDERS))
    modules = [_measure(file) for file in _list_files(folders, ".py")]
    problems = list(_check_pages(pages)) if pages else []
    if folders:
        problems += [*_check_docstrings(modules), *_check_names(modules), *_check_classes(modules)]
        for ending in TOKENS:
            problems += _check_sources(ending, folders)
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


def _list_files(paths: Iterable[str], ending: str) -> list[Path]:
    """Return the files with an ending below the folders, and those among the paths."""
    files: set[Path] = set()
    for path in paths:
        files |= {ROOT / path} if path.endswith(ending) else set((ROOT / path).rglob(f"*{ending}"))
    return sorted(file for file in files if _is_source(file))


def _measure(file: Path) -> Module:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    path = _display(file)
    docstrings: list[Docstring] = []
    names: list[tuple[str, int]] = []
    classes: list[tuple[str, int, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        docstrings += _list_docstrings(node, path)
        names += _list_names(node)
        if isinstance(node, ast.ClassDef):
            bases = tuple(ast.unparse(base).split("[")[0].rsplit(".", 1)[-1] for base in node.bases)
            classes.append((node.name, node.lineno, bases))
    return Module(path, docstrings, names, classes)


def _display(file: Path) -> str:
    return str(file.relative_to(ROOT) if file.is_relative_to(ROOT) else file)


def _list_docstrings(node: ast.AST, path: str) -> Iterator[Docstring]:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node)
        if text:
            is_public = not getattr(node, "name", "module").startswith("_")
            yield Docstring(path, getattr(node, "lineno", 1), text, is_public)
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        # A string behind an assignment documents the name (PEP 257, attribute docstrings).
        for statement, successor in zip(node.body, node.body[1:], strict=False):
            if not isinstance(statement, ast.Assign | ast.AnnAssign):
                continue
            match successor:
                case ast.Expr(value=ast.Constant(value=str() as text)):
                    yield Docstring(path, successor.lineno, text, is_public=True)
                case _:
                    pass


def _list_names(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name, node.lineno
        case ast.arg(arg=name):
            yield name, node.lineno
        case ast.Attribute(attr=name, ctx=ast.Store()):
            yield name, node.lineno
        case (
            ast.FunctionDef(name=name)
            | ast.ClassDef(name=name)
            | ast.MatchAs(name=str() as name)
            | ast.MatchStar(name=str() as name)
        ):
            yield name, node.lineno
        case _:
            pass


def _check_pages(pages: Iterable[str]) -> Iterator[str]:
    """Yield each question word of the pages if all pages together have too many of them."""
    prose = [
        (f"{page}:{number}", line)
        for page in pages
        for number, line in _list_prose((ROOT / page).read_text(encoding="utf-8"))
    ]
    words = sum(len(WORD.findall(line)) for _, line in prose)
    questions = [(location, word) for location, line in prose for word in QUESTIONS.findall(line)]
    rate = 1000 * len(questions) / max(words, 1)
    print(f"{words} words of prose, {rate:.1f} question words per 1,000 (at most {PAGE_QUESTIONS_PER_1000:g})")
    if rate > PAGE_QUESTIONS_PER_1000:
        yield from (f"{location}: question word: {word}" for location, word in questions)


def _list_prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line outside code blocks and tables, without inline code and addresses."""
    is_code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line):
            is_code = not is_code
        elif not is_code and not line.lstrip().startswith("|"):
            yield number, NO_PROSE.sub(" ", line)


def _check_docstrings(modules: Iterable[Module]) -> Iterator[str]:
    docstrings = [docstring for module in modules for docstring in module.docstrings]
    words = sum(len(WORD.findall(docstring.text)) for docstring in docstrings)
    openings = [docstring for docstring in docstrings if docstring.opens_with_question]
    questions = sum(len(QUESTIONS.findall(docstring.text)) for docstring in docstrings)
    percent, rate = 100 * len(openings) / max(len(docstrings), 1), 1000 * questions / max(words, 1)
    public_count = sum(docstring.is_public for docstring in docstrings)
    print(f"{len(docstrings)} docstrings, {public_count} of public names, {words} words")
    print(f"{percent:.1f} % open with a question word (under {OPENING_PERCENT:g} %)")
    print(f"{rate:.1f} question words per 1,000 (under {QUESTIONS_PER_1000:g})")
    if percent >= OPENING_PERCENT:
        yield from (
            f"{docstring.path}:{docstring.line}: opens with a question word: {docstring.text[:60]!r}"
            for docstring in openings
        )
    for docstring in docstrings:
        yield from (f"{docstring.path}:{docstring.line}: {problem}" for problem in _find_dialect(docstring.text))
    if words >= RATED_WORDS and rate >= QUESTIONS_PER_1000:
        yield f"docstrings have {rate:.1f} question words per 1,000"


def _check_names(modules: Iterable[Module]) -> Iterator[str]:
    names = [(name, f"{module.path}:{line}") for module in modules for name, line in module.names]
    banned = [(name, location) for name, location in names if _is_any(name, NAMES)]
    strict = [(name, location) for name, location in banned if not location.startswith(PUBLISHED_NAMES)]
    placeholders = [(name, location) for name, location in names if _is_any(name, PLACEHOLDERS)]
    print(f"{len(strict)} banned names (0), and {len(banned) - len(strict)} in published answers")
    print(f"{len(placeholders)} placeholders as names (under {PLACEHOLDER_USES})")
    excessive = placeholders if len(placeholders) >= PLACEHOLDER_USES else []
    yield from (_describe_name(location, name) for name, location in (*strict, *excessive))


def _find_dialect(text: str) -> Iterator[str]:
    return (f"wording: {word}" for word in DIALECT.findall(text))


def _is_any(name: str, words: Iterable[str]) -> bool:
    return name.strip("_").lower() in words


def _describe_name(location: str, name: str) -> str:
    return f"{location}: the name {name} says nothing of the value"


def _check_sources(ending: str, folders: Iterable[str]) -> Iterator[str]:
    """Yield the banned names and wordings of the files with an ending below the folders."""
    paths = _list_files(folders, ending)
    problems = [
        f"{_display(file)}:{problem}"
        for file in paths
        for problem in _find_problems(file.read_text(encoding="utf-8"), TOKENS[ending])
    ]
    print(f"{len(paths)} files *{ending}, {len(problems)} with banned words (0)")
    yield from problems


def _is_source(file: Path) -> bool:
    """Return True for a file of ours, in YAML only for a control."""
    return "node_modules" not in file.parts and (file.suffix != ".yaml" or file.name == CONTROL_FILE)


def _find_problems(text: str, tokens: re.Pattern[str]) -> Iterator[str]:
    """Yield line and description of each problem in a file."""
    lines = text.splitlines()
    for token in tokens.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        kind, value = token.lastgroup, token.group()
        is_field = text.endswith(".", 0, token.start()) and not text.endswith("...", 0, token.start())
        is_key = kind == "text" and text.startswith(":", token.end())
        if (kind == "name" and not is_field) or is_key:
            name = value.strip("\"'")
            if _is_any(name, NAMES):
                yield _describe_name(str(line), name)
        elif kind in ("comment", "text"):
            yield from (f"{line}: {problem}" for problem in _find_dialect(value))
            opening = WORD.search(value)
            continues = line > 1 and lines[line - 2].lstrip().startswith(MARKS)
            if kind == "comment" and not continues and opening and QUESTIONS.fullmatch(opening.group()):
                yield f"{line}: opens with a question word: {value[:60]!r}"


def _check_classes(modules: Iterable[Module]) -> Iterator[str]:
    package = str(PACKAGE.relative_to(ROOT))
    locations_by_class: dict[str, list[str]] = collections.defaultdict(list)
    protocols = {name for module in modules for name, _, bases in module.classes if "Protocol" in bases}
    for module in modules:
        if module.path.startswith(package):
            for name, line, bases in module.classes:
                if protocols.isdisjoint(bases):
                    locations_by_class[name].append(f"{module.path}:{line}")
    duplicates = {name: locations for name, locations in locations_by_class.items() if len(locations) > 1}
    print(f"{len(locations_by_class)} class names, {len(duplicates)} of them used more than once (0)")
    yield from (
        f"class {name} is defined at {' and '.join(locations)}" for name, locations in sorted(duplicates.items())
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
