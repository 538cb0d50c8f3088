"""The object of a Dockerfile for rules, with its source map: stages, their instructions, the commands of scripts.

Variables are expanded with their defaults; a reference to a value that only a build knows stays as it is written. The
variables of ENV and ARG are lists named `env`, whose values reports mask, as those of containers.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.location import SourceMap, line_starts
from kubekeep.sources.dockerfile.arguments import NESTING, Arguments, Token
from kubekeep.sources.dockerfile.checks import check_instruction, parse_flags, split_fields
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.instructions import Instruction, split_instructions
from kubekeep.sources.dockerfile.shell import (
    ShellCommand,
    ShellWord,
    WordBudget,
    is_shell,
    runs_script,
    split_arguments,
    split_script,
)
from kubekeep.sources.dockerfile.variables import DockerfileVariables, ExpansionBudget

API_VERSION: Final = "docker.kubekeep.io/v1"
KIND: Final = "Dockerfile"
_SCRATCH: Final = "scratch"
_SIGNS_AT_LINE_END: Final = " \t\r\\`"
_PAIRS: Final = {"ENV": "env", "LABEL": "labels"}
_LISTS: Final = {"EXPOSE": "ports", "VOLUME": "paths"}
_TEXTS: Final = {"MAINTAINER": "name", "STOPSIGNAL": "signal", "USER": "user", "WORKDIR": "path"}
_WITH_COMMANDS: Final = ("RUN", "CMD", "ENTRYPOINT", "SHELL", "HEALTHCHECK")
Span = tuple[int, int]
"""Start and end index in a file."""


class DockerfileDocument(msgspec.Struct, frozen=True):
    """The object of a Dockerfile with its source map."""

    value: dict[str, Any]
    source_map: SourceMap


def build_document(text: str, name: str, *, has_ignore_file: bool | None = None) -> DockerfileDocument:
    """Return the object of a file. Raises DockerfileError with the line.

    has_ignore_file: True if a `.dockerignore` applies to its build context, None if that is unknown.
    """
    return _DocumentBuilder(text).build(name, has_ignore_file)


class _StageState:
    """A stage while its instructions are read. image: the external image that it is built on, if any."""

    def __init__(self, variables: DockerfileVariables) -> None:
        self.variables = variables
        self.image: LocatedNode | None = None
        self.is_scratch = False
        self.user: LocatedNode | None = None
        self.shell: str | None = None


class _DocumentBuilder:
    """Builder of the object of one file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._file = split_instructions(text)
        self._words = WordBudget()
        self._expansion = ExpansionBudget()
        self._globals = self._create_variables(is_open=False)
        self._globals.add_platforms()
        self._states: list[_StageState] = []
        self._numbers: dict[str, int] = {}

    def build(self, name: str, has_ignore_file: bool | None) -> DockerfileDocument:  # noqa: FBT001 - one call
        """Return the object."""
        arguments, stages = group_stages(self._file.instructions)
        first = self._locate_line(self._file.instructions[0])
        entries = {
            "apiVersion": LocatedNode(API_VERSION, first),
            "kind": LocatedNode(KIND, first),
            "metadata": LocatedNode({"name": LocatedNode(name, first)}, first, first),
        }
        if self._file.syntax:
            entries["syntax"] = LocatedNode(self._file.syntax, first)
        if has_ignore_file is not None:
            context = {"hasIgnoreFile": LocatedNode(has_ignore_file, first)}
            entries["context"] = LocatedNode(context, first, first)
        if arguments:
            declarations = [self._build_global(instruction) for instruction in arguments]
            entries["arguments"] = LocatedNode(declarations, first, first)
        nodes = [self._build_stage(stage, is_final=stage is stages[-1]) for stage in stages]
        entries["stages"] = LocatedNode(nodes, (first[0], len(self._text)), first)
        root = LocatedNode(entries, (first[0], len(self._text)))
        return DockerfileDocument(*_build_source_map(root, line_starts(self._text)))

    def _create_variables(self, *, is_open: bool) -> DockerfileVariables:
        return DockerfileVariables(self._file.escape, self._expansion, is_open=is_open)

    def _build_global(self, instruction: Instruction) -> LocatedNode:
        with _ErrorLine(instruction):
            entries = self._begin(instruction, instruction.arguments)
            entries["env"] = self._build_arguments(instruction, instruction.arguments, self._globals, None)
        return self._finish(instruction, entries)

    def _build_stage(self, stage: BuildStage, *, is_final: bool) -> LocatedNode:
        opening = stage.opening
        line = self._locate_line(opening)
        state = _StageState(self._create_variables(is_open=True))
        with _ErrorLine(opening):
            base = self._build_base(stage, state)
        entries = {"base": msgspec.structs.replace(base, key=line)}
        if stage.name:
            name = opening.arguments.words[2]
            entries["name"] = LocatedNode(stage.name, opening.text.locate(name.start, name.end))
            self._numbers[stage.name] = len(self._states)
        if is_final:
            entries["isFinal"] = LocatedNode(True, line)
        self._numbers[str(len(self._states))] = len(self._states)
        nodes = [self._build_instruction(instruction, state) for instruction in stage.instructions]
        entries["instructions"] = LocatedNode(nodes, self._locate_whole(stage.instructions, line), line)
        if state.image is not None:
            entries["image"] = state.image
        if state.is_scratch:
            entries["isScratch"] = LocatedNode(True, line)
        if state.user is not None:
            entries["user"] = state.user
        self._states.append(state)
        end = entries["instructions"].span[1]
        return LocatedNode(entries, (line[0], max(end, line[1])))

    def _build_base(self, stage: BuildStage, state: _StageState) -> LocatedNode:
        """Return the base of a stage, and set what the stage inherits from it."""
        opening = stage.opening
        word = opening.arguments.words[0]
        span = opening.text.locate(word.start, word.end)
        reference = self._globals.expand(word.text)
        entries: dict[str, LocatedNode] = {}
        number = self._numbers.get(reference.lower()) if not reference.isdecimal() else None
        if number is not None:
            base = self._states[number]
            state.variables.inherit(base.variables)
            state.image, state.is_scratch, state.user, state.shell = base.image, base.is_scratch, base.user, base.shell
            entries["stage"] = LocatedNode(number, span)
        elif reference == _SCRATCH:
            state.variables.is_open = False
            state.is_scratch = True
            entries["isScratch"] = LocatedNode(True, span)
        else:
            state.image = entries["image"] = LocatedNode(reference, span)
        for value, token in parse_flags(opening.arguments).get("platform", ()):
            platform = self._globals.expand(value)
            entries["platform"] = LocatedNode(platform, opening.text.locate(token.start, token.end))
        return LocatedNode(entries, span)

    def _build_instruction(self, instruction: Instruction, state: _StageState) -> LocatedNode:
        with _ErrorLine(instruction):
            entries = self._build_entries(instruction, instruction.arguments, state)
        return self._finish(instruction, entries)

    def _build_entries(
        self, instruction: Instruction, arguments: Arguments, state: _StageState, *, is_trigger: bool = False
    ) -> dict[str, LocatedNode]:
        """Return the fields of an instruction, and apply it to the state unless it is a trigger."""
        entries = self._begin(instruction, arguments)
        keyword = arguments.keyword.text
        if keyword == NESTING and arguments.nested is not None:
            trigger = self._build_entries(instruction, arguments.nested, state, is_trigger=True)
            entries["trigger"] = LocatedNode(trigger, self._locate_tokens(instruction, arguments.nested))
        elif keyword in _WITH_COMMANDS:
            self._add_commands(entries, instruction, arguments, state)
        elif keyword in ("ADD", "COPY"):
            self._add_files(entries, instruction, arguments, state)
        else:
            self._add_values(entries, instruction, arguments, state.variables)
        if is_trigger:
            return entries
        if keyword == "ENV":
            expand = state.variables.expand
            pairs = [(pair.name.text, pair.value.text) for pair in arguments.pairs if pair.value is not None]
            state.variables.set_values([(expand(name), expand(value)) for name, value in pairs])
        elif keyword == "USER":
            state.user = entries["user"]
        elif keyword == "SHELL":
            state.shell = arguments.words[0].text
        return entries

    def _add_values(
        self,
        entries: dict[str, LocatedNode],
        instruction: Instruction,
        arguments: Arguments,
        variables: DockerfileVariables,
    ) -> None:
        """Add the variables, labels or words of an instruction."""
        keyword = arguments.keyword.text
        if keyword == "ARG":
            entries["env"] = self._build_arguments(instruction, arguments, variables, self._globals)
        elif keyword in _PAIRS:
            entries[_PAIRS[keyword]] = self._build_pairs(instruction, arguments, variables)
        elif keyword in _LISTS:
            entries[_LISTS[keyword]] = self._build_words(instruction, arguments.words, variables.expand)
        elif keyword in _TEXTS and arguments.words:
            expand = str if keyword == "MAINTAINER" else variables.expand
            entries[_TEXTS[keyword]] = self._build_word(instruction, arguments.words[0], expand)

    def _begin(self, instruction: Instruction, arguments: Arguments) -> dict[str, LocatedNode]:
        keyword = arguments.keyword
        span = instruction.text.locate(keyword.start, keyword.end)
        end = self._cut(span[0], self._locate_tokens(instruction, arguments)[1])
        line = instruction.first_line
        return {"instruction": LocatedNode(keyword.text, span, (span[0], end)), "line": LocatedNode(line, span)}

    def _finish(self, instruction: Instruction, entries: dict[str, LocatedNode]) -> LocatedNode:
        return LocatedNode(entries, self._locate_tokens(instruction, instruction.arguments))

    def _locate_tokens(self, instruction: Instruction, arguments: Arguments) -> Span:
        return instruction.text.locate(arguments.keyword.start, max(len(instruction.text.text.rstrip()), 1))

    def _locate_line(self, instruction: Instruction) -> Span:
        """Return the span of an instruction in its first line."""
        start, end = self._locate_tokens(instruction, instruction.arguments)
        return start, self._cut(start, end)

    def _locate_whole(self, instructions: Sequence[Instruction], default: Span) -> Span:
        if not instructions:
            return default
        first, last = (self._locate_tokens(entry, entry.arguments) for entry in (instructions[0], instructions[-1]))
        return first[0], last[1]

    def _cut(self, start: int, end: int) -> int:
        """Return `end`, or the end of the line of `start` if it precedes that."""
        at = self._text.find("\n", start, end)
        end = end if at < 0 else at
        while end > start + 1 and self._text[end - 1] in _SIGNS_AT_LINE_END:
            end -= 1
        return end

    def _build_word(self, instruction: Instruction, token: Token, expand: Callable[[str], str]) -> LocatedNode:
        return LocatedNode(expand(token.text), instruction.text.locate(token.start, token.end))

    def _build_words(
        self, instruction: Instruction, tokens: Sequence[Token], expand: Callable[[str], str]
    ) -> LocatedNode:
        nodes = [self._build_word(instruction, token, expand) for token in tokens]
        span = (nodes[0].span[0], nodes[-1].span[1]) if nodes else self._locate_line(instruction)
        return LocatedNode(nodes, span, span)

    def _build_pairs(
        self, instruction: Instruction, arguments: Arguments, variables: DockerfileVariables
    ) -> LocatedNode:
        nodes = []
        for pair in arguments.pairs:
            entries = {"name": self._build_word(instruction, pair.name, variables.expand)}
            if pair.value is not None:
                entries["value"] = self._build_word(instruction, pair.value, variables.expand)
            end = pair.value or pair.name
            nodes.append(LocatedNode(entries, instruction.text.locate(pair.name.start, end.end)))
        span = nodes[0].span[0], nodes[-1].span[1]
        return LocatedNode(nodes, span, span)

    def _build_arguments(
        self,
        instruction: Instruction,
        arguments: Arguments,
        variables: DockerfileVariables,
        defaults: DockerfileVariables | None,
    ) -> LocatedNode:
        nodes = []
        for pair in arguments.pairs:
            entries = {"name": self._build_word(instruction, pair.name, str)}
            value = variables.declare(pair, defaults)
            if pair.value is not None:
                span = instruction.text.locate(pair.value.start, pair.value.end)
                entries["value"] = LocatedNode(value or "", span)
            end = pair.value or pair.name
            nodes.append(LocatedNode(entries, instruction.text.locate(pair.name.start, end.end)))
        span = nodes[0].span[0], nodes[-1].span[1]
        return LocatedNode(nodes, span, span)

    def _add_flags(
        self, entries: dict[str, LocatedNode], instruction: Instruction, arguments: Arguments, skipped: str = ""
    ) -> None:
        """Add the flags with their values, as they are written."""
        nodes: dict[str, LocatedNode] = {}
        for name, values in parse_flags(arguments).items():
            value, token = values[0]
            if name != skipped:
                nodes[name] = LocatedNode(value or "true", instruction.text.locate(token.start, token.end))
        if nodes:
            span = next(iter(nodes.values())).span
            entries["flags"] = LocatedNode(nodes, span, span)

    def _add_files(
        self, entries: dict[str, LocatedNode], instruction: Instruction, arguments: Arguments, state: _StageState
    ) -> None:
        expand = state.variables.expand
        names = {entry.name for entry in instruction.heredocs}
        sources = [token for token in arguments.words[:-1] if token.text.partition("<<")[2].strip("-'\"") not in names]
        entries["sources"] = self._build_words(instruction, sources, expand)
        entries["destination"] = self._build_word(instruction, arguments.words[-1], expand)
        self._add_flags(entries, instruction, arguments, "from")
        for value, token in parse_flags(arguments).get("from", ()):
            entries["from"] = self._build_origin(value, instruction.text.locate(token.start, token.end))

    def _build_origin(self, reference: str, span: Span) -> LocatedNode:
        """Return the stage or the image that files are copied from."""
        number = self._numbers.get(reference.lower())
        entry = {"image": LocatedNode(reference, span)} if number is None else {"stage": LocatedNode(number, span)}
        return LocatedNode(entry, span, span)

    def _add_commands(
        self, entries: dict[str, LocatedNode], instruction: Instruction, arguments: Arguments, state: _StageState
    ) -> None:
        words = arguments.words
        keyword = arguments.keyword.text
        if keyword == "HEALTHCHECK":
            if words[0].text.upper() == "NONE":
                entries["form"] = self._build_word(instruction, words[0], str.lower)
                return
            words = words[1:]
        span = instruction.text.locate(words[0].start, words[-1].end) if words else self._locate_line(instruction)
        entries["form"] = LocatedNode("exec" if arguments.is_exec else "shell", span)
        if not arguments.is_exec and words:
            entries["text"] = self._build_word(instruction, words[0], str)
        commands = self._list_commands(instruction, arguments, words, state)
        entries["commands"] = LocatedNode(commands, span, span)
        if keyword == "RUN":
            mounts = [
                self._build_mount(value, instruction.text.locate(token.start, token.end))
                for value, token in parse_flags(arguments).get("mount", ())
            ]
            if mounts:
                entries["mounts"] = LocatedNode(mounts, mounts[0].span, mounts[0].span)
            self._add_flags(entries, instruction, arguments, "mount")

    def _build_mount(self, value: str, span: Span) -> LocatedNode:
        """Return the fields of a mount; a field without a value is true."""
        pairs = [field.partition("=") for field in split_fields(value)]
        fields = {name.lower(): LocatedNode(text if sign else "true", span) for name, sign, text in pairs}
        fields.setdefault("type", LocatedNode("bind", span))
        if "from" in fields:
            fields["from"] = self._build_origin(str(fields["from"].value), span)
        return LocatedNode(fields, span)

    def _list_commands(
        self, instruction: Instruction, arguments: Arguments, words: Sequence[Token], state: _StageState
    ) -> list[LocatedNode]:
        """Return the commands of an instruction; none for a script of a shell that is no POSIX shell."""
        text = instruction.text
        if arguments.is_exec:
            line = [ShellWord(word.text, word.start, word.end) for word in words]
            return self._build_commands(split_arguments(line, self._words), text.locate)
        is_posix = self._file.escape == "\\" if state.shell is None else is_shell(state.shell)
        if not words or not is_posix:
            return []
        offset = words[0].start
        commands = split_script(words[0].text, self._words)
        nodes = self._build_commands(commands, lambda start, end: text.locate(start + offset, end + offset))
        if arguments.takes_heredocs and (not commands or any(map(runs_script, commands))):
            nodes += self._list_heredoc_commands(instruction)
        return nodes

    def _list_heredoc_commands(self, instruction: Instruction) -> Iterable[LocatedNode]:
        for heredoc in instruction.heredocs:
            shebang = heredoc.content.partition("\n")[0]
            words = shebang.removeprefix("#!").split()
            if shebang.startswith("#!") and not any(map(is_shell, words[:2])):
                continue
            start = heredoc.start
            commands = split_script(heredoc.content, self._words)
            yield from self._build_commands(
                commands,
                lambda first, last, start=start: (first + start, last + start),  # type: ignore[misc]
            )

    def _build_commands(
        self, commands: Iterable[ShellCommand], locate: Callable[[int, int], Span]
    ) -> list[LocatedNode]:
        nodes = []
        for command in commands:
            words = [LocatedNode(word.text, locate(word.start, word.end)) for word in command.words]
            start, end = words[0].span[0], max(word.span[1] for word in words)
            line = start, self._cut(start, end)
            entries = {
                "command": LocatedNode(words, (start, end), line),
                "program": LocatedNode(command.program, line),
                "programAt": LocatedNode(command.program_at, line),
            }
            if command.readers:
                readers = [LocatedNode(reader, line) for reader in command.readers]
                entries["readers"] = LocatedNode(readers, line, line)
            nodes.append(LocatedNode(entries, (start, end)))
        return nodes


