"""Files of Terraform modules, read within limits and parsed once. Reads nothing outside the scanned folder."""

# Paths keep the form given by the user, hence os.path instead of pathlib:
# ruff: noqa: PTH112, PTH118

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import BinaryIO, Final

import msgspec

from kubekeep.confinement import list_names
from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location, Region
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.files import open_file
from kubekeep.sources.terraform import json_syntax, syntax
from kubekeep.sources.terraform.names import EXTENSIONS, VALUES_EXTENSIONS, is_replaced
from kubekeep.sources.terraform.syntax import HclBlock, HclBody, HclSyntaxError
from kubekeep.sources.terraform.values import LocatedText
from kubekeep.sources.unsaved import find_unsaved

MAX_BYTES: Final = 1024 * 1024
"""Bytes of one file. All files of a root module and its child modules may have sixteen times as many."""
_MAX_TOTAL_BYTES: Final = 16 * MAX_BYTES
MAX_TOTAL_TOKENS: Final = 300_000
"""Tokens of all these files; a token takes about one kilobyte while its module is read."""
_OVERRIDE: Final = re.compile(r"(?:^|_)override\.(?:tf|tofu)(?:\.json)?$")
_LOCAL_SOURCE: Final = re.compile(r'"?source"?\s*[=:]\s*"(\.\.?(?:/[^"\\$%]*)?)"')
_WORDS: Final = (b"kubernetes_", b"kubectl_manifest", b"helm_release")
_MAX_PREVIEW_PARTS: Final = 64
"""Megabytes of one file in which these words are searched; `ModuleFiles` reads no file of more than one."""


class ModuleContent(msgspec.Struct, frozen=True):
    """Parsed files of one module folder, and the problems of unreadable ones."""

    blocks: tuple[HclBlock, ...]
    values: tuple[HclBody, ...]
    unread: tuple[UnreadInput, ...]


class ModuleFiles:
    """Reads files below base, the absolute path of the scanned folder."""

    def __init__(self, base: str, unsaved: Mapping[str, bytes] = {}) -> None:
        """unsaved: contents by real path that replace those of files."""
        self._base = os.path.realpath(base)
        self._unsaved = unsaved
        self._contents: dict[str, ModuleContent] = {}
        self._remaining_bytes = _MAX_TOTAL_BYTES
        self._remaining_tokens = MAX_TOTAL_TOKENS

    def read_module(self, folder: str, shown_path: str) -> ModuleContent:
        """Return the blocks and values files of a module folder. shown: its path for locations."""
        real = os.path.realpath(folder)
        if real not in self._contents:
            self._contents[real] = self._read(folder, shown_path)
        return self._contents[real]

    def is_inside(self, path: str) -> bool:
        """Return True if a path, with links resolved, is in the scanned folder."""
        return is_inside(path, self._base)

    def read_text(self, path: str) -> str:
        """Return the text of a regular file in the scanned folder; raises ValueError with a message otherwise."""
        if "\0" in path or not self.is_inside(path):
            raise ValueError("the file is outside the scanned folder")
        try:
            with _open(path, self._unsaved) as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ValueError(error_reason(error)) from None
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES} bytes: not read")
        self._remaining_bytes -= len(content)
        if self._remaining_bytes < 0:
            raise ValueError(f"the files of the module exceed {_MAX_TOTAL_BYTES} bytes: the rest was not read")
        try:
            return content.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 text: {error.reason}") from None

    def read_lines(self, path: str, shown_path: str) -> LocatedText:
        """Return the text of a file with its line numbers; raises ValueError as `read_text` does."""
        text = self.read_text(path)
        return LocatedText.from_lines(text, shown_path, list(range(1, text.count("\n") + 2)))

    def _read(self, folder: str, shown_path: str) -> ModuleContent:
        blocks: list[HclBlock] = []
        values: list[HclBody] = []
        unread: list[UnreadInput] = []
        for name in list_module_files(folder, self._unsaved):
            file = display_path(os.path.join(shown_path, name) if shown_path != os.curdir else name)
            try:
                body = self._parse(self.read_text(os.path.join(folder, name)), file, name)
            except ValueError as error:
                unread.append(UnreadInput(Location(file), str(error)))
            except HclSyntaxError as error:
                region = Region(error.position, error.position)
                unread.append(UnreadInput(Location(file, region), str(error)))
            else:
                if _is_values_file(name):
                    values.append(body)
                elif _OVERRIDE.search(name):
                    unread.append(UnreadInput(Location(file), "override file: not applied"))
                else:
                    blocks.extend(body.blocks)
        return ModuleContent(tuple(blocks), tuple(values), tuple(unread))

    def _parse(self, text: str, file: str, name: str) -> HclBody:
        if name.endswith(".json"):
            return json_syntax.parse_values(text, file) if _is_values_file(name) else json_syntax.parse(text, file)
        if self._remaining_tokens <= 0:
            raise HclSyntaxError(f"the files of the module exceed {MAX_TOTAL_TOKENS} tokens: the rest was not read")
        # A refused file used tokens too; a token has at least one character, and the parser adds a line end.
        reserved = min(syntax.MAX_TOKENS, self._remaining_tokens, len(text) + 2)
        self._remaining_tokens -= reserved
        body, tokens = syntax.parse(text, file, reserved)
        self._remaining_tokens += reserved - tokens
        return body


