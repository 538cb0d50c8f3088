"""Twins of templates: the same templates with marks, which Helm renders beside them in one call.

A twin prints what its template prints, plus marks. Marks stand where text goes straight to the output: before each
literal line, around each action, at each branch and turn. A named template has a twin too, called only where the
text it gives reaches the output through functions that leave marks whole; elsewhere the template itself is called,
so that no condition and no computation ever sees a mark. Never changes a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from kubekeep.sources.helm.trace.expression import (
    Dot,
    Function,
    Literal,
    Operand,
    Pipe,
    Variable,
    after_declaration,
    included,
    parse,
)
from kubekeep.sources.helm.trace.marks import Alphabet, Events, Kind, MarkedText
from kubekeep.sources.helm.trace.template import Action, Branch, Call, Jump, Node, Range, TemplateError, Text, inside
from kubekeep.sources.helm.trace.units import Units

_LINE: Final = re.compile(r"\S[^\n]*")
_WHOLE: Final = frozenset({"indent", "nindent", "quote", "squote", "toString"})
"""Functions whose result has the marks of their text, in order."""
_COUNTS: Final = frozenset({"int", "int64", "len", "add", "add1", "sub", "mul", "div", "mod", "max", "min", "atoi"})
"""Functions that give a number: a loop over one takes no second variable."""
_TEXT: Final = "kubekeepText_"
LIVE: Final = "# live "
TWIN: Final = "# twin "


class Twins:
    """The file that prints the twins of a chart, and what the numbers of its marks mean.

    `text` is the file: for each template one document, a comment with the number of the file and the JSON text of
    what its twin printed, and before them one that lists the charts that take part. `places` has for each mark the
    number of the file and the index in it. Templates without actions print what they are: these are in `fixed`.
    """

    def __init__(self, units: Units) -> None:
        self._units = units
        self._prefix = _prefix(units)
        self.places: list[tuple[int, int]] = []
        self._digits: dict[tuple[int, int], str] = {}
        sources = [unit.source for unit in units.all]
        # Each mark belongs to a line or a delimiter, so there are never more marks than these.
        most = sum(source.count("\n") + 2 * source.count("{{") + 2 for source in sources)
        self.alphabet = Alphabet(sources, most)
        self._wanted: list[str] = []
        self._written: set[str] = set()
        self._texts: set[str] = set()
        self._dot = ""
        self.fixed: dict[int, MarkedText] = {}
        self.text = self._file()

    def read(self, printed: str) -> MarkedText:
        """What a twin printed, with the marks taken out."""
        return self.alphabet.read(printed, len(self.places))

    def _file(self) -> str:
        units = self._units.all
        prints = [number for number, unit in enumerate(units) if unit.prints]
        printed = [number for number in prints if "{{" in units[number].source]
        self.fixed = {number: self._as_it_is(number) for number in prints if "{{" not in units[number].source}
        if not printed:
            return ""
        parts = [self._trimming()]
        parts.extend(self._define(f"file {number}", units[number].body, number) for number in printed)
        while self._wanted:
            name = self._wanted.pop()
            definition = self._units.defines[name]
            parts.append(self._define(f"name {name}", definition.body, definition.unit))
        parts.extend(self._within(scope, f"\n{LIVE}{json.dumps(scope)}") for scope in self._scopes())
        parts.extend(self._print(number) for number in printed)
        return "".join(parts) + "\n"

    def _as_it_is(self, number: int) -> MarkedText:
        """What a template without actions prints: itself."""
        events = Events()
        events.add(0, Kind.TEXT, len(self.places), "")
        self.places.append((number, 0))
        return MarkedText(self._units.all[number].source, events)

    def _scopes(self) -> list[tuple[str, ...]]:
        found = {unit.scope[:length] for unit in self._units.all for length in range(1, len(unit.scope) + 1)}
        return sorted(found)

    def _print(self, number: int) -> str:
        unit = self._units.all[number]
        called = _quoted(f"{self._prefix}file {number}")
        body = f"{_set(unit.name, unit.chart)}\n---\n{TWIN}{number} {{{{ include {called} . | toRawJson }}}}"
        return self._within(unit.scope, body)

    def _within(self, scope: Sequence[str], body: str) -> str:
        """`body` with the dot of a sub-chart, if that takes part."""
        for name in reversed(scope):
            body = f"{{{{with .Subcharts}}}}{{{{with index . {_quoted(name)}}}}}{body}{{{{end}}}}{{{{end}}}}"
        return body

    def _trimming(self) -> str:
        """A template that trims its text as `trim` would if the marks were not there."""
        edge = f"(?:\\\\s|{self.alphabet.pattern})+"
        return (
            f"{{{{define {_quoted(self._prefix + 'trim')}}}}}"
            f'{{{{$a := regexFind "^{edge}" .}}}}{{{{$b := trimPrefix $a .}}}}{{{{$c := regexFind "{edge}$" $b}}}}'
            '{{regexReplaceAll "\\\\s+" $a ""}}{{trimSuffix $c $b}}{{regexReplaceAll "\\\\s+" $c ""}}{{end}}'
        )

    def _define(self, name: str, body: Sequence[Node], unit: int) -> str:
        parts: list[str] = []
        self._texts, self._dot = self._kept(body), ""
        self._body(body, unit, parts)
        return f"{{{{define {_quoted(self._prefix + name)}}}}}{''.join(parts)}{{{{end}}}}"

    def _mark(self, kind: Kind, unit: int, at: int) -> str:
        digits = self._digits.get((unit, at))
        if digits is None:
            digits = self._digits[unit, at] = self.alphabet.digits(len(self.places))
            self.places.append((unit, at))
        return self.alphabet.mark(kind, digits)

    def _body(self, nodes: Sequence[Node], unit: int, parts: list[str]) -> None:
        for node in nodes:
            match node:
                case Text():
                    self._text(node, unit, parts)
                case Action():
                    self._action(node, unit, parts)
                case Call():
                    call = f"{{{{template {_quoted(self._twin(node.name) or node.name)} {node.source}}}}}"
                    parts += (self._mark(Kind.BEGIN, unit, node.at), call, self._mark(Kind.END, unit, node.at))
                case Branch():
                    self._branch(node, unit, parts)
                case Range():
                    self._range(node, unit, parts)
                case Jump():
                    parts.append(f"{{{{{node.word}}}}}")

    def _text(self, node: Text, unit: int, parts: list[str]) -> None:
        at = 0
        for match in _LINE.finditer(node.text):
            if match[0][0] == "#":
                # No value begins with a comment, and licences are long.
                continue
            parts += (node.text[at : match.start()], self._mark(Kind.TEXT, unit, node.at + match.start()))
            at = match.start()
        rest = node.text[at:]
        # A brace before an action would move its delimiter.
        parts.append(f'{rest[:-1]}{{{{"{{"}}}}' if rest.endswith("{") else rest)

    def _action(self, node: Action, unit: int, parts: list[str]) -> None:
        pipe = _parsed(node.source)
        if pipe is None or pipe.names:
            parts.append(f"{{{{{node.source}}}}}")
            if pipe is not None and pipe.names[0] in self._texts:
                sign = "=" if pipe.assigns else ":="
                value = self._marked(node.source, pipe)
                value = f"${pipe.names[0]}" if value == node.source else value[after_declaration(value) :]
                parts.append(f"{{{{${_TEXT}{pipe.names[0]} {sign} {value}}}}}")
            return
        marked = self._marked(node.source, pipe)
        parts += (self._mark(Kind.BEGIN, unit, node.at), f"{{{{{marked}}}}}", self._mark(Kind.END, unit, node.at))

    def _branch(self, node: Branch, unit: int, parts: list[str]) -> None:
        word = "with" if node.rebinds else "if"
        outer = self._dot
        kept = self._kept_dot(node, parts) if node.rebinds else outer
        for number, case in enumerate(node.cases):
            self._dot = outer if case.source is None else kept if number == 0 or not node.rebinds else ""
            condition = "" if case.source is None else f"{word} {case.source}"
            parts.append(f"{{{{{'else ' if number else ''}{condition}}}}}")
            parts.append(self._mark(Kind.CASE, unit, case.at))
            self._body(case.body, unit, parts)
        self._dot = outer
        parts.append("{{end}}")

    def _kept_dot(self, node: Branch, parts: list[str]) -> str:
        """The variable for the text with marks that a `with` makes the dot, written before it; empty if it is none."""
        source = node.cases[0].source or ""
        pipe = _parsed(source)
        marked = source if pipe is None or pipe.names else self._marked(source, pipe)
        if marked == source:
            return ""
        variable = f"${_TEXT}{node.at}"
        parts.append(f"{{{{{variable} := {marked}}}}}")
        return variable

    def _range(self, node: Range, unit: int, parts: list[str]) -> None:
        declared, key = _turns(node.source)
        shown = f"{{{{{key}}}}}" if key else ""
        parts += (f"{{{{range {declared}}}}}", self._mark(Kind.TURN, unit, node.at), shown, self.alphabet.key_end)
        outer, self._dot = self._dot, ""
        self._body(node.body, unit, parts)
        self._dot = outer
        if node.otherwise is not None:
            parts.append("{{else}}")
            self._body(node.otherwise, unit, parts)
        parts.append("{{end}}")

    def _kept(self, body: Sequence[Node]) -> set[str]:
        """The variables that hold the text of a named template, and are only set by actions of their own.

        Beside each, a twin keeps the same text with marks.
        """
        kept: set[str] = set()
        others: set[str] = set()
        for node in inside(body):
            match node:
                case Action():
                    pipe = _parsed(node.source)
                    if pipe is not None and pipe.names and included(pipe) is not None:
                        kept.add(pipe.names[0])
                case Range(source=source):
                    others.update(_declared(source))
                case Branch(cases=cases):
                    others.update(name for case in cases for name in _declared(case.source or ""))
                case _:
                    continue
        return kept - others

    def _twin(self, name: str) -> str | None:
        """The name of a named template's twin, which will be written; None if nobody here defines the name."""
        if name not in self._units.defines:
            return None
        if name not in self._written:
            self._written.add(name)
            self._wanted.append(name)
        return f"{self._prefix}name {name}"

    def _marked(self, source: str, pipe: Pipe) -> str:
        """The source of a pipeline that prints the same with marks, or the source itself."""
        edits = self._edits(pipe)
        for at, end, text in sorted(edits or (), reverse=True):
            source = source[:at] + text + source[end:]
        return source

    def _edits(self, pipe: Pipe) -> list[tuple[int, int, str]] | None:
        """What to change in a pipeline's source so that twins are called; None if marks would do harm."""
        first, *rest = pipe.commands
        if not first:
            return None
        edits = self._first(first)
        for command in rest:
            more = self._function(command[0]) if command else None
            if edits is None or more is None:
                return None
            edits += more
        return edits

    def _first(self, command: tuple[Operand, ...]) -> list[tuple[int, int, str]] | None:
        match command:
            case (Function(name="include"), Literal(value=str() as name, at=at, end=end), _):
                twin = self._twin(name)
                return [(at, end, _quoted(twin))] if twin else None
            case (Variable(name=name, at=at, end=end),) if name in self._texts:
                return [(at, end, f"${_TEXT}{name}")]
            case (Dot(at=at, end=end),) if self._dot:
                return [(at, end, self._dot)]
            case (Pipe() as inner,):
                return self._edits(inner)
            case (Function() as function, *_, Pipe() as inner):
                outer = self._function(function)
                edits = self._edits(inner) if outer is not None else None
                return None if outer is None or edits is None else outer + edits
        return None

    def _function(self, function: Operand) -> list[tuple[int, int, str]] | None:
        match function:
            case Function(name="trim"):
                return [(function.at, function.end, f"include {_quoted(self._prefix + 'trim')}")]
            case Function() if function.name in _WHOLE:
                return []
        return None


