"""Commands of a shell script in a Dockerfile: words without quotes, and the programs that read the output.

Splits a script as a POSIX shell does, as far as rules need it: lists, pipes, quotes, substitutions, redirections and
`sh -c`. Expands no variables, and never fails: a script with a syntax error has the commands before the error. The
parser `bashlex` has a licence that this project cannot use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

_MAX_DEPTH: Final = 8
_MAX_READERS: Final = 10
MAX_WORDS: Final = 20_000
"""Number of words of all scripts of a file."""
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "busybox"})
_RESERVED: Final = frozenset(
    ("if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "{", "}", "!", "time")
)
_LOOPS: Final = frozenset({"for", "case", "select", "function"})
"""Words that no command follows directly."""
_WRAPPERS: Final = frozenset(
    (
        "sudo",
        "doas",
        "env",
        "exec",
        "nohup",
        "xargs",
        "command",
        "nice",
        "ionice",
        "timeout",
        "gosu",
        "su-exec",
        "setpriv",
    )
)
"""Programs that run the program in their arguments."""
_OPTIONS_WITH_VALUE: Final = frozenset(
    ("-u", "-g", "-h", "-n", "-I", "-P", "-L", "-s", "-k", "-c", "--user", "--group")
)
_USER_FIRST: Final = frozenset(("gosu", "su-exec", "timeout"))
"""Wrappers with one argument before the program."""
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
_NUMBER: Final = re.compile(r"[0-9]+")
_PLAIN: Final = re.compile(r"[^\s'\"\\$`;&|()<>#]+")
_BLANKS: Final = re.compile(r"(?:[ \t\r\v\f]|\\\r?\n)+")
_QUOTED: Final = re.compile(r"[^\"\\`$]+")
_SHELL_OPTION: Final = re.compile(r"-[a-zA-Z]*c")


class ShellWord(msgspec.Struct, frozen=True, gc=False):
    """A word without quotes, with its start and end index in the script."""

    text: str
    start: int
    end: int


class ShellCommand(msgspec.Struct):
    """A command with its words, the index of its program among them, and the programs that read its output.

    group: the commands of a subshell, which has no words.
    """

    words: list[ShellWord]
    program_at: int
    readers: list[str] = []
    group: tuple[ShellCommand, ...] = ()

    @property
    def program(self) -> str:
        """The name of the program without its folder; empty if there is none."""
        return _get_name(self.words[self.program_at].text) if self.program_at < len(self.words) else ""


class WordBudget:
    """Number of words that may still be read."""

    def __init__(self) -> None:
        self.remaining = MAX_WORDS


def split_script(text: str, budget: WordBudget) -> list[ShellCommand]:
    """Return the commands of a script in the order in which they begin."""
    reader = _ScriptReader(text, budget)
    reader.read_list("", ())
    return sorted((command for command in reader.commands if command.words), key=lambda command: command.words[0].start)


def split_arguments(words: list[ShellWord], budget: WordBudget) -> list[ShellCommand]:
    """Return the commands of a command line in exec form: itself, and those of the script of `sh -c`."""
    reader = _ScriptReader("", budget)
    reader.add(words, ())
    return reader.commands


def runs_script(command: ShellCommand) -> bool:
    """Return True for a shell that reads its script from standard input."""
    return command.program in _SHELLS and not any(
        _SHELL_OPTION.fullmatch(word.text) for word in command.words[command.program_at + 1 :]
    )


def is_shell(program: str) -> bool:
    """Return True for the path of a POSIX shell."""
    return _get_name(program) in _SHELLS


def _get_name(program: str) -> str:
    return "" if program.startswith(("$", "`")) else program.rpartition("/")[2]


class _ScriptReader:
    """Reader of one script. commands: as they end."""

    def __init__(self, text: str, budget: WordBudget, depth: int = 0) -> None:
        self.commands: list[ShellCommand] = []
        self._text = text
        self._budget = budget
        self._at = 0
        self._depth = depth

    def read_list(self, end: str, readers: tuple[str, ...]) -> None:
        """Read commands up to a closing character. readers: programs that read the output of all of them."""
        self._depth += 1
        pipeline: list[ShellCommand] = []
        while self._at < len(self._text) and self._budget.remaining > 0:
            self._budget.remaining -= 1
            pipeline.append(self._read_command(end))
            sign = self._text[self._at : self._at + 1]
            is_pipe = sign == "|" and self._text[self._at + 1 : self._at + 2] != "|"
            if not is_pipe or not sign:
                _connect(pipeline, readers)
                pipeline = []
            self._at += 2 if self._text[self._at : self._at + 2] in ("&&", "||", ";;", "|&") else 1
            if end and sign == end:
                break
        _connect(pipeline, readers)
        self._depth -= 1

    def add(self, words: list[ShellWord], nested: tuple[ShellCommand, ...]) -> ShellCommand:
        """Add a command with the commands whose output it gets by substitution, and those of `sh -c`."""
        while words and words[0].text in _RESERVED:
            words = words[1:]
        if words and words[0].text in _LOOPS:
            words = []
        program_at = _find_program(words)
        if not words:
            return ShellCommand([], 0, [], nested)
        command = ShellCommand(words, program_at, [])
        self.commands.append(command)
        for inner in nested:
            inner.readers.append(command.program)
        if command.program in _SHELLS:
            self._read_script_argument(words[program_at + 1 :])
        elif command.program == "eval":
            self._read_nested(ShellWord(" ".join(word.text for word in words[1:]), words[0].start, words[-1].end))
        return command

    def _read_script_argument(self, arguments: list[ShellWord]) -> None:
        for number, word in enumerate(arguments[:-1]):
            if _SHELL_OPTION.fullmatch(word.text):
                self._read_nested(arguments[number + 1])
                return

    def _read_nested(self, script: ShellWord) -> None:
        """Read a script in a word; its words have the position of the whole."""
        if self._depth >= _MAX_DEPTH:
            return
        inner = _ScriptReader(script.text, self._budget, self._depth + 1)
        inner.read_list("", ())
        # Substitutions in the word are read already.
        known: set[tuple[str, ...]] = set()
        for command in reversed(self.commands[:-1]):
            if command.words[0].start < script.start:
                break
            known.add(tuple(word.text for word in command.words))
        for command in inner.commands:
            texts = tuple(word.text for word in command.words)
            if texts in known or texts[0].startswith(("$(", "`")):
                continue
            words = [ShellWord(word.text, script.start, script.end) for word in command.words]
            self.commands.append(ShellCommand(words, command.program_at, command.readers))

    def _read_command(self, end: str) -> ShellCommand:
        """Read a command up to its separator, which stays."""
        words: list[ShellWord] = []
        nested: list[ShellCommand] = []
        is_target = False
        while self._at < len(self._text) and self._budget.remaining > 0:
            if blanks := _BLANKS.match(self._text, self._at):
                self._at = blanks.end()
                continue
            character = self._text[self._at]
            if character in ("\n", ";", "&", "|", ")", end):
                break
            if character == "#":
                self._skip_comment()
            elif character == "(":
                self._at += 1
                if words:
                    continue  # the brackets of a function
                self._read_inner(")", nested)
            elif character in "<>":
                is_target = self._read_redirection(nested)
            else:
                word = self._read_word(nested, end)
                is_descriptor = self._text[self._at : self._at + 1] in ("<", ">") and _NUMBER.fullmatch(word.text)
                if not is_target and not is_descriptor:
                    words.append(word)
                is_target = False
        return self.add(words, tuple(nested))

    def _skip_comment(self) -> None:
        at = self._text.find("\n", self._at)
        self._at = at if at >= 0 else len(self._text)

    def _read_redirection(self, nested: list[ShellCommand]) -> bool:
        """Read the sign of a redirection or a process substitution; return True if the next word is a file."""
        if self._text.startswith(("<(", ">("), self._at):
            self._at += 2
            self._read_inner(")", nested)
            return False
        while self._text[self._at : self._at + 1] in ("<", ">", "&", "-"):
            self._at += 1
        return True

    def _read_inner(self, end: str, nested: list[ShellCommand]) -> None:
        """Read the commands of a substitution."""
        count = len(self.commands)
        if self._depth >= _MAX_DEPTH:
            at = self._text.find(end, self._at)
            self._at = at + 1 if at >= 0 else len(self._text)
            return
        self.read_list(end, ())
        nested += self.commands[count:]

    def _read_word(self, nested: list[ShellCommand], end: str) -> ShellWord:
        start = self._at
        parts: list[str] = []
        while self._at < len(self._text):
            if plain := _PLAIN.match(self._text, self._at):
                parts.append(plain[0])
                self._at = plain.end()
                continue
            character = self._text[self._at]
            if character.isspace() or character in ";&|()<>" or character == end:
                break
            parts.append(self._read_part(character, nested))
        self._budget.remaining -= 1
        return ShellWord("".join(parts), start, self._at)

    def _read_part(self, character: str, nested: list[ShellCommand]) -> str:
        """Read a quoted part of a word, an escape, a substitution or one character."""
        start = self._at
        self._at += 1
        if character == "'":
            at = self._text.find("'", self._at)
            self._at = at + 1 if at >= 0 else len(self._text)
            return self._text[start + 1 : self._at - 1]
        if character == '"':
            return self._read_double_quotes(nested)
        if character == "\\":
            escaped = self._text[self._at : self._at + 1]
            self._at += 1
            return "" if escaped == "\n" else escaped
        if character == "`":
            self._read_inner("`", nested)
            return self._text[start : self._at]
        if character == "$":
            return self._read_dollar(start, nested)
        return character

    def _read_double_quotes(self, nested: list[ShellCommand]) -> str:
        parts: list[str] = []
        while self._at < len(self._text):
            start = self._at
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                break
            if character == "\\":
                escaped = self._text[self._at : self._at + 1]
                self._at += 1
                parts.append("" if escaped == "\n" else escaped if escaped in '"\\$`' else character + escaped)
            elif character == "`":
                self._read_inner("`", nested)
                parts.append(self._text[start : self._at])
            elif character == "$":
                parts.append(self._read_dollar(start, nested))
            else:
                stop = _QUOTED.match(self._text, self._at)
                self._at = stop.end() if stop else self._at
                parts.append(self._text[start : self._at])
        return "".join(parts)

    def _read_dollar(self, start: int, nested: list[ShellCommand]) -> str:
        """Read `$(...)`, `${...}` or a name, and return it as it is written."""
        if self._text.startswith("((", self._at):
            at = self._text.find("))", self._at)
            self._at = at + 2 if at >= 0 else len(self._text)
        elif self._text.startswith("(", self._at):
            self._at += 1
            self._read_inner(")", nested)
        elif self._text.startswith("{", self._at):
            at = self._text.find("}", self._at)
            self._at = at + 1 if at >= 0 else len(self._text)
        return self._text[start : self._at]


def _connect(pipeline: list[ShellCommand], readers: tuple[str, ...]) -> None:
    """Add the programs of a pipeline to the readers of the commands before them."""
    following = list(readers)
    for command in reversed(pipeline):
        for inner in command.group:
            inner.readers = [*inner.readers, *following][:_MAX_READERS]
        if not command.words:
            continue
        command.readers = [*command.readers, *following]
        following = [command.program, *following[:_MAX_READERS]]


def _find_program(words: list[ShellWord]) -> int:
    """Return the index of the program: after assignments and after programs that run another one."""
    at = 0
    wrapper = ""
    while at < len(words):
        text = words[at].text
        name = _get_name(text)
        if _ASSIGNMENT.match(text):
            at += 1
        elif wrapper and text.startswith("-"):
            at += 2 if text in _OPTIONS_WITH_VALUE else 1
        elif name in _WRAPPERS:
            wrapper = name
            at += 2 if name in _USER_FIRST else 1
        else:
            return at
    return at


FindPosition = Callable[[int, int], tuple[int, int]]
"""Function that returns the start and end index in the file of a part of a script."""
