"""Bare Rego files as controls: one file, one control, over every object of the input.

Reads and describes; whether a file compiles is for the engine to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from kubekeep._native import YamlDocuments
from kubekeep.library import kubescape_rules
from kubekeep.library.bundles import read_limited
from kubekeep.library.kubescape_rules import KubescapeControl, KubescapeRule
from kubekeep.library.load import CONTROL_FILE, RULE_FILE, LibraryError
from kubekeep.model.control import Control, Parameter
from kubekeep.model.severity import read_score

_MOST_BYTES: Final = 1 << 20
_MOST_FILES: Final = 10_000
_HEADER: Final = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*")
_ANNOTATION: Final = re.compile(
    r"^[ \t]*#[ \t]*@(baseScore|name|description|remediation)[ \t]+(.*?)[ \t]*\r?$", re.MULTILINE
)
_METADATA: Final = re.compile(r"^#[ \t]*METADATA[ \t]*\r?\n((?:#[^\n]*\n)*)", re.MULTILINE)


def rego_files(root: Path) -> list[Path]:
    """The bare Rego files of a folder: not those of controls in our own form, shared modules or tests."""
    found = [file for file in sorted(root.glob("**/*.rego")) if _is_bare(file, root)]
    if len(found) > _MOST_FILES:
        raise LibraryError(f"{root}: more than {_MOST_FILES} Rego files")
    outside = next((file for file in found if not file.resolve().is_relative_to(root.resolve())), None)
    if outside:
        raise LibraryError(f"{outside}: a link that leads out of {root}")
    return found


def _is_bare(file: Path, root: Path) -> bool:
    own = file.name == RULE_FILE and (file.parent / CONTROL_FILE).exists()
    return not (own or file.stem.endswith("_test") or file.parent == root / "lib")


def read_rego(files: Sequence[Path], framework: str) -> tuple[KubescapeControl, ...]:
    """A control for each of `files`, all serving `framework`. Raises LibraryError."""
    found: dict[str, KubescapeControl] = {}
    for file in files:
        item = _control(file, framework)
        if item.control.slug in found:
            raise LibraryError(f"{file}: there is another rule {item.control.slug}")
        found[item.control.slug] = item
    return tuple(found.values())


def _control(file: Path, framework: str) -> KubescapeControl:
    try:
        source = read_limited(file, _MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise LibraryError(f"{file}: {error}") from error
    if kubescape_rules.package(source) is None:
        raise LibraryError(f"{file}:1: no package of plain names, such as `package rules`")
    if not kubescape_rules.has_sets(source):
        raise LibraryError(f"{file}:1: no rule gathers responses, such as `deny contains response if {{ ... }}`")
    said = dict(_said(source, file))
    rule = KubescapeRule(
        name=file.stem,
        file=str(file),
        source=source,
        inputs=kubescape_rules.inputs_read(source),
        obstacle=kubescape_rules.obstacle(source),
    )
    title = said.get("name", file.stem)
    control = Control(
        slug=f"custom-{file.stem}",
        title=title,
        severity=_severity(said, file),
        asks=said.get("description", title),
        why="",
        fix=said.get("remediation", kubescape_rules.ADVICE),
        targets=kubescape_rules.targets([rule]),
        params={name: Parameter(description=f"read by {file.name}") for name in rule.inputs},
        satisfies={framework: ()},
    )
    return KubescapeControl(control=control, rules=(rule,), must_compile=True)


def _severity(said: Mapping[str, str], file: Path) -> float:
    text = said.get("baseScore", str(kubescape_rules.DEFAULT_SEVERITY))
    try:
        return read_score(text)
    except ValueError as error:
        raise LibraryError(f"{file}: @baseScore {text} is no number from 0 to 10") from error


def _said(source: str, file: Path) -> Iterator[tuple[str, str]]:
    """What comments say of the rule: OPA's METADATA first, so that Kubescape's `# @name` wins over its title."""
    block = _METADATA.search(source)
    if block:
        text = "\n".join(line[1:].removeprefix(" ") for line in block[1].splitlines())
        document = next(YamlDocuments(text, 32, 1_000, 1, 10_000), None)
        fields = document[0] if document and len(document) == 3 else None
        if not isinstance(fields, dict):
            raise LibraryError(f"{file}: METADATA is no YAML mapping")
        for ours, theirs in (("name", "title"), ("description", "description")):
            if isinstance(fields.get(theirs), str):
                yield ours, fields[theirs]
    header = _HEADER.match(source)
    yield from _ANNOTATION.findall(header[0] if header else "")
