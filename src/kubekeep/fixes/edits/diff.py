"""The lines that splices change, as hunks of a unified diff. Never compares texts: the splices say what is different.

The form is that of POSIX diff -u, as git and patch read it. A hunk carries the numbers of the changes it serves.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.splice import Splice, spliced

CONTEXT: Final = 3
_UNENDED: Final = "\\ No newline at end of file"


class Hunk(msgspec.Struct, frozen=True):
    """Lines that change, with those around them.

    `old` and `new` are the numbers, from 1, of the first line before and after; `lines` begin with a space, `-` or `+`
    and have no line feed. `changes` are the numbers of the changes.
    """

    old: int
    new: int
    lines: tuple[str, ...]
    changes: tuple[int, ...]

    def head(self, note: str = "") -> str:
        """The line `@@ -1,7 +1,8 @@ note`."""
        before = sum(line[0] in " -" for line in self.lines)
        after = sum(line[0] in " +" for line in self.lines)
        text = f"@@ -{_range(self.old, before)} +{_range(self.new, after)} @@"
        return f"{text} {note}" if note else text


def _range(first: int, count: int) -> str:
    # Without a line, that before is meant.
    return f"{first if count else first - 1},{count}"


class _Block(msgspec.Struct):
    """Lines from `first` to before `last`, counted from 0, that become others."""

    first: int
    last: int
    fresh: list[str]
    changes: tuple[int, ...]


def hunks(text: str, splices: Sequence[Splice]) -> list[Hunk]:
    """The hunks of `splices`, which are in order, in `text`."""
    lines = text.split("\n")
    starts = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    ended = lines[-1] == ""
    if ended:
        lines.pop()
    blocks = list(_blocks(text, splices, starts))
    found: list[Hunk] = []
    moved = 0
    for group in _grouped(blocks):
        found.append(_hunk(lines, group, moved, ended=ended))
        moved += sum(len(block.fresh) - (block.last - block.first) for block in group)
    return found


def _blocks(text: str, splices: Sequence[Splice], starts: list[int]) -> Iterator[_Block]:
    """The lines that change, each stretch once."""
    waiting: list[Splice] = []
    first = last = -1
    for splice in splices:
        begin = bisect.bisect_right(starts, splice.start) - 1
        end = bisect.bisect_right(starts, splice.end) - 1
        if waiting and begin > last + 1:
            yield from _trimmed(text, waiting, starts, first, last)
            waiting = []
        if not waiting:
            first = begin
        waiting.append(splice)
        last = max(last, end) if len(waiting) > 1 else end
    if waiting:
        yield from _trimmed(text, waiting, starts, first, last)


def _trimmed(text: str, splices: Sequence[Splice], starts: list[int], first: int, last: int) -> Iterator[_Block]:
    """A block without the lines at its ends that stay as they are."""
    begin, end = starts[first], min(starts[last + 1], len(text)) if last + 1 < len(starts) else len(text)
    moved = [msgspec.structs.replace(item, start=item.start - begin, end=item.end - begin) for item in splices]
    old, new = _kept(text[begin:end]), _kept(spliced(text[begin:end], moved))
    head = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))))
    rest = zip(reversed(old[head:]), reversed(new[head:]), strict=False)
    tail = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], rest)))
    changes = tuple(dict.fromkeys(number for item in splices for number in item.changes))
    if old[head : len(old) - tail] or new[head : len(new) - tail]:
        yield _Block(first + head, first + len(old) - tail, new[head : len(new) - tail], changes)


def _kept(text: str) -> list[str]:
    """The lines with their line feeds, so that one without differs from one with."""
    return [line + "\n" for line in text.split("\n")[:-1]] + ([text.rpartition("\n")[2]] if text[-1:] != "\n" else [])


def _grouped(blocks: Sequence[_Block]) -> Iterator[list[_Block]]:
    group: list[_Block] = []
    for block in blocks:
        if group and block.first - group[-1].last > 2 * CONTEXT:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _hunk(lines: Sequence[str], group: Sequence[_Block], moved: int, *, ended: bool) -> Hunk:
    start = max(group[0].first - CONTEXT, 0)
    stop = min(group[-1].last + CONTEXT, len(lines))
    told: list[str] = []

    def tell(mark: str, index: int) -> None:
        told.append(mark + lines[index])
        if index == len(lines) - 1 and not ended:
            told.append(_UNENDED)

    at = start
    for block in group:
        for index in range(at, block.first):
            tell(" ", index)
        for index in range(block.first, block.last):
            tell("-", index)
        for line in block.fresh:
            told.append("+" + line.removesuffix("\n"))
            if not line.endswith("\n"):
                told.append(_UNENDED)
        at = block.last
    for index in range(at, stop):
        tell(" ", index)
    changes = dict.fromkeys(number for block in group for number in block.changes)
    return Hunk(start + 1, start + 1 + moved, tuple(told), tuple(changes))


def patch(name: str, found: Sequence[Hunk], notes: Sequence[str]) -> Iterator[str]:
    """The lines of a unified diff of one file, without line feeds; `notes` stand in the heads of the hunks.

    `name` is relative to the folder in which the patch is to be applied with `git apply` or `patch -p1`.
    """
    yield f"--- {_name('a/' + name)}"
    yield f"+++ {_name('b/' + name)}"
    for hunk, note in zip(found, notes, strict=True):
        yield hunk.head(note)
        yield from hunk.lines


def _name(name: str) -> str:
    """A name as git writes it: quoted as in C where it must be, with a tab at its end where it has spaces."""
    if name.isprintable() and name.isascii() and not set('"\\') & set(name):
        return f"{name}\t" if " " in name else name
    quoted = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\{byte:03o}"
        for byte in name.encode("utf-8", "surrogateescape")
    )
    return f'"{quoted}"'
