"""Edits of Dockerfiles: keywords and words of commands, each with the other instructions unchanged."""

from __future__ import annotations

import pytest

from kubekeep.fixes.edits.change import ABSENT, Change
from kubekeep.fixes.edits.dockerfile import DockerfileEditText
from kubekeep.fixes.edits.text import edit
from kubekeep.model.location import parse_path


def change(text: str, *paths: str) -> tuple[str, dict[int, str]]:
    """Set keywords to COPY and remove words; return the text and the reasons of refused changes."""
    changes = [Change(0, parse_path(path), "COPY" if path.endswith("instruction") else ABSENT) for path in paths]
    result = edit(DockerfileEditText(text), changes)
    return result.text, result.refused


COMMAND = "stages[0].instructions[0].commands[0].command"


@pytest.mark.parametrize(
    ("text", "paths", "expected"),
    [
        ("FROM a\nADD b c\n", ["stages[0].instructions[0].instruction"], "FROM a\nCOPY b c\n"),
        ("from a\n  add b c", ["stages[0].instructions[0].instruction"], "from a\n  copy b c"),
        ("FROM a\nONBUILD ADD b c\n", ["stages[0].instructions[0].trigger.instruction"], "FROM a\nONBUILD COPY b c\n"),
        ("FROM a\nRUN curl -k x\n", [f"{COMMAND}[1]"], "FROM a\nRUN curl x\n"),
        ("FROM a\nRUN curl x \\\n  -k\n", [f"{COMMAND}[2]"], "FROM a\nRUN curl x \\\n\n"),
        ("FROM a\nRUN curl \\\n  -k \\\n  x\n", [f"{COMMAND}[1]"], "FROM a\nRUN curl \\\n  x\n"),
        ("FROM a\r\nRUN curl -k x\r\n", [f"{COMMAND}[1]"], "FROM a\r\nRUN curl x\r\n"),
        ("FROM a\nRUN <<E\ncurl -k x\nE\n", [f"{COMMAND}[1]"], "FROM a\nRUN <<E\ncurl x\nE\n"),
        (
            "FROM a\nRUN curl -k x && wget --no-check-certificate y\n",
            [f"{COMMAND}[1]", "stages[0].instructions[0].commands[1].command[1]"],
            "FROM a\nRUN curl x && wget y\n",
        ),
    ],
)
def test_edit(text: str, paths: list[str], expected: str) -> None:
    assert change(text, *paths) == (expected, {})


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('FROM a\nRUN ["curl", "-k", "x"]\n', f"{COMMAND}[1]"),
        ('FROM a\nRUN curl "-k" x\n', f"{COMMAND}[1]"),
        ("FROM a\nRUN sh -c 'curl -k x'\n", "stages[0].instructions[0].commands[1].command[1]"),
        ("FROM a\nUSER root\n", "stages[0].instructions[0].user"),
        ("FROM a\nUSER root\n", "stages[1].instructions[0].instruction"),
        ("FROM a\nRUN curl\n", f"{COMMAND}[0]"),
        ("FRM a\n", "stages[0].instructions[0].instruction"),
    ],
)
def test_refused(text: str, path: str) -> None:
    unchanged, refused = change(text, path)
    assert unchanged == text
    assert list(refused) == [0]
    assert refused[0]
