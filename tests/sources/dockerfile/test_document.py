"""The object of a Dockerfile: stages, expanded variables, commands, and the place of each of them in the text."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.model.location import parse_path, value_at
from kubekeep.sources.dockerfile.document import build_document
from kubekeep.sources.dockerfile.errors import DockerfileError

FILE = """\
# syntax=docker/dockerfile:1
ARG TAG=1.24 \\
    OTHER
FROM golang:${TAG} AS Build
ENV DB_PASSWORD="correct horse" PATH=$PATH:/x
RUN --mount=type=secret,id=token apt-get update && \\
    # fetch
    curl -fsSL https://example.com/install.sh | sudo bash -s -- -y && \\

    chmod 777 "/my app"
RUN <<EOF bash
set -e
wget https://example.com/a
EOF
FROM build
COPY --from=build --chown=1:1 ["a b", "/c/"]
onbuild user ${ID:-root}
CMD exec run
"""


def read(text: str) -> dict[str, Any]:
    return build_document(text, "Dockerfile").value


def quote(text: str, path: str) -> tuple[int, str]:
    """Return the first line of the region of a path, and the text in it."""
    document = build_document(text, "Dockerfile")
    region = document.source_map.region(document.value, parse_path(path))
    lines = text.splitlines(keepends=True)
    start, end = (
        sum(map(len, lines[: position.line - 1])) + position.column - 1 for position in (region.start, region.end)
    )
    return region.start.line, text[start:end]


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        ("kind", 2, "ARG TAG=1.24"),
        ("arguments[0].env[0].value", 2, "1.24"),
        ("arguments[0].env[1].name", 3, "OTHER"),
        ("stages[0]", 4, "FROM golang:${TAG} AS Build"),
        ("stages[0].user", 4, "FROM golang:${TAG} AS Build"),
        ("stages[0].base.image", 4, "golang:${TAG}"),
        ("stages[0].name", 4, "Build"),
        ("stages[0].instructions[0].env[0].name", 5, "DB_PASSWORD"),
        ("stages[0].instructions[0].env[0].value", 5, '"correct horse"'),
        ("stages[0].instructions[1]", 6, "RUN --mount=type=secret,id=token apt-get update &&"),
        ("stages[0].instructions[1].mounts[0].id", 6, "--mount=type=secret,id=token"),
        ("stages[0].instructions[1].commands[0]", 6, "apt-get update"),
        ("stages[0].instructions[1].commands[1]", 8, "curl -fsSL https://example.com/install.sh"),
        ("stages[0].instructions[1].commands[2].command[1]", 8, "bash"),
        ("stages[0].instructions[1].commands[3].command[2]", 10, '"/my app"'),
        ("stages[0].instructions[2].commands[0]", 11, "<<EOF bash"),
        ("stages[0].instructions[2].commands[2].command[1]", 13, "https://example.com/a"),
        ("stages[1].instructions[0].sources[0]", 16, '"a b"'),
        ("stages[1].instructions[0].from.stage", 16, "--from=build"),
        ("stages[1].instructions[1].trigger.user", 17, "${ID:-root}"),
        ("stages[1].instructions[2].commands[0].program", 18, "exec run"),
    ],
)
def test_regions(path: str, line: int, text: str) -> None:
    expected = "bash" if path == "stages[0].instructions[2].commands[0]" else text
    assert quote(FILE, path) == (line, expected)


def test_regions_of_other_line_ends() -> None:
    assert quote(FILE.replace("\n", "\r\n"), "stages[0].instructions[1].commands[3].command[1]") == (10, "777")


def test_values() -> None:
    document = read(FILE)
    build, final = document["stages"]
    assert document["syntax"] == "docker/dockerfile:1"
    assert build["base"] == {"image": "golang:1.24"}
    assert build["name"] == "build"
    assert build["instructions"][0]["env"] == [
        {"name": "DB_PASSWORD", "value": "correct horse"},
        {"name": "PATH", "value": "$PATH:/x"},
    ]
    commands = build["instructions"][1]["commands"]
    assert [(command["program"], command.get("readers", [])) for command in commands] == [
        ("apt-get", []),
        ("curl", ["bash"]),
        ("bash", []),
        ("chmod", []),
    ]
    assert commands[3]["command"] == ["chmod", "777", "/my app"]
    assert final["base"] == {"stage": 0}
    assert final["image"] == "golang:1.24"
    assert final["isFinal"] is True
    assert final["instructions"][0]["sources"] == ["a b"]
    assert final["instructions"][0]["flags"] == {"chown": "1:1"}
    assert final["instructions"][1]["trigger"] == {"instruction": "USER", "line": 17, "user": "${ID:-root}"}
    assert "user" not in final


@pytest.mark.parametrize(
    ("lines", "user"),
    [
        ("FROM a\nUSER app", "app"),
        ("ARG ID=7\nFROM a\nARG ID\nUSER ${ID}:$ID", "7:7"),
        ("ARG ID=7\nFROM a\nUSER $ID", "$ID"),
        ("ARG ID=7\nFROM scratch\nUSER $ID", "$ID"),
        ("FROM a\nARG ID\nUSER $ID", "$ID"),
        ("FROM a\nARG ID\nUSER ${ID:-9}", "9"),
        ("FROM a\nUSER ${ID:-9}", "${ID:-9}"),
        ("FROM scratch\nUSER ${ID:-9}", "9"),
        ("FROM a\nENV ID=1\nARG ID=2\nUSER $ID", "1"),
        ("FROM a\nARG ID=2\nENV ID=${ID}3\nUSER $ID", "23"),
        ("FROM a AS b\nENV ID=4\nUSER 5\nFROM B\nUSER $ID", "4"),
        ("FROM a AS b\nUSER 5\nFROM b AS c\nFROM c", "5"),
        ("FROM a AS b\nUSER 5\nFROM a\nUSER 6\nONBUILD USER root", "6"),
        ("FROM a\nARG TARGETARCH\nUSER $TARGETARCH", "$TARGETARCH"),
        ('FROM a\nENV X=\'$Y\' Y="a b"\nUSER "$Y"', "a b"),
    ],
)
def test_user_of_the_last_stage(lines: str, user: str) -> None:
    assert read(f"{lines}\n")["stages"][-1]["user"] == user


def test_stages_by_number_and_name() -> None:
    stages = read(
        "FROM a AS x\nFROM scratch AS y\nCOPY --from=0 a b\nCOPY --from=X a b\nCOPY --from=y:1 a b\n"
        "RUN --mount=from=y,target=/y ls\nFROM 0\n"
    )["stages"]
    assert [step.get("from") for step in stages[1]["instructions"][:3]] == [
        {"stage": 0},
        {"stage": 0},
        {"image": "y:1"},
    ]
    assert stages[1]["instructions"][3]["mounts"] == [{"from": {"image": "y"}, "target": "/y", "type": "bind"}] or (
        stages[1]["instructions"][3]["mounts"][0]["from"] == {"stage": 1}
    )
    assert stages[1]["isScratch"] is True
    assert stages[2]["base"] == {"image": "0"}


def test_scripts_of_other_shells_have_no_commands() -> None:
    def commands(text: str) -> list[str]:
        return [command["program"] for command in read(text)["stages"][-1]["instructions"][-1]["commands"]]

    assert commands("FROM a\nRUN x; y\n") == ["x", "y"]
    assert commands('FROM a\nSHELL ["/bin/bash", "-c"]\nRUN x; y\n') == ["x", "y"]
    assert commands('FROM a\nSHELL ["powershell", "-command"]\nRUN x; y\n') == []
    assert commands("# escape=`\nFROM a\nRUN x & y\n") == []
    assert commands("FROM a\nRUN <<EOF\n#!/usr/bin/env python3\nimport os\nEOF\n") == []
    assert commands("FROM a\nRUN <<EOF\n#!/bin/bash\nx\nEOF\n") == ["x"]
    assert commands("FROM a\nRUN cat <<EOF > /x\nrm y\nEOF\n") == ["cat"]
    assert commands('FROM a\nRUN ["sh", "-c", "x | y"]\n') == ["sh", "x", "y"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("FROM a\nUSER ${\n", 2, "} of a variable"),
        ("FROM a\n\nENV A=${B:#x}\n", 3, "modifier"),
        ("FROM a\nUSR b\n", 2, "unknown instruction USR"),
        ("RUN a\nFROM b\n", 1, "precedes the first FROM"),
        ("FROM a\nRUN <<EOF\nx\n", 2, "end of a heredoc"),
        ("FROM a\nCOPY \\\n  b\n", 2, "a source and a destination"),
        ("ARG A\n", 1, "no FROM"),
    ],
)
def test_errors_have_their_line(text: str, line: int, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as error:
        read(text)
    assert error.value.line == line


def test_every_value_has_a_region_inside_of_the_text() -> None:
    document = build_document(FILE, "Dockerfile")
    numbers = 0
    todo: list[tuple[str | int, ...]] = [()]
    while todo:
        path = todo.pop()
        numbers += 1
        region = document.source_map.region(document.value, path)
        assert 2 <= region.start.line <= 18
        assert region.start <= region.end
        value = value_at(document.value, path)
        steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        todo += [(*path, step) for step in steps]
    assert numbers > 120
