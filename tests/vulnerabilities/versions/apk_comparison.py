"""A second implementation of the order of apk-tools 3: token by token, as its documentation describes, without keys."""

from __future__ import annotations

import re

SUFFIXES = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]
KINDS = ["initial", "digit", "letter", "suffix", "number", "hash", "revision", "end", "invalid"]
"""Kinds of parts; a version that continues with an earlier kind is after the other one, pre-release suffixes apart."""

Part = tuple[str, str]


def split(version: str) -> list[Part]:
    """Return the parts of a version, "end" or "invalid" last."""
    parts: list[Part] = []
    kind, rest = "initial", version
    text = re.match(r"[0-9]*", rest)
    assert text
    if not text.group():
        return [("invalid", "")]
    parts.append((kind, text.group()))
    rest = rest[text.end() :]
    while rest:
        kind, value, rest = next_part(kind, rest)
        parts.append((kind, value))
        if kind == "invalid":
            return parts
    return [*parts, ("end", "")]


def next_part(former: str, rest: str) -> tuple[str, str, str]:
    """Return kind and text of the next part, and the rest of the version."""
    rank = KINDS.index(former)
    for kind, pattern, last in (
        ("letter", r"([a-z])", "digit"),
        ("digit", r"\.([0-9]+)", "digit"),
        ("suffix", r"_([a-z]+)", "number"),
        ("hash", r"~([0-9a-fA-F]+)", "number"),
        ("revision", r"-r([0-9]+)", "hash"),
    ):
        match = re.match(pattern, rest)
        if match and rank <= KINDS.index(last) and (kind != "suffix" or match[1] in SUFFIXES):
            return kind, match[1], rest[match.end() :]
    match = re.match(r"([0-9]+)", rest)
    if match and former == "suffix":
        return "number", match[1], rest[match.end() :]
    return "invalid", "", rest


def compare(first: str, second: str) -> int:
    """Return -1, 0 or 1."""
    for (kind, text), (other_kind, other_text) in zip(split(first), split(second), strict=False):
        if kind != other_kind:
            return compare_kinds(kind, text, other_kind, other_text)
        left: int | str = text
        right: int | str = other_text
        if kind in ("initial", "number", "revision") or (kind == "digit" and "0" not in (text[0], other_text[0])):
            left, right = int(text), int(other_text)
        elif kind == "suffix":
            left, right = SUFFIXES.index(text), SUFFIXES.index(other_text)
        if left != right:
            return -1 if left < right else 1  # type: ignore[operator] # both are numbers or both texts
    return 0


def compare_kinds(kind: str, text: str, other_kind: str, other_text: str) -> int:
    """Return the order of two versions that continue with different kinds of parts."""
    if kind == "suffix" and SUFFIXES.index(text) < SUFFIXES.index(""):
        return -1
    if other_kind == "suffix" and SUFFIXES.index(other_text) < SUFFIXES.index(""):
        return 1
    return 1 if KINDS.index(kind) < KINDS.index(other_kind) else -1