def _turns(source: str) -> tuple[str, str]:
    """The head of a loop that has a variable for the key where there can be one, and that variable."""
    pipe = _parsed(source)
    if pipe is None:
        return source, ""
    if len(pipe.names) > 1:
        return source, f"${pipe.names[0]}"
    if pipe.assigns or _counts(pipe):
        return source, ""
    return f"$kubekeepKey, {'' if pipe.names else '$kubekeepValue := '}{source.lstrip()}", "$kubekeepKey"


def _counts(pipe: Pipe) -> bool:
    """Whether a loop may go through the numbers up to one, which takes no second variable."""
    match pipe.commands[-1]:
        case (Literal(),) | ():
            return True
        case (Pipe() as inner,):
            return _counts(inner)
        case (Function() as function, *_):
            return function.name in _COUNTS
    return False


def _parsed(source: str) -> Pipe | None:
    try:
        return parse(source)
    except TemplateError:
        return None


def _declared(source: str) -> tuple[str, ...]:
    pipe = _parsed(source) if source.startswith("$") else None
    return pipe.names if pipe else ()


def _prefix(units: Units) -> str:
    """How names of twins begin, which no text of the chart has."""
    prefix = "kubekeep "
    while any(prefix in unit.source for unit in units.all):
        prefix = f"kubekeep.{prefix}"
    return prefix


def _set(name: str, chart: str) -> str:
    """Tell the template's own name, as Helm does before it renders it."""
    return f'{{{{$_ := set . "Template" (dict "Name" {_quoted(name)} "BasePath" {_quoted(chart + "/templates")})}}}}'


def _quoted(text: str) -> str:
    """A string literal of Go: JSON's escapes are Go's too, but for surrogate pairs, which are written out."""
    return json.dumps(text, ensure_ascii=False)
