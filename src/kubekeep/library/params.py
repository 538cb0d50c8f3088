"""Values for parameters of controls, from a file in Kubescape's form. Never guesses: a wrong shape is an error."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kubekeep.library.load import builtin


class ParamsError(ValueError):
    """The file cannot be used; the message names it."""


def read_params(path: Path) -> dict[str, tuple[str, ...]]:
    """The flat JSON map at `path`: parameter name to a list of strings. Raises ParamsError.

    A name that no control knows is refused: a typo must not leave a default in force unseen.
    """
    try:
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, ...]])
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: {error}") from error
    known = {name for control in builtin().controls.values() for name in control.params}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ParamsError(f"{path}: no control has a parameter {', '.join(unknown)}")
    return values
