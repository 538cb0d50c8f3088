"""Read the files of a chart from a folder or a packed chart into memory, with limits for hostile input.

Also the rules of `.helmignore` (helm.sh/docs/chart_template_guide/helm_ignore_file). They differ from gitignore: a
pattern without a slash matches the file name only, one with a slash the whole path, `**` is an error, and a negated
pattern excludes every path that does not match it. Links are followed only within the scanned folder; packed charts may
contain regular files only. Never writes.
"""

# os.path instead of pathlib, because paths stay as the user typed them:
# ruff: noqa: PTH110, PTH112, PTH114, PTH118

from __future__ import annotations

import gzip
import io
import os
import posixpath
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.confinement import list_names, open_descriptor
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.helm.limits import ChartBudget, ChartError
from kubekeep.sources.unsaved import find_unsaved

IGNORE_FILE: Final = ".helmignore"
_DRIVE: Final = re.compile(r"[A-Za-z]:/")
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f\\\\\ud800-\udfff]")
"""Characters not allowed in file names: Helm prints names in lines, and treats a backslash as a slash."""
_TAR_OVERHEAD: Final = 2
"""Maximum size of a tar file relative to its content, besides a kilobyte per entry, for headers and padding."""
_DEFAULT: Final = "templates/.?*"
_CHAR: Final = r"(?:\\.|[^\\\]-])"
_RANGE: Final = re.compile(rf"({_CHAR})(?:-({_CHAR}))?", re.DOTALL)
_CLASS: Final = re.compile(rf"\[\^?+(?:{_RANGE.pattern})+\]", re.DOTALL)


