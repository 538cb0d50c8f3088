"""Values for parameters of controls, from files and objects in Kubescape's forms.

Never guesses: a wrong shape or an unknown name is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.library.load import builtin, document
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible

Values: TypeAlias = dict[str, tuple[str, ...]]

CONTROL_INPUT: Final = "kubescape.io/ControlInput"
"""The kind of the objects by which a cluster sets parameters."""
_RETIRED: Final = frozenset({"listOfDangerousArtifcats", "servicesNames", "wlKnownNames"})
"""Names that Kubescape's own file carries and no control reads any more."""


class ParamsError(KubekeepError, ValueError):
    """The values cannot be used; the message names where they are from."""


def read_params(path: Path, controls: Iterable[Control] | None = None) -> Values:
    """The values in the file at `path`: parameter name to a list of strings. Raises ParamsError.

    The file is a flat JSON or YAML map, a Kubescape configuration (`settings.postureControlInputs`) or a
    `ControlInput` object (`spec.controls`). A name that none of `controls`, or of the library, knows is refused: a
    typo must not leave a default in force unseen.
    """
    try:
        found = document(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ParamsError(f"{path}: {error}") from error
    return _checked(_inner(found), str(path), controls)


def params_of(resources: Iterable[Resource]) -> Values:
    """The values in the `ControlInput` object named `default` among `resources`. Raises ParamsError."""
    for resource in resources:
        if CONTROL_INPUT in resource.kind_names and resource.name == "default":
            where = resource.source.path if resource.source else f"{CONTROL_INPUT} default"
            return _checked(_inner(resource.object), where, None)
    return {}


def _inner(found: Any) -> Any:
    match found:
        case {"kind": "ControlInput", "spec": {"controls": values}}:
            return values
        case {"kind": "ControlInput"}:
            # Without controls it sets nothing; anything but a mapping is no spec.
            spec = found.get("spec")
            return spec or {}
        case {"settings": {"postureControlInputs": values}}:
            return values
        case _:
            return found


def _checked(values: Any, where: str, controls: Iterable[Control] | None) -> Values:
    try:
        named = msgspec.convert(values, Values)
    except msgspec.ValidationError as error:
        raise ParamsError(f"{where}: {error}") from error
    known = {name for control in controls or builtin().controls.values() for name in control.params} | _RETIRED
    unknown = sorted(named.keys() - known)
    if unknown:
        raise ParamsError(f"{where}: no control has a parameter {', '.join(map(visible, unknown))}")
    return {name: value for name, value in named.items() if name not in _RETIRED}
