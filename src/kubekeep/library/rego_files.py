"""Bare Rego files as controls: one control for each file, evaluated on every object of the input.

Compiles no Rego.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from kubekeep._native import YamlDocuments
from kubekeep.library import kubescape_rules
from kubekeep.library.kubescape_rules import KubescapeControl, KubescapeRule
from kubekeep.library.load import CONTROL_FILE, RULE_FILE, LibraryError, read_limited, refuse_outside_links
from kubekeep.model.control import Control
from kubekeep.model.definition import Parameter
from kubekeep.model.severity import parse_score

_MAX_BYTES: Final = 1 << 20
_MAX_FILES: Final = 10_000
_HEADER: Final = re.compile(r"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*")
_ANNOTATION: Final = re.compile(
    r"^[ \t]*#[ \t]*@(baseScore|name|description|remediation)[ \t]+(.*?)[ \t]*\r?$", re.MULTILINE
)
_METADATA: Final = re.compile(r"^#[ \t]*METADATA[ \t]*\r?\n((?:#[^\n]*\n)*)", re.MULTILINE)


def list_rego_files(root: Path) -> list[Path]:
    """Return the bare Rego files of a folder, without rules of controls, shared modules and tests. Raises LibraryError."""
    files = [file for file in sorted(root.glob("**/*.rego")) if _is_bare(file, root)]
    if len(files) > _MAX_FILES:
        raise LibraryError(f"{root}: more than {_MAX_FILES} Rego files")
    refuse_outside_links(files, root)
    return files


def _is_bare(file: Path, root: Path) -> bool:
    belongs_to_control = file.name == RULE_FILE and (file.parent / CONTROL_FILE).exists()
    return not (belongs_to_control or file.stem.endswith("_test") or file.parent == root / "lib")


def read_rego(files: Sequence[Path], framework: str) -> tuple[KubescapeControl, ...]:
    """Return a control for each of `files`, all members of `framework`. Raises LibraryError."""
    controls: dict[str, KubescapeControl] = {}
    for file in files:
        new = _build_control(file, framework)
        if new.control.slug in controls:
            raise LibraryError(f"{file}: rule {new.control.slug} is defined twice")
        controls[new.control.slug] = new
    return tuple(controls.values())


def _build_control(file: Path, framework: str) -> KubescapeControl:
    try:
        source = read_limited(file, _MAX_BYTES).decode()
    except UnicodeDecodeError as error:
        raise LibraryError(f"{file}: {error}") from error
    if kubescape_rules.find_package(source) is None:
        raise LibraryError(f"{file}:1: package is missing or not a plain name, such as `package rules`")
    if not kubescape_rules.has_sets(source):
        raise LibraryError(
            f"{file}:1: no rule returns a set of responses, such as `deny contains response if {{ ... }}`"
        )
    annotations = dict(_read_annotations(source, file))
    rule = KubescapeRule(
        name=file.stem,
        file=str(file),
        source=source,
        inputs=kubescape_rules.list_inputs(source),
        obstacle=kubescape_rules.find_obstacle(source),
    )
    title = annotations.get("name", file.stem)
    control = Control(
        slug=f"custom-{file.stem}",
        title=title,
        severity=_parse_severity(annotations, file),
        asks=annotations.get("description", title),
        why="",
        fix=annotations.get("remediation", kubescape_rules.DEFAULT_FIX),
        targets=kubescape_rules.list_targets([rule]),
        params={name: Parameter(description=f"used by {file.name}") for name in rule.inputs},
        satisfies={framework: ()},
    )
    return KubescapeControl(control=control, rules=(rule,), must_compile=True)


def _parse_severity(annotations: Mapping[str, str], file: Path) -> float:
    text = annotations.get("baseScore", str(kubescape_rules.DEFAULT_SEVERITY))
    try:
        return parse_score(text)
    except ValueError as error:
        raise LibraryError(f"{file}: @baseScore {text} is not a number from 0 to 10") from error


def _read_annotations(source: str, file: Path) -> Iterator[tuple[str, str]]:
    """Yield the annotations in comments: OPA's METADATA first, so that Kubescape's `# @name` overrides its title."""
    block = _METADATA.search(source)
    if block:
        text = "\n".join(line[1:].removeprefix(" ") for line in block[1].splitlines())
        document = next(YamlDocuments(text, 32, 1_000, 1, 10_000), None)
        fields = document[0] if document and len(document) == 3 else None
        if not isinstance(fields, dict):
            raise LibraryError(f"{file}: METADATA is not a YAML mapping")
        for ours, theirs in (("name", "title"), ("description", "description")):
            if isinstance(fields.get(theirs), str):
                yield ours, fields[theirs]
    header = _HEADER.match(source)
    yield from _ANNOTATION.findall(header[0] if header else "")
