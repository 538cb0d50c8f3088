"""Messages about failed builds: kustomize's error text, shortened, without absolute paths, with a location.

Never guesses a line: without a line or a reference in the error text, the location is the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final

from kubekeep.model.location import Location, Position, Region
from kubekeep.model.paths import display_path
from kubekeep.sources.kustomize.documents import list_references
from kubekeep.sources.kustomize.graph import Kustomization
from kubekeep.sources.kustomize.source_map import Build
from kubekeep.sources.kustomize.tool import ProcessResult

_MAX_LENGTH: Final = 1_000
_LOG_LINE: Final = re.compile(r'^[EF]\d{4} .*?err=(?:"(?P<text>(?:[^"\\]|\\.)*)"|<\s(?P<lines>.*)>)', re.DOTALL)
_NOISE: Final = re.compile(r"^#.*$", re.MULTILINE)
_ROOT: Final = re.compile(r"(?:accumulation of path|target for path|files under:|under) '?(?P<folder>/[^\n:']*)")
_LINE: Final = re.compile(r"\bline (?P<line>\d{1,7})\b")
_NO_FOLDER: Final = re.compile(r"^accumulation err='(.*)': must build at directory: .*$", re.DOTALL)
"""Kustomize tries an unreadable file as a folder too; this part of the error is removed."""
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
"""The content of an invalid patch, repeated by kustomize; it may contain secrets."""


def describe_failure(result: ProcessResult, build: Build) -> tuple[Location, str]:
    """Return location and message of a failed build."""
    if result.exceeded_limit:
        file = build.display_path(build.node.file)
        return Location(
            file
        ), f"kustomize was stopped: it used {result.exceeded_limit}; the kustomization was not evaluated"
    text = _extract_error(result)
    location = _find_location(text, build)
    return location, f"kustomize build failed: {_shorten(text, build) or f'exit code {result.code}'}"


def is_base_missing(result: ProcessResult) -> bool:
    """Return True if a build failed only because the objects it changes are missing."""
    return not result.exceeded_limit and _NO_OBJECT.search(_extract_error(result)) is not None


def _extract_error(result: ProcessResult) -> str:
    text = _NOISE.sub("", result.messages.decode("utf-8", "replace")).strip()
    match = _LOG_LINE.search(text)
    if match is not None and match["lines"] is not None:
        return match["lines"].strip()
    if match is not None:
        return match["text"].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    start = text.rfind("Error: ") if text.startswith("Usage") else -1
    return text[start + len("Error: ") :] if start >= 0 else text.removeprefix("error: ").removeprefix("Error: ")


def _shorten(text: str, build: Build) -> str:
    """Return the end of kustomize's chain of causes, with display paths."""
    while (step := _STEPS.match(text)) is not None:
        text = text[step.end() :]
    text = _PATCH.sub(lambda match: " patch" if match[0].startswith(" ") else "", _NO_FOLDER.sub(r"\1", text))
    for folder, shown_path in _list_folders(build):
        text = text.replace(folder, shown_path)
    text = _PRIVATE.sub("<private folder>", " ".join(text.split()))
    return display_path(text if len(text) <= _MAX_LENGTH else text[:_MAX_LENGTH] + " ...")


def _list_folders(build: Build) -> Iterator[tuple[str, str]]:
    """Yield absolute paths of folders with their display paths, the longest first."""
    folders = {node.folder for node in build.nodes}
    folders |= {os.path.dirname(folder) for folder in folders}  # noqa: PTH120
    for folder in sorted(folders - {os.sep}, key=len, reverse=True):
        yield folder, build.display_path(folder)


def _find_location(text: str, build: Build) -> Location:
    nodes = {node.folder: node for node in build.nodes}
    named_nodes = [nodes[match["folder"]] for match in _ROOT.finditer(text) if match["folder"] in nodes]
    node = named_nodes[-1] if named_nodes else build.node
    match = _LINE.search(text)
    region = None
    if match is not None:
        position = Position(int(match["line"]), 1)
        region = Region(position, position)
    files = _list_named_files(text, node)
    for name, file in files:
        if region is not None:
            return Location(build.display_path(file), region)
        origin = next(
            (reference.origin for reference in list_references(node.document) if reference.text == name), None
        )
        if origin is not None:
            return build.locate(origin)
    is_own_line = ("kustomization" in text or "yaml: " in text) and not files and not node.document.value
    return Location(build.display_path(node.file), region if is_own_line else None)


def _list_named_files(text: str, node: Kustomization) -> list[tuple[str, str]]:
    """Return references of the kustomization named in the error text, last first, with their real paths."""
    names = [reference.text for reference in list_references(node.document) if "\n" not in reference.text]
    positions = sorted(((text.rfind(name), name) for name in names), reverse=True)
    return [(name, node.resolve(name)) for position, name in positions if position >= 0 and len(name) > 1]
