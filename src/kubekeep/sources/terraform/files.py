"""The files of Terraform modules: found, read within limits, parsed once. Reads nothing outside the scanned folder."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH116, PTH118, PTH123, PTH208

from __future__ import annotations

import os
import re
import stat
from typing import Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Region
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.terraform import json_syntax, syntax
from kubekeep.sources.terraform.syntax import Block, Body, HclSyntaxError
from kubekeep.sources.terraform.values import Text

MAXIMUM_BYTES: Final = 1024 * 1024
"""Of one file; of all files of a root module and the modules below it, sixteen times that."""
_MOST: Final = 16 * MAXIMUM_BYTES
MOST_TOKENS: Final = 300_000
"""Of all these files; a token costs about a kilobyte while its module is read."""
_OVERRIDE: Final = re.compile(r"(?:^|_)override\.tf(?:\.json)?$")
_CALLS: Final = re.compile(r'"?source"?\s*[=:]\s*"(\.\.?(?:/[^"\\$%]*)?)"')
_WORDS: Final = ("kubernetes_", "kubectl_manifest", "helm_release")


class Content(msgspec.Struct, frozen=True):
    """What the files of one module folder say, and what of them could not be read."""

    blocks: tuple[Block, ...]
    values: tuple[Body, ...]
    unread: tuple[Unread, ...]


class Files:
    """Reads files below `base`, the absolute folder of the scan, which is shown to people as `shown`."""

    def __init__(self, base: str) -> None:
        self._base = os.path.realpath(base)
        self._known: dict[str, Content] = {}
        self._left = _MOST
        self._tokens = MOST_TOKENS

    def content(self, folder: str, shown: str) -> Content:
        """The blocks of a module folder and the bodies of its values files; nothing for a folder without such files."""
        real = os.path.realpath(folder)
        if real not in self._known:
            self._known[real] = self._read(folder, shown)
        return self._known[real]

    def is_inside(self, path: str) -> bool:
        """Whether a path, with its links followed, lies in the scanned folder."""
        real = os.path.realpath(path)
        return real == self._base or real.startswith(self._base.rstrip(os.sep) + os.sep)

    def text(self, path: str) -> str:
        """The text of a regular file inside; raises ValueError with a sentence for anything else."""
        if "\0" in path or not self.is_inside(path):
            raise ValueError("the file lies outside the scanned folder")
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ValueError("not a regular file")
            with open(path, "rb") as stream:
                data = stream.read(MAXIMUM_BYTES + 1)
        except OSError as error:
            raise ValueError(error_reason(error)) from None
        if len(data) > MAXIMUM_BYTES:
            raise ValueError(f"larger than {MAXIMUM_BYTES} bytes: not read")
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"the module's files have more than {_MOST} bytes: the rest was not read")
        try:
            return data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 text: {error.reason}") from None

    def lined(self, path: str, shown: str) -> Text:
        """The same with its lines."""
        text = self.text(path)
        return Text.of(text, shown, list(range(1, text.count("\n") + 2)))

    def _read(self, folder: str, shown: str) -> Content:
        blocks: list[Block] = []
        values: list[Body] = []
        unread: list[Unread] = []
        for name in module_files(folder):
            file = display_path(os.path.join(shown, name) if shown != os.curdir else name)
            try:
                body = self._parsed(self.text(os.path.join(folder, name)), file, name)
            except ValueError as error:
                unread.append(Unread(Location(file), str(error)))
            except HclSyntaxError as problem:
                place = Region(problem.position, problem.position)
                unread.append(Unread(Location(file, place), str(problem)))
            else:
                if _is_values(name):
                    values.append(body)
                elif _OVERRIDE.search(name):
                    unread.append(Unread(Location(file), "override file: what it changes was not taken over"))
                else:
                    blocks.extend(body.blocks)
        return Content(tuple(blocks), tuple(values), tuple(unread))

    def _parsed(self, text: str, file: str, name: str) -> Body:
        if name.endswith(".json"):
            return json_syntax.parse_values(text, file) if _is_values(name) else json_syntax.parse(text, file)
        if self._tokens <= 0:
            raise HclSyntaxError(f"the module's files have more than {MOST_TOKENS} tokens: the rest was not read")
        # What is refused was looked at too; a token has one character at least, and the parser adds a line end.
        reserved = min(syntax.MAXIMUM_TOKENS, self._tokens, len(text) + 2)
        self._tokens -= reserved
        body, tokens = syntax.parse(text, file, reserved)
        self._tokens += reserved - tokens
        return body


def module_files(folder: str) -> list[str]:
    """The names of a folder's Terraform files in the order Terraform reads them; empty if it is no module."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    files = [name for name in names if name.endswith((".tf", ".tf.json")) and not name.startswith(".")]
    if not files:
        return []
    given = [name for name in ("terraform.tfvars", "terraform.tfvars.json") if name in names]
    return files + given + [name for name in names if name.endswith((".auto.tfvars", ".auto.tfvars.json"))]


def _is_values(name: str) -> bool:
    return name.endswith((".tfvars", ".tfvars.json"))


def glance(folder: str) -> tuple[bool, list[str]]:
    """Whether a module folder mentions Kubernetes, and the absolute folders of the local modules it calls.

    Parses nothing, and costs little for the many modules that have nothing to do with Kubernetes.
    """
    mentions = False
    called: list[str] = []
    for name in module_files(folder):
        path = os.path.join(folder, name)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                continue
            with open(path, encoding="utf-8", errors="replace") as stream:
                text = stream.read(MAXIMUM_BYTES)
        except OSError:
            # Reading it properly will say why.
            mentions = True
            continue
        mentions = mentions or any(found in text for found in _WORDS)
        called.extend(os.path.realpath(os.path.join(folder, source)) for source in _CALLS.findall(text))
    return mentions, called
