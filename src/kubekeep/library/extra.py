"""Collection of user-supplied rules: folders of controls, bare Rego files and Kubescape bundles.

Reads only the paths it gets; evaluates no rules.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.library.kubescape_rules import KubescapeControl
from kubekeep.library.load import CONTROL_FILE, Library, LibraryError, builtin
from kubekeep.model.control import CUSTOM, Control
from kubekeep.model.framework import Framework

CUSTOM_RULES: Final = Framework(
    slug=CUSTOM,
    name=CUSTOM,
    title="Custom rules",
    description="The controls and rules of --custom-rules.",
)


class ExtraRules(msgspec.Struct, frozen=True, kw_only=True):
    """User-supplied rules in addition to the built-in library."""

    library: Library
    """The built-in library with the user's folders of controls."""
    has_custom_rules: bool = False
    """True if there are custom rules, which are always evaluated."""
    controls: tuple[KubescapeControl, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    """Frameworks of bundles; they take precedence over frameworks of the library with the same name."""
    has_bundles: bool = False
    """True if there are bundles, which replace the library."""
    inputs: dict[str, tuple[str, ...]] = {}
    exceptions: tuple[str, ...] = ()
    """Paths of the exception files in bundles."""
    notes: tuple[str, ...] = ()

    @property
    def default_params(self) -> dict[str, tuple[str, ...]]:
        """Default values of the library's parameters. Kubescape rules read the same parameters by the same names."""
        controls = self.library.controls.values()
        return {
            name: parameter.default
            for control in controls
            for name, parameter in control.params.items()
            if parameter.default
        }

    @property
    def all_controls(self) -> tuple[Control, ...]:
        """All controls of the library and of Kubescape's rules."""
        return (*self.library.controls.values(), *(loaded.control for loaded in self.controls))


def load_rules(custom: Sequence[Path] = (), bundles: Sequence[Path] = ()) -> ExtraRules:
    """Load the rules at `custom` (folders of controls, bare Rego files) and `bundles` (JSON). Raises LibraryError."""
    if not (custom or bundles):
        return ExtraRules(library=builtin())
    # Most scans use only the built-in library.
    from kubekeep.library.bundles import read_bundles  # noqa: PLC0415
    from kubekeep.library.rego_files import list_rego_files, read_rego  # noqa: PLC0415

    library, files, library_notes = builtin(), list[Path](), list[str]()
    for path in custom:
        if not path.exists():
            raise LibraryError(f"{path}: no such file or folder")
        if not path.is_dir():
            files.append(path)
            continue
        bare_files = list_rego_files(path)
        control_file = next(path.glob(f"**/{CONTROL_FILE}"), None)
        if not bare_files and control_file is None:
            raise LibraryError(f"{path}: the folder contains neither a control nor a Rego file")
        files += bare_files
        if control_file is not None:
            library = Library(Path(os.path.realpath(path)), parent=library, own_framework=CUSTOM_RULES)
            library_notes += library.notes
    bundles_content = read_bundles(bundles)
    return ExtraRules(
        library=library,
        has_custom_rules=bool(custom),
        controls=(*read_rego(files, CUSTOM_RULES.slug), *bundles_content.controls),
        frameworks=bundles_content.frameworks,
        has_bundles=bool(bundles),
        inputs=bundles_content.inputs,
        exceptions=bundles_content.exceptions,
        notes=(*library_notes, *bundles_content.notes),
    )
