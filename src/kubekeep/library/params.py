"""Parameter values of controls, read from files and objects in Kubescape's formats.

A wrong type or an unknown name is an error; values of retired parameters are ignored.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.library.load import builtin, parse_document
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible

Values: TypeAlias = dict[str, tuple[str, ...]]

CONTROL_INPUT: Final = "kubescape.io/ControlInput"
"""Kind of the objects that set parameters in a cluster."""
_SHELL_PIPE: Final = re.compile(r"/(?:dev|proc/self)/fd/(?:[3-9]|[1-9]\d+)")
"""Paths of files that a process inherits, without the standard streams."""
_MAX_BYTES: Final = 4 << 20
"""Maximum size of a file with values."""
_RETIRED: Final = frozenset({"listOfDangerousArtifcats", "servicesNames", "wlKnownNames"})
"""Parameters in Kubescape's own file that no control reads any more; they are accepted and ignored."""


class ParamsError(KubekeepError, ValueError):
    """Invalid values. The message names the file or object."""


def read_params(path: Path, controls: Iterable[Control] | None = None) -> Values:
    """Return the values in the file at `path`, by parameter name. Raises ParamsError.

    The file is a flat JSON or YAML map, a Kubescape configuration (`settings.postureControlInputs`) or a
    `ControlInput` object (`spec.controls`). A name that no control of `controls` (default: the library)
    declares is an error, so that a typo does not silently leave the default in force.
    """
    try:
        # A pipe without a writer would block; those that a shell opens for `<(command)` have one.
        if not (stat.S_ISREG(path.stat().st_mode) or _SHELL_PIPE.fullmatch(str(path))):
            raise ParamsError(f"{path}: not a regular file")
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise ParamsError(f"{path}: larger than {_MAX_BYTES >> 20} MiB")
    try:
        decoded = parse_document(content.decode())
    except ValueError as error:
        raise ParamsError(f"{path}: {error}") from error
    return _validate(_extract_values(decoded), str(path), controls)


def find_params(resources: Iterable[Resource]) -> Values:
    """Return the values of the `ControlInput` object named `default` in `resources`, or {}. Raises ParamsError."""
    for resource in resources:
        if CONTROL_INPUT in resource.kind_names and resource.name == "default":
            origin = resource.source.path if resource.source else f"{CONTROL_INPUT} default"
            return _validate(_extract_values(resource.object), origin, None)
    return {}


def _extract_values(decoded: Any) -> Any:
    """Return the map of parameters inside of a decoded file or object."""
    match decoded:
        case {"kind": "ControlInput", "spec": {"controls": values}}:
            return values
        case {"kind": "ControlInput"}:
            # An empty spec sets no parameters. Any other value but a mapping is an error of _validate.
            spec = decoded.get("spec")
            return spec or {}
        case {"settings": {"postureControlInputs": values}}:
            return values
        case _:
            return decoded


def _validate(values: Any, origin: str, controls: Iterable[Control] | None) -> Values:
    try:
        values_by_name = msgspec.convert(values, Values)
    except msgspec.ValidationError as error:
        raise ParamsError(f"{origin}: {error}") from error
    names = {name for control in controls or builtin().controls.values() for name in control.params} | _RETIRED
    unknown = sorted(values_by_name.keys() - names)
    if unknown:
        raise ParamsError(f"{origin}: unknown parameter {', '.join(map(visible, unknown))}")
    return {name: value for name, value in values_by_name.items() if name not in _RETIRED}
