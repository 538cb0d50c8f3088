"""The rules that a user brings along, gathered into one value: own folders, bare Rego files and bundles.

Reads what it is told to read and nothing else; never evaluates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.library.bundles import read_bundles
from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.load import CONTROL_FILE, Library, LibraryError, builtin
from kubekeep.library.rego_files import read_rego, rego_files
from kubekeep.model.control import CUSTOM, Control
from kubekeep.model.framework import Framework

CUSTOM_RULES: Final = Framework(
    slug=CUSTOM,
    name=CUSTOM,
    title="Custom rules",
    description="The controls and rules given with --custom-rules.",
)


class ExtraRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a user brought along; without anything, the library that comes with Kubekeep."""

    library: Library
    """Our own, and on top of it the folders in our own form."""
    custom: bool = False
    """Whether there are custom rules: they are always evaluated."""
    controls: tuple[KubescapeControl, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    """Those of bundles: they are known by name besides the library's, and before them."""
    bundled: bool = False
    """Whether there are bundles: they stand in for the library."""
    inputs: dict[str, tuple[str, ...]] = {}
    exceptions: tuple[str, ...] = ()
    """The paths of files of exceptions that lie beside bundles."""
    notes: tuple[str, ...] = ()

    @property
    def defaults(self) -> dict[str, tuple[str, ...]]:
        """The library's own values of parameters: rules of other people read the same ones by the same names."""
        controls = self.library.controls.values()
        return {name: item.default for control in controls for name, item in control.params.items() if item.default}

    @property
    def known(self) -> tuple[Control, ...]:
        """Every control there is, the library's and those brought along."""
        return (*self.library.controls.values(), *(item.control for item in self.controls))


def gather(custom: Sequence[Path] = (), bundles: Sequence[Path] = ()) -> ExtraRules:
    """The rules at `custom` (folders in our own form, bare Rego) and `bundles` (JSON). Raises LibraryError."""
    library, files = builtin(), list[Path]()
    for path in custom:
        if not path.exists():
            raise LibraryError(f"{path}: no such file or folder")
        if not path.is_dir():
            files.append(path)
            continue
        bare = rego_files(path)
        own = next(path.glob(f"**/{CONTROL_FILE}"), None)
        if not bare and own is None:
            raise LibraryError(f"{path}: neither a control nor a Rego file in it")
        files += bare
        if own is not None:
            library = Library(path.resolve(), beneath=library, own=CUSTOM_RULES)
    loaded = read_bundles(bundles)
    return ExtraRules(
        library=library,
        custom=bool(custom),
        controls=(*read_rego(files, CUSTOM_RULES.slug), *loaded.controls),
        frameworks=loaded.frameworks,
        bundled=bool(bundles),
        inputs=loaded.inputs,
        exceptions=loaded.exceptions,
        notes=loaded.notes,
    )
