"""What kustomize says when a build fails, for people: short, without absolute paths, at the file and line it names.

Never guesses a line: where the message names none, and no entry that is in it, the place is the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import display_path
from kubekeep.sources.kustomize.child import Outcome
from kubekeep.sources.kustomize.graph import Node
from kubekeep.sources.kustomize.references import references
from kubekeep.sources.kustomize.trace import Build

_LONGEST: Final = 1_000
_LOGGED: Final = re.compile(r'^[EF]\d{4} .*?err=(?:"(?P<text>(?:[^"\\]|\\.)*)"|<\s(?P<lines>.*)>)', re.DOTALL)
_NOISE: Final = re.compile(r"^#.*$", re.MULTILINE)
_ROOT: Final = re.compile(r"(?:accumulation of path|target for path|files under:|under) '?(?P<folder>/[^\n:']*)")
_LINE: Final = re.compile(r"\bline (?P<line>\d{1,7})\b")
_NO_FOLDER: Final = re.compile(r"^accumulation err='(.*)': must build at directory: .*$", re.DOTALL)
"""A file that cannot be read is tried as a folder too: that it is none helps nobody."""
_NO_OBJECT: Final = re.compile(
    r"no matches for Id|no resource matches|unable to find patch target|nothing selected by|cannot merge or replace"
    r"|does not match a config with the following GVK"
)
_PRIVATE: Final = re.compile(r"/[^\s':\"]*/kubekeep-[^\s':\"/]*")
_STEPS: Final = re.compile(r"^(?:accumulating (?:resources|components): |accumulation err='.*?': (?=recursed |couldn't )"
                           r"|recursed (?:accumulation of|merging from) path '[^']*': )", re.DOTALL)  # fmt: skip


_PATCH: Final = re.compile(
    r"trouble configuring builtin \w+ with config: `.*?`: | (?:SM or JSON )?patch from \[.*\Z", re.DOTALL
)
"""kustomize repeats a patch that it cannot read, and there may be secrets in it."""


def failure(outcome: Outcome, build: Build) -> tuple[Location, str]:
    """Where and why a build failed."""
    if outcome.exceeded:
        file = build.shown(build.node.file)
        return Location(file), f"kustomize was stopped: it took {outcome.exceeded}; nothing of it was assessed"
    text = _text(outcome)
    location = _location(text, build)
    return location, f"kustomize could not build it: {_short(text, build) or f'exit code {outcome.code}'}"


def lacks_base(outcome: Outcome) -> bool:
    """Whether a build failed only because what it changes is not there."""
    return not outcome.exceeded and _NO_OBJECT.search(_text(outcome)) is not None


def _text(outcome: Outcome) -> str:
    text = _NOISE.sub("", outcome.messages.decode("utf-8", "replace")).strip()
    logged = _LOGGED.search(text)
    if logged is not None and logged["lines"] is not None:
        return logged["lines"].strip()
    if logged is not None:
        return logged["text"].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    start = text.rfind("Error: ") if text.startswith("Usage") else -1
    return text[start + len("Error: ") :] if start >= 0 else text.removeprefix("error: ").removeprefix("Error: ")


def _short(text: str, build: Build) -> str:
    """The end of kustomize's chain of causes, with paths as people know them."""
    while (step := _STEPS.match(text)) is not None:
        text = text[step.end() :]
    text = _PATCH.sub(lambda match: " patch" if match[0].startswith(" ") else "", _NO_FOLDER.sub(r"\1", text))
    for file, shown in _paths(build):
        text = text.replace(file, shown)
    text = _PRIVATE.sub("<private folder>", " ".join(text.split()))
    return display_path(text if len(text) <= _LONGEST else text[:_LONGEST] + " ...")


def _paths(build: Build) -> Iterator[tuple[str, str]]:
    """Folders by their absolute path and as people know them, the longest first."""
    folders = {node.folder for node in build.nodes}
    folders |= {os.path.dirname(folder) for folder in folders}  # noqa: PTH120
    for folder in sorted(folders - {os.sep}, key=len, reverse=True):
        yield folder, build.shown(folder)


def _location(text: str, build: Build) -> Location:
    nodes = {node.folder: node for node in build.nodes}
    named = [nodes[match["folder"]] for match in _ROOT.finditer(text) if match["folder"] in nodes]
    node = named[-1] if named else build.node
    line = _LINE.search(text)
    for name, file in _files(text, node):
        if line is not None:
            place = Position(int(line["line"]), 1)
            return Location(build.shown(file), Region(place, place))
        spot = next((item.spot for item in references(node.written) if item.text == name), None)
        if spot is not None:
            return build.location(spot)
    if line is not None and ("kustomization" in text or "yaml: " in text) and not _files(text, node):
        place = Position(int(line["line"]), 1)
        if not node.written.value:
            return Location(build.shown(node.file), Region(place, place))
    return Location(build.shown(node.file))


def _files(text: str, node: Node) -> list[tuple[str, str]]:
    """The files that the message names of those that the kustomization refers to, by what it calls them."""
    found = [(text.rfind(item.text), item.text) for item in references(node.written) if "\n" not in item.text]
    return [(name, node.resolved(name)) for at, name in sorted(found, reverse=True) if at >= 0 and len(name) > 1]
