"""Values for parameters of controls, from a file in Kubescape's form. Never guesses: a wrong shape is an error."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

import msgspec

from kubekeep.library.load import builtin


class ParamsError(ValueError):
    """The file cannot be used; the message names it."""


def read_params(path: Path, more: AbstractSet[str] = frozenset()) -> dict[str, tuple[str, ...]]:
    """The flat JSON map at `path`: parameter name to a list of strings. Raises ParamsError.

    A name that no control of the library knows, and is none of `more`, is refused: a typo must not leave a
    default in force unseen.
    """
    try:
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[str, ...]])
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: {error}") from error
    known = {name for control in builtin().controls.values() for name in control.params}
    unknown = sorted(set(values) - known - more)
    if unknown:
        raise ParamsError(f"{path}: no control has a parameter {', '.join(unknown)}")
    return values
