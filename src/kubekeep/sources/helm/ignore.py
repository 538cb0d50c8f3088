"""Which files of a chart's folder `.helmignore` leaves out, by Helm's rules. Reads no file.

The rules look like gitignore's and are not (helm.sh/docs/chart_template_guide/helm_ignore_file): a pattern without a
slash is held against the last name alone, one with a slash against the whole path, `**` is refused, and a negated
pattern leaves out everything that does not match it.
"""

from __future__ import annotations

import posixpath
import re
from typing import Final

import msgspec

_DEFAULT: Final = "templates/.?*"
_CHAR: Final = r"(?:\\.|[^\\\]-])"
_RANGE: Final = re.compile(rf"({_CHAR})(?:-({_CHAR}))?", re.DOTALL)
_CLASS: Final = re.compile(rf"\[\^?+(?:{_RANGE.pattern})+\]", re.DOTALL)


class _Rule(msgspec.Struct, frozen=True):
    pattern: re.Pattern[str]
    whole: bool
    negated: bool
    folder: bool

    def matches(self, path: str) -> bool:
        return self.pattern.fullmatch(path if self.whole else posixpath.basename(path)) is not None


class Ignore:
    """The rules of a `.helmignore`, and Helm's own, which leaves out hidden files of `templates/`.

    Raises ValueError for a pattern that Helm refuses.
    """

    def __init__(self, text: str) -> None:
        lines = [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
        self._rules = [_rule(line) for line in (*lines, _DEFAULT) if line and not line.startswith("#")]

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Whether a file, or a folder with all in it, is left out; `path` is relative to the chart."""
        for rule in self._rules:
            if rule.negated:
                if (rule.folder and not folder) or not rule.matches(path):
                    return True
            elif (folder or not rule.folder) and rule.matches(path):
                return True
        return False


def _rule(line: str) -> _Rule:
    if "**" in line:
        raise ValueError("double-star (**) syntax is not supported")
    negated = line.startswith("!")
    text = line[1:] if negated else line
    folder = text.endswith("/")
    text = text.removesuffix("/")
    return _Rule(_compiled(text.removeprefix("/")), "/" in text, negated, folder)


def _compiled(glob: str) -> re.Pattern[str]:
    """Go's `filepath.Match` as a regular expression; raises ValueError for a pattern that is none."""
    parts: list[str] = []
    at = 0
    while at < len(glob):
        char = glob[at]
        if char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            found = _CLASS.match(glob, at)
            if found is None:
                raise ValueError(f"syntax error in pattern {glob!r}")
            parts.append(f"(?!/){_class(found[0])}")
            at = found.end()
            continue
        elif char == "\\":
            at += 1
            if at == len(glob):
                raise ValueError(f"syntax error in pattern {glob!r}")
            parts.append(re.escape(glob[at]))
        else:
            parts.append(re.escape(char))
        at += 1
    return re.compile("".join(parts), re.DOTALL)


def _class(text: str) -> str:
    """A character class; a range that runs backwards has no characters in it."""
    negated = text.startswith("[^")
    parts: list[str] = []
    for match in _RANGE.finditer(text, 2 if negated else 1, len(text) - 1):
        first, last = (piece[-1:] for piece in match.groups(default=match[1]))
        if first <= last:
            parts.append(f"{re.escape(first)}-{re.escape(last)}")
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"
