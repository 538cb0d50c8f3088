"""Build stages of a Dockerfile: the instructions after each FROM. Expands no variables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kubekeep.sources.dockerfile.checks import check_instruction, parse_flags
from kubekeep.sources.dockerfile.errors import DockerfileError
from kubekeep.sources.dockerfile.instructions import Instruction


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
        BuildStage(opening, _get_name(opening), tuple(following)) for opening, following in stages
    )


def _get_name(opening: Instruction) -> str:
    words = opening.arguments.words
    return words[2].text.lower() if len(words) > 1 else ""
