"""Write instrumented copies of templates: copies that also print markers, rendered by Helm in the same call.

Markers are placed where text goes straight to the output: before each literal line, around each action, at each case
and iteration. A named template has a copy too, called only where its text reaches the output through functions that
preserve markers. Elsewhere the original is called, so no condition or computation sees a marker. Never changes a
template of the chart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final

from kubekeep.sources.helm.trace.expression import (
    Dot,
    FunctionName,
    LiteralOperand,
    Operand,
    Pipeline,
    Variable,
    find_include,
    find_value_start,
    parse,
)
from kubekeep.sources.helm.trace.markers import ExecutionEvents, MarkedText, MarkerAlphabet, MarkerKind
from kubekeep.sources.helm.trace.template import (
    ActionNode,
    BranchNode,
    JumpNode,
    Node,
    RangeNode,
    TemplateCallNode,
    TemplateError,
    TemplateSet,
    TextNode,
    walk_nodes,
)

_LINE: Final = re.compile(r"\S[^\n]*")
_MARKER_SAFE: Final = frozenset({"indent", "nindent", "quote", "squote", "toString"})
"""Functions that preserve the markers of their text, in order."""
_NUMERIC: Final = frozenset({"int", "int64", "len", "add", "add1", "sub", "mul", "div", "mod", "max", "min", "atoi"})
"""Functions that return a number: a loop over a number takes no second variable."""
_TEXT: Final = "kubekeepText_"
ENABLED_LINE: Final = "# enabled "
OUTPUT_LINE: Final = "# output "


class InstrumentedTemplates:
    """The text with the instrumented copies, and the meaning of its markers.

    `parts` may be spread over several files, in any order: definitions, a list of the enabled sub-charts, then one
    document per template, a comment with the number of the file and the output as JSON. `positions` has file number and index for each marker. `literal_outputs` are the
    outputs of templates without actions.
    """

    def __init__(self, template_set: TemplateSet) -> None:
        self._template_set = template_set
        self._prefix = _choose_prefix(template_set)
        self.positions: list[tuple[int, int]] = []
        self._digits: dict[tuple[int, int], str] = {}
        sources = [file.source for file in template_set.files]
        # Upper bound: each marker belongs to a line or a delimiter.
        marker_count = sum(source.count("\n") + 2 * source.count("{{") + 2 for source in sources)
        self.alphabet = MarkerAlphabet(sources, marker_count)
        self._pending: list[str] = []
        self._written: set[str] = set()
        self._text_variables: set[str] = set()
        self._dot = ""
        self.literal_outputs: dict[int, MarkedText] = {}
        self.parts = self._write_parts()

    def read(self, printed: str) -> MarkedText:
        """Parse the output of an instrumented copy."""
        return self.alphabet.read(printed, len(self.positions))

    def _write_parts(self) -> list[str]:
        files = self._template_set.files
        prints = [number for number, file in enumerate(files) if file.prints]
        printed = [number for number in prints if "{{" in files[number].source]
        self.literal_outputs = {
            number: self._copy_literal(number) for number in prints if "{{" not in files[number].source
        }
        if not printed:
            return []
        parts = [self._define_trim()]
        parts.extend(self._define(f"file {number}", files[number].body, number) for number in printed)
        while self._pending:
            name = self._pending.pop()
            definition = self._template_set.defines[name]
            parts.append(self._define(f"name {name}", definition.body, definition.file))
        parts.extend(
            self._wrap_in_scope(scope, f"\n{ENABLED_LINE}{json.dumps(scope)}") for scope in self._list_scopes()
        )
        parts.extend(self._print(number) for number in printed)
        return parts

    def _copy_literal(self, number: int) -> MarkedText:
        """Return the output of a template without actions."""
        events = ExecutionEvents()
        events.add(0, MarkerKind.TEXT, len(self.positions), "")
        self.positions.append((number, 0))
        return MarkedText(self._template_set.files[number].source, events)

    def _list_scopes(self) -> list[tuple[str, ...]]:
        scopes = {file.scope[:length] for file in self._template_set.files for length in range(1, len(file.scope) + 1)}
        return sorted(scopes)

    def _print(self, number: int) -> str:
        file = self._template_set.files[number]
        template_name = _quote(f"{self._prefix}file {number}")
        output = f"{OUTPUT_LINE}{number} {{{{ include {template_name} . | toRawJson }}}}"
        body = f"{_set_template_name(file.name, file.chart)}\n---\n{output}"
        return self._wrap_in_scope(file.scope, body)

    def _wrap_in_scope(self, scope: Sequence[str], body: str) -> str:
        """Wrap `body` to run with the dot of a sub-chart, if the sub-chart is enabled."""
        for name in reversed(scope):
            body = f"{{{{with .Subcharts}}}}{{{{with index . {_quote(name)}}}}}{body}{{{{end}}}}{{{{end}}}}"
        return body

    def _define_trim(self) -> str:
        """Define a template that trims text as `trim` does, ignoring markers."""
        edge = f"(?:\\\\s|{self.alphabet.pattern})+"
        return (
            f"{{{{define {_quote(self._prefix + 'trim')}}}}}"
            f'{{{{$a := regexFind "^{edge}" .}}}}{{{{$b := trimPrefix $a .}}}}{{{{$c := regexFind "{edge}$" $b}}}}'
            '{{regexReplaceAll "\\\\s+" $a ""}}{{trimSuffix $c $b}}{{regexReplaceAll "\\\\s+" $c ""}}{{end}}'
        )

    def _define(self, name: str, body: Sequence[Node], file: int) -> str:
        parts: list[str] = []
        self._text_variables, self._dot = self._find_text_variables(body), ""
        self._write_body(body, file, parts)
        return f"{{{{define {_quote(self._prefix + name)}}}}}{''.join(parts)}{{{{end}}}}"

    def _create_marker(self, kind: MarkerKind, file: int, at: int) -> str:
        digits = self._digits.get((file, at))
        if digits is None:
            digits = self._digits[file, at] = self.alphabet.encode_number(len(self.positions))
            self.positions.append((file, at))
        return self.alphabet.create_marker(kind, digits)

    def _write_body(self, nodes: Sequence[Node], file: int, parts: list[str]) -> None:
        for node in nodes:
            match node:
                case TextNode():
                    self._write_text(node, file, parts)
                case ActionNode():
                    self._write_action(node, file, parts)
                case TemplateCallNode():
                    call = f"{{{{template {_quote(self._instrument_template(node.name) or node.name)} {node.source}}}}}"
                    parts += (
                        self._create_marker(MarkerKind.BEGIN, file, node.at),
                        call,
                        self._create_marker(MarkerKind.END, file, node.at),
                    )
                case BranchNode():
                    self._write_branch(node, file, parts)
                case RangeNode():
                    self._write_range(node, file, parts)
                case JumpNode():
                    parts.append(f"{{{{{node.word}}}}}")

    def _write_text(self, node: TextNode, file: int, parts: list[str]) -> None:
        at = 0
        for match in _LINE.finditer(node.text):
            if match[0][0] == "#":
                # A value never begins with a comment, and license headers are long.
                continue
            parts += (
                node.text[at : match.start()],
                self._create_marker(MarkerKind.TEXT, file, node.at + match.start()),
            )
            at = match.start()
        rest = node.text[at:]
        # A brace before an action would move its delimiter.
        parts.append(f'{rest[:-1]}{{{{"{{"}}}}' if rest.endswith("{") else rest)

    def _write_action(self, node: ActionNode, file: int, parts: list[str]) -> None:
        pipe = _parse(node.source)
        if pipe is None or pipe.names:
            parts.append(f"{{{{{node.source}}}}}")
            if pipe is not None and pipe.names[0] in self._text_variables:
                sign = "=" if pipe.assigns else ":="
                value = self._add_markers(node.source, pipe)
                value = f"${pipe.names[0]}" if value == node.source else value[find_value_start(value) :]
                parts.append(f"{{{{${_TEXT}{pipe.names[0]} {sign} {value}}}}}")
            return
        marked = self._add_markers(node.source, pipe)
        parts += (
            self._create_marker(MarkerKind.BEGIN, file, node.at),
            f"{{{{{marked}}}}}",
            self._create_marker(MarkerKind.END, file, node.at),
        )

    def _write_branch(self, node: BranchNode, file: int, parts: list[str]) -> None:
        word = "with" if node.rebinds else "if"
        outer = self._dot
        stored_dot = self._store_dot(node, parts) if node.rebinds else outer
        for number, case in enumerate(node.cases):
            self._dot = outer if case.source is None else stored_dot if number == 0 or not node.rebinds else ""
            condition = "" if case.source is None else f"{word} {case.source}"
            parts.append(f"{{{{{'else ' if number else ''}{condition}}}}}")
            parts.append(self._create_marker(MarkerKind.CASE, file, case.at))
            self._write_body(case.body, file, parts)
        self._dot = outer
        parts.append("{{end}}")

    def _store_dot(self, node: BranchNode, parts: list[str]) -> str:
        """Assign the marked text of the value of a `with` to a variable before it; return its name, "" for none."""
        source = node.cases[0].source or ""
        pipe = _parse(source)
        marked = source if pipe is None or pipe.names else self._add_markers(source, pipe)
        if marked == source:
            return ""
        variable = f"${_TEXT}{node.at}"
        parts.append(f"{{{{{variable} := {marked}}}}}")
        return variable

    def _write_range(self, node: RangeNode, file: int, parts: list[str]) -> None:
        declared, key = _build_range_head(node.source)
        key_output = f"{{{{{key}}}}}" if key else ""
        parts += (
            f"{{{{range {declared}}}}}",
            self._create_marker(MarkerKind.ITERATION, file, node.at),
            key_output,
            self.alphabet.key_end,
        )
        outer, self._dot = self._dot, ""
        self._write_body(node.body, file, parts)
        self._dot = outer
        if node.otherwise is not None:
            parts.append("{{else}}")
            self._write_body(node.otherwise, file, parts)
        parts.append("{{end}}")

    def _find_text_variables(self, body: Sequence[Node]) -> set[str]:
        """Find the variables that hold the text of a named template and are set only by actions.

        For each, the copy keeps a second variable with the marked text.
        """
        variables: set[str] = set()
        others: set[str] = set()
        for node in walk_nodes(body):
            match node:
                case ActionNode():
                    pipe = _parse(node.source)
                    if pipe is not None and pipe.names and find_include(pipe) is not None:
                        variables.add(pipe.names[0])
                case RangeNode(source=source):
                    others.update(_list_declared_names(source))
                case BranchNode(cases=cases):
                    others.update(name for case in cases for name in _list_declared_names(case.source or ""))
                case _:
                    continue
        return variables - others

    def _instrument_template(self, name: str) -> str | None:
        """Return the name of the instrumented copy of a named template, to be written; None if it is undefined."""
        if name not in self._template_set.defines:
            return None
        if name not in self._written:
            self._written.add(name)
            self._pending.append(name)
        return f"{self._prefix}name {name}"

    def _add_markers(self, source: str, pipe: Pipeline) -> str:
        """Return the source of a pipeline that prints the same with markers, or the unchanged source."""
        edits = self._list_edits(pipe)
        for at, end, text in sorted(edits or (), reverse=True):
            source = source[:at] + text + source[end:]
        return source

    def _list_edits(self, pipe: Pipeline) -> list[tuple[int, int, str]] | None:
        """List the edits of a pipeline that call instrumented copies; None if markers would change the result."""
        first, *rest = pipe.commands
        if not first:
            return None
        edits = self._edit_first(first)
        for command in rest:
            more = self._edit_function(command[0]) if command else None
            if edits is None or more is None:
                return None
            edits += more
        return edits

    def _edit_first(self, command: tuple[Operand, ...]) -> list[tuple[int, int, str]] | None:
        match command:
            case (FunctionName(name="include"), LiteralOperand(value=str() as name, at=at, end=end), _):
                copy = self._instrument_template(name)
                return [(at, end, _quote(copy))] if copy else None
            case (Variable(name=name, at=at, end=end),) if name in self._text_variables:
                return [(at, end, f"${_TEXT}{name}")]
            case (Dot(at=at, end=end),) if self._dot:
                return [(at, end, self._dot)]
            case (Pipeline() as inner,):
                return self._list_edits(inner)
            case (FunctionName() as function, *_, Pipeline() as inner):
                outer = self._edit_function(function)
                edits = self._list_edits(inner) if outer is not None else None
                return None if outer is None or edits is None else outer + edits
        return None

    def _edit_function(self, function: Operand) -> list[tuple[int, int, str]] | None:
        match function:
            case FunctionName(name="trim"):
                return [(function.at, function.end, f"include {_quote(self._prefix + 'trim')}")]
            case FunctionName() if function.name in _MARKER_SAFE:
                return []
        return None


def _build_range_head(source: str) -> tuple[str, str]:
    """Return the head of a loop with a key variable where possible, and the name of that variable."""
    pipe = _parse(source)
    if pipe is None:
        return source, ""
    if len(pipe.names) > 1:
        return source, f"${pipe.names[0]}"
    if pipe.assigns or _is_number(pipe):
        return source, ""
    return f"$kubekeepKey, {'' if pipe.names else '$kubekeepValue := '}{source.lstrip()}", "$kubekeepKey"


def _is_number(pipe: Pipeline) -> bool:
    """Return True if a loop may range over a number, and so takes no second variable."""
    match pipe.commands[-1]:
        case (LiteralOperand(),) | ():
            return True
        case (Pipeline() as inner,):
            return _is_number(inner)
        case (FunctionName() as function, *_):
            return function.name in _NUMERIC
    return False


def _parse(source: str) -> Pipeline | None:
    try:
        return parse(source)
    except TemplateError:
        return None


def _list_declared_names(source: str) -> tuple[str, ...]:
    pipe = _parse(source) if source.startswith("$") else None
    return pipe.names if pipe else ()


def _choose_prefix(template_set: TemplateSet) -> str:
    """Choose a prefix for names of instrumented copies that does not occur in the chart."""
    prefix = "kubekeep "
    while any(prefix in file.source for file in template_set.files):
        prefix = f"kubekeep.{prefix}"
    return prefix


def _set_template_name(name: str, chart: str) -> str:
    """Set the name of the template, as Helm does before rendering it."""
    return f'{{{{$_ := set . "Template" (dict "Name" {_quote(name)} "BasePath" {_quote(chart + "/templates")})}}}}'


def _quote(text: str) -> str:
    """Quote a Go string. Go accepts JSON's escapes except surrogate pairs, so non-ASCII characters are not escaped."""
    return json.dumps(text, ensure_ascii=False)
