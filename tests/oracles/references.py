"""Answers of reference programs for tests: recorded ones, or those of the program itself. Never judges an answer.

The options of pytest are in `plugin.py`. Programs run in a temporary folder with copies of their files, so that no path
of the machine is part of a case.
"""

from __future__ import annotations

import enum
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from tests.oracles.answers import Answer, AnswerFile, Case, locate_answers, read_answers, write_answers
from tests.oracles.program import REFERENCES, program

_SECONDS: Final = 300
_CONTEXT: Final = 200
"""Characters of an output that a message shows before and after a difference."""
_ROOT: Final = Path(__file__).parents[2]


class Mode(enum.StrEnum):
    """Origin of answers. COMPARE runs the program and requires the recorded answer."""

    RECORDED = "recorded"
    RECORD = "record"
    COMPARE = "compare"


class AnswerError(AssertionError):
    """An answer that is not recorded, was given by another version of the program, or differs from the program's."""


class ProgramError(RuntimeError):
    """A reference program that failed."""


class References:
    """The answers that the tests of one process get. `module` is the module of the running test."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.module: Path | None = None
        self.answers: dict[Path, dict[Case, Answer]] = {}
        self._files: dict[Path, AnswerFile] = {}

    def get(
        self, name: str, arguments: Sequence[str], stdin: bytes, inputs: Mapping[str, Path], outputs: Sequence[str]
    ) -> Answer:
        if self.module is None:
            raise AnswerError("Answers of reference programs are for tests: no test is running.")
        case = Case(name, _compute_digest(arguments, stdin, inputs, outputs))
        if self.mode is Mode.RECORDED:
            answer = self._get_recorded(self.module, case)
        else:
            answer = _run(name, arguments, stdin, inputs, outputs)
        if self.mode is Mode.COMPARE and answer != (recorded := self._get_recorded(self.module, case)):
            raise AnswerError(
                f"{name} gives another answer than the one in {_describe(self.module)}: "
                f"{_describe_difference(recorded, answer)}"
            )
        if self.answers.setdefault(self.module, {}).setdefault(case, answer) != answer:
            raise AnswerError(f"{name} gives two answers to one case: they cannot be recorded.")
        return answer

    def _get_recorded(self, module: Path, case: Case) -> Answer:
        if module not in self._files:
            self._files[module] = read_answers(locate_answers(module))
        file = self._files[module]
        if case not in file.answers:
            raise AnswerError(f"{_describe(module)} has no answer of {case.program} to this case. {_advise(module)}")
        if file.versions[case.program] != REFERENCES[case.program].version:
            raise AnswerError(
                f"{_describe(module)} has answers of another version of {case.program}. {_advise(module)}"
            )
        return file.answers[case]


class _State(msgspec.Struct):
    references: References | None = None


_STATE: Final = _State()


def start(mode: Mode) -> References:
    """Return the answers for the tests of this process."""
    _STATE.references = References(mode)
    return _STATE.references


def get_answer(
    name: str,
    *arguments: str,
    stdin: str | bytes = b"",
    inputs: Mapping[str, Path] | None = None,
    outputs: Sequence[str] = (),
    may_fail: bool = False,
) -> Answer:
    """Return the answer of a reference program to a case.

    inputs: files and folders that the program reads, by their names in its working folder. outputs: files that it writes
    there. Raises ProgramError if the program fails, unless it may.
    """
    if _STATE.references is None:
        raise AnswerError("Answers of reference programs are for tests: pytest is not running.")
    content = stdin.encode() if isinstance(stdin, str) else stdin
    answer = _STATE.references.get(name, arguments, content, inputs or {}, outputs)
    if answer.code and not may_fail:
        raise ProgramError(f"{name} failed with exit code {answer.code}: {answer.stderr}")
    return answer


def record(module: Path, answers: Mapping[Case, Answer], *, is_complete: bool) -> None:
    """Write the answers to the cases of a module; without a complete run of its tests, beside those of other cases."""
    file = locate_answers(module)
    versions = {name: reference.version for name, reference in REFERENCES.items()}
    previous = AnswerFile() if is_complete else read_answers(file)
    kept = {
        case: answer
        for case, answer in previous.answers.items()
        if previous.versions[case.program] == versions.get(case.program)
    }
    write_answers(file, AnswerFile(versions, kept | dict(answers)))


def describe_unused(module: Path, used: set[Case]) -> str | None:
    """Return a message about recorded answers that no test of a module used, None if there are none."""
    unused = read_answers(locate_answers(module)).answers.keys() - used
    if not unused:
        return None
    names = ", ".join(sorted({case.program for case in unused}))
    return f"{_describe(module)}: no test used {len(unused)} answers of {names}. {_advise(module)}"


def _run(
    name: str, arguments: Sequence[str], stdin: bytes, inputs: Mapping[str, Path], outputs: Sequence[str]
) -> Answer:
    executable = program(name)
    with tempfile.TemporaryDirectory() as folder:
        for target, source in inputs.items():
            path = Path(folder) / target
            path.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, path, symlinks=True)
            else:
                shutil.copyfile(source, path)
        process = subprocess.run(
            [executable, *arguments], cwd=folder, input=stdin, capture_output=True, check=False, timeout=_SECONDS
        )
        stderr = process.stderr.decode() if process.returncode else ""
        files = {output: (Path(folder) / output).read_bytes() for output in outputs}
    return Answer(process.returncode, process.stdout.decode(), stderr, files)


def _compute_digest(arguments: Sequence[str], stdin: bytes, inputs: Mapping[str, Path], outputs: Sequence[str]) -> str:
    digest = hashlib.sha256()
    files = [entry for name, path in sorted(inputs.items()) for entry in _list_content(name, path)]
    for parts in ([argument.encode() for argument in arguments], [stdin], files, [name.encode() for name in outputs]):
        digest.update(f"{len(parts)}\n".encode())
        for part in parts:
            digest.update(f"{len(part)}\n".encode() + part)
    return digest.hexdigest()[:32]


def _list_content(name: str, path: Path) -> Iterator[bytes]:
    """Yield the names and contents of a file, or of everything in a folder."""
    if not path.is_dir():
        yield from (name.encode(), path.read_bytes())
        return
    for entry in sorted(path.rglob("*")):
        yield f"{name}/{entry.relative_to(path).as_posix()}".encode()
        if entry.is_symlink():
            yield f"-> {entry.readlink()}".encode()
        else:
            yield b"" if entry.is_dir() else entry.read_bytes()


def _describe_difference(recorded: Answer, answer: Answer) -> str:
    """Return the part of the output from the first difference on, or the other parts that differ."""
    if recorded.stdout == answer.stdout:
        return ", ".join(name for name in Answer.__struct_fields__ if getattr(recorded, name) != getattr(answer, name))
    pairs = enumerate(zip(recorded.stdout, answer.stdout, strict=False))
    shorter = min(len(recorded.stdout), len(answer.stdout))
    start = next((position for position, (one, other) in pairs if one != other), shorter)
    shown = slice(max(start - _CONTEXT, 0), start + _CONTEXT)
    return f"{answer.stdout[shown]!r} instead of {recorded.stdout[shown]!r} at character {start} of the output"


def _describe(module: Path) -> str:
    file = locate_answers(module)
    return (file.relative_to(_ROOT) if file.is_relative_to(_ROOT) else file).as_posix()


def _advise(module: Path) -> str:
    name = (module.relative_to(_ROOT) if module.is_relative_to(_ROOT) else module).as_posix()
    return f"Record the answers and review them: scripts/test {name} --references record"
