"""The cases of controls: manifests beside a control that say themselves what has to become of them. Never judges one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.library.load import Library, LibraryError
from kubekeep.model.control import Control

_OPTION: Final = re.compile(r"^# (params|kubernetes|paths): (.*)$", re.MULTILINE)
EXPECTED: Final = ("fail", "pass", "skip")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case sets besides its manifests; without `paths` the places of failures are not compared."""

    params: dict[str, tuple[str, ...]] = {}
    kubernetes: Annotated[str, msgspec.Meta(pattern=r"^1\.\d+$")] = "1.37"
    """Versions that scans no longer know are allowed: rules may speak of them."""
    paths: tuple[str, ...] | None = None

    @property
    def minor(self) -> int:
        """The minor version of Kubernetes."""
        return int(self.kubernetes.partition(".")[2])


class Case(msgspec.Struct, frozen=True):
    """A file beside a control: `fail.*` must fail, `pass.*` must pass, `skip.*` must not be evaluated or not apply.

    Comment lines at its top may set `# params: {"name": ["value"]}`, `# kubernetes: "1.30"` and
    `# paths: ["exact evidence paths"]`, each as JSON.
    """

    control: Control
    file: Path
    options: Options

    @property
    def expected(self) -> str:
        """`fail`, `pass` or `skip`."""
        return self.file.name.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.control.slug}/{self.file.name}"


def cases_of(library: Library, controls: Iterable[Control]) -> list[Case]:
    """Every case of `controls`, which are of `library`. Raises LibraryError for what is no case."""
    return [
        _case(control, file)
        for control in controls
        for file in sorted((library.folder(control) / "cases").glob("*.yaml"))
    ]


def _case(control: Control, file: Path) -> Case:
    try:
        found = _OPTION.findall(file.read_text(encoding="utf-8"))
        options = {key: msgspec.json.decode(value) for key, value in found}
        case = Case(control, file, msgspec.convert(options, Options))
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: {error}") from error
    if case.expected not in EXPECTED:
        raise LibraryError(f"{file}: its name does not begin with {', '.join(f'{word}.' for word in EXPECTED)}")
    return case


def objects(case: Case) -> list[dict[str, Any]]:
    """The documents of the case. Raises LibraryError for what is no YAML."""
    found: list[dict[str, Any]] = []
    for item in YamlDocuments(case.file.read_text(encoding="utf-8"), 100, 10_000, 1_000, 1_000_000):
        if item is None:
            continue
        if len(item) != 3:
            raise LibraryError(f"{case.file}: {item[0]}")
        if isinstance(item[0], dict):
            found.append(item[0])
    return found