def is_inside(path: str, base: str) -> bool:
    """Return True if a path is `base` or below it, with links resolved."""
    real, base = os.path.realpath(path), os.path.realpath(base)
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


def _open(path: str, unsaved: Mapping[str, bytes]) -> BinaryIO:
    content = find_unsaved(unsaved, path)
    return open_file(path) if content is None else io.BytesIO(content)


def list_module_files(folder: str, unsaved: Mapping[str, bytes] = {}) -> list[str]:
    """Return the names of Terraform files in the order Terraform reads them; [] if the folder is no module.

    unsaved: contents by real path; they may belong to files that do not exist yet.
    """
    try:
        saved_names = list_names(folder)
    except OSError:
        return []
    real = os.path.join(os.path.realpath(folder), "") if unsaved else ""
    unsaved_names = (path[len(real) :] for path in unsaved if path.startswith(real))
    names = sorted({*saved_names, *(name for name in unsaved_names if os.sep not in name)})
    files = [
        name
        for name in names
        if name.endswith(EXTENSIONS)
        and not is_replaced(name, names)
        and not name.startswith(".")
        and not os.path.isdir(os.path.join(folder, name))
    ]
    if not files:
        return []
    values_files = [name for name in ("terraform.tfvars", "terraform.tfvars.json") if name in names]
    return files + values_files + [name for name in names if name.endswith((".auto.tfvars", ".auto.tfvars.json"))]


def _is_values_file(name: str) -> bool:
    return name.endswith(VALUES_EXTENSIONS)


def preview_module(folder: str, base: str, unsaved: Mapping[str, bytes] = {}) -> tuple[bool, list[str]]:
    """Return True if a module may mention Kubernetes, and the absolute folders of the local modules it calls.

    Parses nothing: most modules have nothing to do with Kubernetes. A module with an unreadable file, or a link out
    of `base`, may mention it; `ModuleFiles` reports the file.
    """
    mentions_kubernetes = False
    called_folders: list[str] = []
    for name in list_module_files(folder, unsaved):
        file = os.path.join(folder, name)
        if not is_inside(file, base):
            mentions_kubernetes = True
            continue
        try:
            with _open(file, unsaved) as stream:
                content = stream.read(MAX_BYTES)
                mentions_kubernetes = mentions_kubernetes or _mentions_kubernetes(content, stream)
        except OSError:
            mentions_kubernetes = True
            continue
        text = content.decode(errors="replace")
        called_folders.extend(os.path.realpath(os.path.join(folder, source)) for source in _LOCAL_SOURCE.findall(text))
    return mentions_kubernetes, called_folders


def _mentions_kubernetes(content: bytes, stream: BinaryIO) -> bool:
    """Return True if the beginning of a file or the rest in `stream` has one of the words; True for an endless file."""
    overlap = max(map(len, _WORDS))
    for _ in range(_MAX_PREVIEW_PARTS):
        if any(word in content for word in _WORDS):
            return True
        part = stream.read(MAX_BYTES)
        if not part:
            return False
        content = content[-overlap:] + part
    return True
