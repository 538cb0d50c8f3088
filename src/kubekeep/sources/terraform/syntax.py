"""Terraform files in native syntax as attributes and blocks with locations, and templates as parts.

`python-hcl2` supplies the grammar (HCL native syntax, https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md).
Expressions stay trees: nothing is evaluated here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location, Position, Region

MAX_TOKENS: Final = 60_000
"""Tokens of one file; parsing takes about 40 microseconds per token."""
_EXPRESSION_TOKENS: Final = 1_000
"""Tokens of one expression in a heredoc or a file."""
_MAX_DEPTH: Final = 300
_LABEL_PARTS: Final = ("string", "identifier", "keyword", "literal_value")

Expression = Any
"""A lark tree or token of the native syntax, or a `JsonExpression`."""


class HclAttribute(msgspec.Struct, frozen=True):
    """`name = expression`, or `"name": value` in JSON."""

    name: str
    expression: Expression
    location: Location


class HclBlock(msgspec.Struct, frozen=True):
    """`type "label" { body }`."""

    type: str
    labels: tuple[str, ...]
    body: HclBody
    location: Location


class HclBody(msgspec.Struct, frozen=True):
    """Attributes and blocks between braces, in order."""

    attributes: dict[str, HclAttribute]
    blocks: tuple[HclBlock, ...]


class JsonExpression(msgspec.Struct, frozen=True):
    """A value of Terraform's JSON syntax; its strings are templates."""

    value: Any


