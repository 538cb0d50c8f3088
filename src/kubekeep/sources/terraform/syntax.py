"""The text of one Terraform file as attributes and blocks, each with its place. Expressions stay trees: never evaluated here.

`python-hcl2` knows the grammar (HCL native syntax, https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location, Position, Region

MAXIMUM_TOKENS: Final = 60_000
"""Of one file; the parser takes about 40 microseconds for each."""
_EXPRESSION_TOKENS: Final = 1_000
"""Of one expression in a heredoc or a file."""
_DEEPEST: Final = 300
_LABEL_PARTS: Final = ("string", "identifier", "keyword", "literal_value")

Expression = Any
"""A lark tree or token of the native syntax, or a `Json` value."""


class Attribute(msgspec.Struct, frozen=True):
    """`name = expression`, or `"name": value` in JSON."""

    name: str
    expression: Expression
    place: Location


class Block(msgspec.Struct, frozen=True):
    """`type "label" { body }`."""

    type: str
    labels: tuple[str, ...]
    body: Body
    place: Location


class Body(msgspec.Struct, frozen=True):
    """What stands between braces, in order."""

    attributes: dict[str, Attribute]
    blocks: tuple[Block, ...]


class Json(msgspec.Struct, frozen=True):
    """A value of Terraform's JSON syntax: strings in it are templates."""

    value: Any


class HclSyntaxError(Exception):
    """A file that is not Terraform's language, or costs too much to read."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.position = Position(line, column)


def parse(text: str, file: str, most: int = MAXIMUM_TOKENS) -> tuple[Body, int]:
    """The body of a file of at most so many tokens, and how many it has; `file` is shown in places.

    Raises HclSyntaxError.
    """
    tree, tokens = _tree(text, most)
    return _body(tree.children[0], file), tokens


@functools.lru_cache(maxsize=128)
def parse_expression(text: str) -> Expression:
    """One expression, as it stands in a template. Raises HclSyntaxError; its places mean nothing."""
    tree, _ = _tree(f"x = (\n{text}\n)", _EXPRESSION_TOKENS)
    return tree.children[0].children[0].children[-1]


def _tree(text: str, most: int) -> tuple[Any, int]:
    try:
        # Half a second that only Terraform costs, and an extra.
        from hcl2.parser import parser  # noqa: PLC0415
        from lark.exceptions import UnexpectedCharacters, UnexpectedInput  # noqa: PLC0415
    except ImportError:
        raise HclSyntaxError("not read: Terraform needs `pip install kubekeep[terraform]`") from None
    tokens = 0

    try:
        # The grammar wants a line end after the last line.
        steps = parser().parse_interactive(text.removesuffix("\n") + "\n")
        for token in steps.iter_parse():
            tokens += 1
            if tokens > most:
                raise HclSyntaxError(f"more than {most} tokens: not read", token.line or 1)
        tree: Any = steps.resume_parse()  # type: ignore[no-untyped-call] # lark has no type for it
    except UnexpectedCharacters as error:
        raise HclSyntaxError("not Terraform: unexpected character", max(error.line, 1), max(error.column, 1)) from None
    except UnexpectedInput as error:
        # At the end of a text the parser has no place.
        line = error.line if error.line and error.line > 0 else text.count("\n") + 1
        found = str(getattr(error, "token", "") or "").strip()
        what = f"unexpected {found[:40].splitlines()[0]!r}" if found else "unexpected end"
        raise HclSyntaxError(f"not Terraform: {what}", line, max(error.column or 1, 1)) from None
    _refuse_deep(tree)
    return tree, tokens


def _refuse_deep(tree: Any) -> None:
    """Evaluation is recursive: what would exhaust the stack is refused before."""
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > _DEEPEST:
            raise HclSyntaxError(f"nested deeper than {_DEEPEST} levels", getattr(node.meta, "line", 1))
        # A term is a wrapper of what it holds: it adds no nesting of its own.
        step = 0 if node.data == "expr_term" else 1
        todo.extend((child, depth + step) for child in node.children if hasattr(child, "children"))


def _body(tree: Any, file: str) -> Body:
    attributes: dict[str, Attribute] = {}
    blocks: list[Block] = []
    for child in tree.children:
        if child.data == "attribute":
            name = word(child.children[0])
            if name in attributes:
                raise HclSyntaxError(f"{name} is set twice in one block", child.meta.line, child.meta.column)
            attributes[name] = Attribute(name, child.children[-1], entry_place(child, child.children[0], file))
        elif child.data == "block":
            blocks.append(_block(child, file))
    return Body(attributes, tuple(blocks))


def _block(tree: Any, file: str) -> Block:
    head = [part for part in tree.children if getattr(part, "data", "") in _LABEL_PARTS]
    body = next(part for part in tree.children if getattr(part, "data", "") == "body")
    first, last = head[0].meta, head[-1].meta
    region = Region(Position(first.line, first.column), Position(last.end_line, last.end_column))
    labels = tuple(word(part) for part in head[1:])
    return Block(word(head[0]), labels, _body(body, file), Location(file, region))


def word(tree: Any) -> str:
    """The text of a name, or of a string without templates."""
    if tree.data == "string":
        return "".join(word(part) for part in tree.children[1:-1])
    return "".join(str(child) if not hasattr(child, "children") else word(child) for child in tree.children)


def entry_place(entry: Any, key: Any, file: str) -> Location:
    """The place of `key = value`: of the key alone if the value is a collection, so that it underlines no half file."""
    meta, end = entry.meta, entry.meta
    value = unwrapped(entry.children[-1])
    if getattr(value, "data", "") in _LARGE:
        end = key.meta
    return Location(file, Region(Position(meta.line, meta.column), Position(end.end_line, end.end_column)))


_LARGE: Final = frozenset(
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


def place_of(tree: Any, file: str) -> Location:
    """The place of a whole expression; of a collection only where it begins."""
    meta = tree.meta
    start = Position(meta.line, meta.column)
    large = getattr(unwrapped(tree), "data", "") in _LARGE
    end = Position(meta.line, meta.column + 1) if large else Position(meta.end_line, meta.end_column)
    return Location(file, Region(start, end))


def unwrapped(tree: Expression) -> Expression:
    """The expression inside its parentheses and terms."""
    while getattr(tree, "data", "") == "expr_term":
        tree = next(child for child in parts(tree) if hasattr(child, "children"))
    return tree


def parts(tree: Any) -> Iterator[Any]:
    """The children of an expression without line ends and comments."""
    return (child for child in tree.children if getattr(child, "data", "") != "new_line_or_comment")