class _ErrorLine:
    """Adds the line of an instruction to errors."""

    def __init__(self, instruction: Instruction) -> None:
        self._number = instruction.first_line

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, DockerfileError) and not error.line:
            error.line = self._number


class BuildStage(msgspec.Struct, frozen=True):
    """A stage: its FROM, its name in lower case, and the instructions after it."""

    opening: Instruction
    name: str
    instructions: tuple[Instruction, ...]

    @property
    def base(self) -> str:
        """The base as it is written."""
        return self.opening.arguments.words[0].text

    @property
    def platform(self) -> str:
        """The flag `--platform` as it is written, empty without one."""
        return parse_flags(self.opening.arguments).get("platform", [("", None)])[0][0]


def group_stages(instructions: Sequence[Instruction]) -> tuple[tuple[Instruction, ...], tuple[BuildStage, ...]]:
    """Return the ARG instructions before the first stage, and the stages. Raises DockerfileError."""
    arguments: list[Instruction] = []
    stages: list[tuple[Instruction, list[Instruction]]] = []
    for instruction in instructions:
        keyword = instruction.arguments.keyword.text
        try:
            check_instruction(instruction.arguments)
        except DockerfileError as error:
            raise DockerfileError(str(error), instruction.first_line) from None
        if keyword == "FROM":
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif keyword == "ARG":
            arguments.append(instruction)
        else:
            raise DockerfileError(f"{keyword} precedes the first FROM", instruction.first_line)
    if not stages:
        raise DockerfileError("the file has no FROM", instructions[-1].last_line)
    return tuple(arguments), tuple(
        BuildStage(opening, _get_stage_name(opening), tuple(following)) for opening, following in stages
    )


def _get_stage_name(opening: Instruction) -> str:
    words = opening.arguments.words
    return words[2].text.lower() if len(words) > 1 else ""


class LocatedNode(msgspec.Struct, frozen=True):
    """A scalar, a mapping or a list with its span in the file. key: span that stands for a collection of a mapping."""

    value: str | int | bool | dict[str, LocatedNode] | list[LocatedNode]
    span: Span
    key: Span | None = None


def _build_source_map(node: LocatedNode, lines: array[int]) -> tuple[Any, SourceMap]:
    """Return the plain value and its source map. lines: start of each line of the file."""
    numbers = array("I")
    return _add_node(node, numbers), SourceMap(numbers, lines)


def _add_node(node: LocatedNode, numbers: array[int]) -> Any:
    at = len(numbers)
    numbers.extend((*node.span, 0))
    plain: Any = node.value
    if isinstance(node.value, dict):
        plain = {}
        for key, child in node.value.items():
            numbers.extend((*(child.key or child.span), 1))
            plain[key] = _add_node(child, numbers)
    elif isinstance(node.value, list):
        plain = [_add_node(child, numbers) for child in node.value]
    numbers[at + 2] = (len(numbers) - at) // 3
    return plain
