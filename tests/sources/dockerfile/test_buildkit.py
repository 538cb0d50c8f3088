"""The reader against BuildKit's own: the same instructions, arguments, heredocs and lines, and errors at the same line."""

from __future__ import annotations

import json
import random
from typing import Any, Final

from kubekeep.sources.dockerfile.arguments import Arguments
from kubekeep.sources.dockerfile.checks import KEYWORDS
from kubekeep.sources.dockerfile.document import group_stages
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.instructions import Instruction, split_instructions
from kubekeep.sources.dockerfile.words import expand_known
from tests.oracles.references import get_answer
from tests.sources.dockerfile.corpus import FILES, generate

CHANGED: Final = tuple(generate(900, 1))
WORDS: Final = (
    "a${X}b$Y $Z",
    "${X:-d}${U:-d}${E:-d}${E-d}${U-}",
    "${X:+d}${U:+d}${E:+d}${E+d}",
    '"${X}" \'${X}\' \\$X "\\$X\\a\\""',
    "${P#*/}${P##*/}${P%/*}${P%%/*}",
    "${P/a/b}${P//a/b}${P//[a]/b}${P/\\//_}${P//?/x}${P//*/y}",
    "${X:?no}",
    "${U:?no}",
    "${E?no}",
    "${X",
    "${}",
    "${X:}",
    "${X:#a}",
    "$1$@$?${1}$",
    "${U:-${X:-a}b}c",
    "${P%a?c}${P#\\*}",
    "'a",
    '"a\\',
)
VARIABLES: Final = {"X": "x y", "Y": "1", "E": "", "P": "/a/b*c/abc.tar.gz", "Z": "z"}


def ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = json.loads(get_answer("dockerfile", stdin=json.dumps(questions)).stdout)
    return answers


def list_words(arguments: Arguments) -> list[str]:
    """Return the arguments in the form of BuildKit."""
    if arguments.nested is not None:
        # BuildKit gives an unknown instruction an empty argument, and checks it when an image with it is a base.
        is_known = arguments.nested.keyword.text in KEYWORDS
        return [arguments.nested.keyword.text, *(list_words(arguments.nested) if is_known else [""])]
    if arguments.keyword.text == "ARG":
        return [
            pair.name.text if pair.value is None else f"{pair.name.text}={pair.value.text}" for pair in arguments.pairs
        ]
    words = [word.text for word in arguments.words]
    for pair in arguments.pairs:
        words += [pair.name.text, pair.value.text if pair.value else ""]
    return words


def normalise(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an instruction of BuildKit without the signs between names and values, and its keywords in upper case."""
    words = answer["args"]
    start = 1 if answer["keyword"] == "ONBUILD" else 0
    keyword = words[0].upper() if start and words else answer["keyword"]
    if start and words:
        words = [keyword, *words[1:]]
    if keyword in ("ENV", "LABEL"):
        words = [*words[:start], *(word for number, word in enumerate(words[start:]) if number % 3 != 2)]
    return {**answer, "args": words, "heredocs": answer["heredocs"] or []}


def describe(instruction: Instruction) -> dict[str, Any]:
    arguments = instruction.arguments
    return {
        "keyword": arguments.keyword.text,
        "flags": [flag.text for flag in arguments.flags],
        "args": list_words(arguments),
        "json": arguments.is_exec,
        "heredocs": [
            {"name": entry.name, "content": entry.content, "expand": entry.expands, "chomp": entry.strips_tabs}
            for entry in instruction.heredocs
        ],
        "start": instruction.first_line,
        "end": instruction.last_line,
    }


def read(text: str) -> dict[str, Any]:
    try:
        instructions = split_instructions(text.removeprefix("\ufeff")).instructions
        _, stages = group_stages(instructions)
    except DockerfileError as error:
        return {"error": str(error), "line": error.line}
    return {
        "instructions": [describe(instruction) for instruction in instructions],
        "stages": [
            {"base": stage.base, "name": stage.name, "platform": stage.platform, "count": len(stage.instructions)}
            for stage in stages
        ],
    }


def test_same_instructions() -> None:
    files = [*FILES, *CHANGED]
    answers = ask([{"file": text} for text in files])
    valid = 0
    for text, expected in zip(files, answers, strict=True):
        actual = read(text)
        assert ("error" in actual) == ("error" in expected), (text, actual, expected)
        if "error" not in expected:
            valid += 1
            expected["instructions"] = [normalise(entry) for entry in expected["instructions"]]
            assert actual == expected, text
        elif expected.get("line"):
            assert actual["line"], (text, actual, expected)
    assert 200 < valid < len(files) - 200


def test_same_expansion() -> None:
    source = random.Random(2)
    alphabet = [*"$${}:-+?#%/\\\"'ab X", "${X", "${P", "$E", "*"]
    generated = ["".join(source.choice(alphabet) for _ in range(source.randint(1, 14))) for _ in range(3000)]
    words = [(word, escape) for word in (*WORDS, *generated) for escape in ("\\", "`")]
    answers = ask([{"word": word, "escape": escape, "env": VARIABLES} for word, escape in words])
    for (word, escape), expected in zip(words, answers, strict=True):
        try:
            actual = {"word": expand_known(word, VARIABLES, escape)}
        except DockerfileError:
            assert "error" in expected, (word, escape, expected)
        else:
            assert actual == expected, (word, escape)
