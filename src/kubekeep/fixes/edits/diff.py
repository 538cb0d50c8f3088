"""Splices as hunks of a unified diff. Texts are never compared: the splices are the differences.

Format of POSIX `diff -u`, as git and patch read it. A hunk has the numbers of its changes.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.splice import Splice, apply_splices

CONTEXT: Final = 3
_NO_FINAL_NEWLINE: Final = "\\ No newline at end of file"


class Hunk(msgspec.Struct, frozen=True):
    """Changed lines with their context.

    old, new: number, from 1, of the first line before and after. lines: begin with a space, `-` or `+`, without line
    feed. changes: numbers of the changes.
    """

    old: int
    new: int
    lines: tuple[str, ...]
    changes: tuple[int, ...]

    def format_header(self, note: str = "") -> str:
        """Return the line `@@ -1,7 +1,8 @@ note`."""
        before = sum(line[0] in " -" for line in self.lines)
        after = sum(line[0] in " +" for line in self.lines)
        text = f"@@ -{_format_range(self.old, before)} +{_format_range(self.new, after)} @@"
        return f"{text} {note}" if note else text


def _format_range(first: int, count: int) -> str:
    # A range without lines names the line before it.
    return f"{first if count else first - 1},{count}"


class _ChangedLines(msgspec.Struct):
    """Lines `first` to before `last`, from 0, that are replaced."""

    first: int
    last: int
    new_lines: list[str]
    changes: tuple[int, ...]


def make_hunks(text: str, splices: Sequence[Splice]) -> list[Hunk]:
    """Return the hunks of sorted splices in a text."""
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    has_final_newline = lines[-1] == ""
    if has_final_newline:
        lines.pop()
    blocks = list(_find_blocks(text, splices, starts))
    hunks: list[Hunk] = []
    line_offset = 0
    for group in _group_blocks(blocks):
        hunks.append(_make_hunk(lines, group, line_offset, has_final_newline=has_final_newline))
        line_offset += sum(len(block.new_lines) - (block.last - block.first) for block in group)
    return hunks


def _find_blocks(text: str, splices: Sequence[Splice], starts: list[int]) -> Iterator[_ChangedLines]:
    """Yield the changed lines, adjacent ones together."""
    pending: list[Splice] = []
    first = last = -1
    for splice in splices:
        begin = bisect.bisect_right(starts, splice.start) - 1
        end = bisect.bisect_right(starts, splice.end) - 1
        if pending and begin > last + 1:
            yield from _trim(text, pending, starts, first, last)
            pending = []
        if not pending:
            first = begin
        pending.append(splice)
        last = max(last, end) if len(pending) > 1 else end
    if pending:
        yield from _trim(text, pending, starts, first, last)


def _trim(text: str, splices: Sequence[Splice], starts: list[int], first: int, last: int) -> Iterator[_ChangedLines]:
    """Yield a block without unchanged lines at its ends."""
    begin, end = starts[first], min(starts[last + 1], len(text)) if last + 1 < len(starts) else len(text)
    shifted = [
        msgspec.structs.replace(splice, start=splice.start - begin, end=splice.end - begin) for splice in splices
    ]
    old, new = _split_lines(text[begin:end]), _split_lines(apply_splices(text[begin:end], shifted))
    head = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))))
    rest = zip(reversed(old[head:]), reversed(new[head:]), strict=False)
    tail = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], rest)))
    changes = tuple(dict.fromkeys(number for splice in splices for number in splice.changes))
    if old[head : len(old) - tail] or new[head : len(new) - tail]:
        yield _ChangedLines(first + head, first + len(old) - tail, new[head : len(new) - tail], changes)


def _split_lines(text: str) -> list[str]:
    """Return the lines with line feeds, so that a last line without one differs."""
    return [line + "\n" for line in text.split("\n")[:-1]] + ([text.rpartition("\n")[2]] if text[-1:] != "\n" else [])


def _group_blocks(blocks: Sequence[_ChangedLines]) -> Iterator[list[_ChangedLines]]:
    group: list[_ChangedLines] = []
    for block in blocks:
        if group and block.first - group[-1].last > 2 * CONTEXT:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _make_hunk(
    lines: Sequence[str], group: Sequence[_ChangedLines], line_offset: int, *, has_final_newline: bool
) -> Hunk:
    start = max(group[0].first - CONTEXT, 0)
    stop = min(group[-1].last + CONTEXT, len(lines))
    rows: list[str] = []

    def add(mark: str, index: int) -> None:
        rows.append(mark + lines[index])
        if index == len(lines) - 1 and not has_final_newline:
            rows.append(_NO_FINAL_NEWLINE)

    at = start
    for block in group:
        for index in range(at, block.first):
            add(" ", index)
        for index in range(block.first, block.last):
            add("-", index)
        for line in block.new_lines:
            rows.append("+" + line.removesuffix("\n"))
            if not line.endswith("\n"):
                rows.append(_NO_FINAL_NEWLINE)
        at = block.last
    for index in range(at, stop):
        add(" ", index)
    changes = dict.fromkeys(number for block in group for number in block.changes)
    return Hunk(start + 1, start + 1 + line_offset, tuple(rows), tuple(changes))


def format_patch(name: str, hunks: Sequence[Hunk], notes: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a unified diff of one file, without line feeds. notes: texts for the hunk headers.

    name: path relative to the folder where `git apply` or `patch -p1` runs.
    """
    yield f"--- {_format_name('a/' + name)}"
    yield f"+++ {_format_name('b/' + name)}"
    for hunk, note in zip(hunks, notes, strict=True):
        yield hunk.format_header(note)
        yield from hunk.lines


def _format_name(name: str) -> str:
    """Format a name as git does: C quoting if needed, and a tab after a name with spaces."""
    if name.isprintable() and name.isascii() and not set('"\\') & set(name):
        return f"{name}\t" if " " in name else name
    quoted = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in name.encode("utf-8", "surrogateescape")
    )
    return f'"{quoted}"'