class HclSyntaxError(Exception):
    """A file that is not Terraform, or exceeds a limit."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.position = Position(line, column)


def parse(text: str, file: str, max_tokens: int = MAX_TOKENS) -> tuple[HclBody, int]:
    """Parse a file and return its body and number of tokens. file: path for locations.

    Raises HclSyntaxError for invalid syntax, more than max_tokens tokens or too many nested levels.
    """
    tree, tokens = _parse_tree(text, max_tokens)
    return _read_body(tree.children[0], file), tokens


@functools.lru_cache(maxsize=128)
def parse_expression(text: str) -> Expression:
    """Parse an expression of a template. Its locations have no meaning. Raises HclSyntaxError."""
    tree, _ = _parse_tree(f"x = (\n{text}\n)", _EXPRESSION_TOKENS)
    return tree.children[0].children[0].children[-1]


def _parse_tree(text: str, max_tokens: int) -> tuple[Any, int]:
    try:
        # An optional dependency that takes half a second to load.
        from hcl2.parser import parser  # noqa: PLC0415
        from lark.exceptions import UnexpectedCharacters, UnexpectedInput  # noqa: PLC0415
    except ImportError:
        raise HclSyntaxError("not read: run pip install 'kubekeep[terraform]' to read Terraform") from None
    tokens = 0

    try:
        # The grammar requires a line end after the last line.
        steps = parser().parse_interactive(text.removesuffix("\n") + "\n")
        for token in steps.iter_parse():
            tokens += 1
            if tokens > max_tokens:
                raise HclSyntaxError(f"more than {max_tokens} tokens: not read", token.line or 1)
        tree: Any = steps.resume_parse()  # type: ignore[no-untyped-call] # lark has no type for it
    except UnexpectedCharacters as error:
        raise HclSyntaxError("not Terraform: unexpected character", max(error.line, 1), max(error.column, 1)) from None
    except UnexpectedInput as error:
        # The parser has no position at the end of a text.
        line = error.line if error.line and error.line > 0 else text.count("\n") + 1
        token_text = str(getattr(error, "token", "") or "").strip()
        problem = f"unexpected {token_text[:40].splitlines()[0]!r}" if token_text else "unexpected end of file"
        raise HclSyntaxError(f"not Terraform: {problem}", line, max(error.column or 1, 1)) from None
    _check_depth(tree)
    return tree, tokens


def _check_depth(tree: Any) -> None:
    """Raise HclSyntaxError for a tree too deep for recursive evaluation."""
    pending = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise HclSyntaxError(f"nested deeper than {_MAX_DEPTH} levels", getattr(node.meta, "line", 1))
        # A term only wraps another node.
        step = 0 if node.data == "expr_term" else 1
        pending.extend((child, depth + step) for child in node.children if hasattr(child, "children"))


def _read_body(tree: Any, file: str) -> HclBody:
    attributes: dict[str, HclAttribute] = {}
    blocks: list[HclBlock] = []
    for child in tree.children:
        if child.data == "attribute":
            name = read_word(child.children[0])
            if name in attributes:
                raise HclSyntaxError(f"{name} is set twice in one block", child.meta.line, child.meta.column)
            attributes[name] = HclAttribute(name, child.children[-1], locate_entry(child, child.children[0], file))
        elif child.data == "block":
            blocks.append(_read_block(child, file))
    return HclBody(attributes, tuple(blocks))


def _read_block(tree: Any, file: str) -> HclBlock:
    head = [part for part in tree.children if getattr(part, "data", "") in _LABEL_PARTS]
    body = next(part for part in tree.children if getattr(part, "data", "") == "body")
    first, last = head[0].meta, head[-1].meta
    region = Region(Position(first.line, first.column), Position(last.end_line, last.end_column))
    labels = tuple(read_word(part) for part in head[1:])
    return HclBlock(read_word(head[0]), labels, _read_body(body, file), Location(file, region))


def read_word(tree: Any) -> str:
    """Return the text of a name or of a string without templates."""
    if tree.data == "string":
        return "".join(read_word(part) for part in tree.children[1:-1])
    return "".join(str(child) if not hasattr(child, "children") else read_word(child) for child in tree.children)


def locate_entry(entry: Any, key: Any, file: str) -> Location:
    """Return the location of `key = value`; of the key alone if the value is a collection."""
    meta, end = entry.meta, entry.meta
    value = unwrap(entry.children[-1])
    if getattr(value, "data", "") in _COLLECTIONS:
        end = key.meta
    return Location(file, Region(Position(meta.line, meta.column), Position(end.end_line, end.end_column)))


_COLLECTIONS: Final = frozenset(
    (
        "object",
        "tuple",
        "heredoc_template",
        "heredoc_template_trim",
        "for_object_expr",
        "for_tuple_expr",
        "function_call",
    )
)


def locate_expression(tree: Any, file: str) -> Location:
    """Return the location of an expression; only its first character if it is a collection."""
    meta = tree.meta
    start = Position(meta.line, meta.column)
    is_collection = getattr(unwrap(tree), "data", "") in _COLLECTIONS
    end = Position(meta.line, meta.column + 1) if is_collection else Position(meta.end_line, meta.end_column)
    return Location(file, Region(start, end))


def unwrap(tree: Expression) -> Expression:
    """Return the expression inside parentheses and terms."""
    while getattr(tree, "data", "") == "expr_term":
        tree = next(child for child in list_children(tree) if hasattr(child, "children"))
    return tree


def list_children(tree: Any) -> Iterator[Any]:
    """Return the children of an expression without line ends and comments."""
    return (child for child in tree.children if getattr(child, "data", "") != "new_line_or_comment")


_SPECIAL: Final = re.compile(r"\$\$\{|%%\{|\$\{|%\{")
_ESCAPE: Final = re.compile(r'\\(?:([nrt"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_BRACES: Final = re.compile(r'\\.|\$\{|[{}"]', re.DOTALL)


class TemplatePart(msgspec.Struct, frozen=True):
    """Literal text, an expression, or a directive (whose expression is None). lines: line ends in the source."""

    text: str = ""
    expression: Any = None
    lines: int = 0
    is_directive: bool = False


def split_template(template: str) -> list[TemplatePart]:
    """Return the parts of a template without escapes (a heredoc or a file). Raises HclSyntaxError."""
    template_parts: list[TemplatePart] = []
    position = 0
    while match := _SPECIAL.search(template, position):
        if match.start() > position:
            template_parts.append(TemplatePart(template[position : match.start()]))
        if len(match[0]) == len("$${"):
            template_parts.append(TemplatePart(match[0][1:]))
            position = match.end()
            continue
        end = _find_closing_brace(template, match.end())
        inner = template[match.end() : end]
        if match[0] == "%{":
            template_parts.append(TemplatePart(is_directive=True, lines=inner.count("\n")))
        else:
            template_parts.append(TemplatePart(expression=parse_expression(inner), lines=inner.count("\n")))
        position = end + 1
    if position < len(template):
        template_parts.append(TemplatePart(template[position:]))
    return template_parts


def _find_closing_brace(text: str, position: int) -> int:
    """Return the index of the brace that closes an interpolation, skipping nested strings and braces."""
    open_delimiters = ["{"]
    while match := _BRACES.search(text, position):
        delimiter, position = match[0], match.end()
        in_string = open_delimiters[-1] == '"'
        if delimiter == '"':
            if in_string:
                open_delimiters.pop()
            else:
                open_delimiters.append(delimiter)
        elif delimiter == "${" or (delimiter == "{" and not in_string):
            open_delimiters.append("{")
        elif delimiter == "}" and not in_string:
            open_delimiters.pop()
            if not open_delimiters:
                return match.start()
    raise HclSyntaxError("unterminated interpolation")


def unescape(text: str) -> str:
    """Decode the escapes in the literal part of a quoted string."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return _ESCAPED[match[1]]
    code = int(match[2] or match[3], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def read_heredoc(token: str) -> tuple[str, int]:
    """Return the template of a heredoc token and the indentation that `<<-` removes from each line."""
    head, _, rest = token.rstrip("\n").rpartition("\n")[0].partition("\n")
    body = rest.replace("\r\n", "\n")
    if not rest and "\n" not in token.rstrip("\n").rpartition("\n")[0]:
        return "", 0
    lines = body.split("\n")
    indent = 0
    if head.startswith("<<-"):
        indent = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
        lines = [line[indent:] for line in lines]
    return "".join(f"{line}\n" for line in lines), indent