def read_file(path: str, shown_path: str, budget: ChartBudget) -> bytes:
    """Read a regular file and count it in the budget. Raises ChartError for any other kind; never blocks on a pipe."""
    try:
        descriptor = open_descriptor(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ChartError(shown_path, "not a regular file")
            content = stream.read(min(budget.limits.file_bytes, budget.bytes_left) + 1)
    except (OSError, ValueError) as error:
        raise ChartError(shown_path, error_reason(error)) from error
    budget.count_bytes(len(content), shown_path)
    return content


def read_folder(
    path: str,
    shown_path: str,
    root: str,
    budget: ChartBudget,
    unsaved: Mapping[str, bytes] = {},
) -> dict[str, bytes]:
    """Read the files of a chart's folder by path, except files that `.helmignore` excludes.

    root: real path of the folder that links must stay in. unsaved: contents by real path that replace those of files.
    Raises ChartError.
    """
    files = dict(_ChartFolder(path, shown_path, root, budget).iterate_files())
    replaced = {name: find_unsaved(unsaved, os.path.join(path, name)) for name in files}
    return files | {name: content for name, content in replaced.items() if content is not None}


class _ChartFolder:
    def __init__(self, path: str, shown_path: str, root: str, budget: ChartBudget) -> None:
        self._path = path
        self._shown_path = shown_path
        self._root = root
        self._budget = budget
        self._ignore = self._read_rules()

    def iterate_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield files depth first in the order of names, as Helm does."""
        todo: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(self._path),))]
        while todo:
            name, ancestors = todo.pop()
            if ancestors:
                todo.extend(self._list_entries(name, ancestors))
            else:
                shown_path = self._get_shown_path(name)
                yield name, read_file(os.path.join(self._path, name), shown_path, self._budget)

    def _read_rules(self) -> HelmIgnore:
        path = os.path.join(self._path, IGNORE_FILE)
        if not os.path.lexists(path):
            return HelmIgnore("")
        shown_path = self._get_shown_path(IGNORE_FILE)
        self._check_link(path, shown_path)
        try:
            return HelmIgnore(read_file(path, shown_path, self._budget).decode("utf-8", "surrogateescape"))
        except ValueError as error:
            raise ChartError(shown_path, str(error)) from error

    def _get_shown_path(self, name: str) -> str:
        return display_path(os.path.join(self._shown_path, name))

    def _check_link(self, path: str, shown_path: str) -> str:
        """Return the real path. Raises ChartError for a link that leaves the root or has no target."""
        real = os.path.realpath(path)
        if os.path.islink(path):
            if os.path.commonpath((self._root, real)) != self._root:
                raise ChartError(
                    shown_path, "symbolic link to a path outside the scanned folder: the chart was not read"
                )
            if not os.path.exists(real):
                raise ChartError(shown_path, "symbolic link with a missing target or a cycle")
        return real

    def _list_entries(self, name: str, ancestors: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """List a folder's entries in reverse order; `ancestors` are the real paths of the folder and its parents."""
        shown_path = self._get_shown_path(name)
        try:
            names = sorted(list_names(ancestors[-1]), reverse=True)
        except OSError as error:
            raise ChartError(shown_path, error_reason(error)) from error
        entries: list[tuple[str, tuple[str, ...]]] = []
        for entry in names:
            path_in_chart = f"{name}/{entry}" if name else entry
            if _FORBIDDEN.search(entry):
                raise ChartError(
                    shown_path, f"{display_path(entry)[:200]!r} is not a valid name for a file of a chart: not read"
                )
            path = os.path.join(self._path, path_in_chart)
            self._budget.count_entry(shown_path)
            is_folder = os.path.isdir(path)
            if self._ignore.is_ignored(path_in_chart, is_folder=is_folder):
                continue
            real = self._check_link(path, self._get_shown_path(path_in_chart))
            if is_folder and real in ancestors:
                raise ChartError(self._get_shown_path(path_in_chart), "symbolic link to a parent folder: cycle")
            entries.append((path_in_chart, (*ancestors, real) if is_folder else ()))
        return entries


def read_archive(archive: bytes, shown_path: str, budget: ChartBudget) -> dict[str, bytes]:
    """Read the files of a packed chart by path. Raises ChartError for archives that `helm package` would not create."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=_GzipStream(archive, shown_path, budget), mode="r|", errorlevel=2) as tar:
            for member in tar:
                budget.count_entry(shown_path)
                if member.isdir():
                    continue
                name = _check_member(member, shown_path)
                budget.count_bytes(member.size, f"{shown_path}/{name}")
                stream = tar.extractfile(member)
                content = b"" if stream is None else stream.read()
                if len(content) != member.size:
                    raise ChartError(shown_path, "not a packed chart: truncated")
                files[name] = content
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise ChartError(shown_path, f"not a packed chart: {error_reason(ValueError(str(error)))}") from error
    if not files:
        raise ChartError(shown_path, "not a packed chart: it contains no files")
    return files


def _check_member(member: tarfile.TarInfo, shown_path: str) -> str:
    """Return the member's path in the chart. Raises ChartError for links, special files and paths outside the chart."""
    quoted = display_path(member.name)[:200]
    if not member.isreg() or member.issparse():
        kind = "link" if member.issym() or member.islnk() else "special file"
        raise ChartError(shown_path, f"{quoted!r} in this packed chart is a {kind}: not read")
    member_path = member.name.replace("\\", "/")
    top, _, name = member_path.partition("/")
    clean_path = posixpath.normpath(name) if name else ""
    is_outside = member_path.startswith("/") or top in ("", "..") or clean_path in ("", ".") or ".." in name.split("/")
    if is_outside or clean_path.startswith("/") or _DRIVE.match(clean_path) or _FORBIDDEN.search(clean_path):
        raise ChartError(shown_path, f"{quoted!r} in this packed chart is outside the folder of the chart: not read")
    return clean_path


class _GzipStream(io.RawIOBase):
    """The tar stream of a packed chart, decompressed while it is read, within the limits."""

    def __init__(self, archive: bytes, shown_path: str, budget: ChartBudget) -> None:
        super().__init__()
        self._stream = gzip.GzipFile(fileobj=io.BytesIO(archive))
        self._shown_path = shown_path
        self._remaining = budget.bytes_left * _TAR_OVERHEAD + 1024 * budget.limits.entries
        self._limit = budget.limits.bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._remaining -= len(chunk)
        if self._remaining < 0:
            raise ChartError(self._shown_path, f"this packed chart unpacks to more than {self._limit} bytes: not read")
        return chunk


class _IgnoreRule(msgspec.Struct, frozen=True):
    pattern: re.Pattern[str]
    is_whole_path: bool
    is_negated: bool
    is_folder: bool

    def matches(self, path: str) -> bool:
        return self.pattern.fullmatch(path if self.is_whole_path else posixpath.basename(path)) is not None


class HelmIgnore:
    """Rules of a `.helmignore` file, and Helm's built-in rule for hidden files in `templates/`.

    Raises ValueError for a pattern that Helm rejects.
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
        self._rules = [_parse_rule(line) for line in (*lines, _DEFAULT) if line and not line.startswith("#")]

    def is_ignored(self, path: str, *, is_folder: bool) -> bool:
        """Return True if a file, or a folder with its content, is excluded. path: relative to the chart."""
        for rule in self._rules:
            if rule.is_negated:
                if (rule.is_folder and not is_folder) or not rule.matches(path):
                    return True
            elif (is_folder or not rule.is_folder) and rule.matches(path):
                return True
        return False


def _parse_rule(line: str) -> _IgnoreRule:
    if "**" in line:
        raise ValueError("double-star (**) syntax is not supported")
    is_negated = line.startswith("!")
    text = line[1:] if is_negated else line
    is_folder = text.endswith("/")
    text = text.removesuffix("/")
    return _IgnoreRule(_compile_glob(text.removeprefix("/")), "/" in text, is_negated, is_folder)


def _compile_glob(glob: str) -> re.Pattern[str]:
    """Translate a pattern of Go's `filepath.Match` to a regular expression. Raises ValueError for invalid patterns."""
    parts: list[str] = []
    index = 0
    while index < len(glob):
        char = glob[index]
        if char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            match = _CLASS.match(glob, index)
            if match is None:
                raise ValueError(f"syntax error in pattern {glob!r}")
            parts.append(f"(?!/){_compile_class(match[0])}")
            index = match.end()
            continue
        elif char == "\\":
            index += 1
            if index == len(glob):
                raise ValueError(f"syntax error in pattern {glob!r}")
            parts.append(re.escape(glob[index]))
        else:
            parts.append(re.escape(char))
        index += 1
    return re.compile("".join(parts), re.DOTALL)


def _compile_class(text: str) -> str:
    """Translate a character class; a range in reverse order matches no character."""
    is_negated = text.startswith("[^")
    parts: list[str] = []
    for match in _RANGE.finditer(text, 2 if is_negated else 1, len(text) - 1):
        first, last = (piece[-1:] for piece in match.groups(default=match[1]))
        if first <= last:
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
    if not parts:
        return "." if is_negated else "(?!)"
    return f"[{'^' if is_negated else ''}{''.join(parts)}]"
