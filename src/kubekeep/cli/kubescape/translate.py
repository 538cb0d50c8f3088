"""A command line of Kubescape as one of ours. Makes words of words; runs nothing.

What cannot be said the same way ends in an error: a scan that quietly does something else would be worse than none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.cli.kubescape.flags import SCAN, WORKLOAD, Fate, Flag, Takes
from kubekeep.cli.kubescape.parse import FlagError, Given

UNNAMED: Final = ("framework", "workloadscan,allcontrols")
"""What Kubescape scans files for when nothing is named."""
_VIEW: Final = ("framework", "allcontrols,nsa,mitre")
"""What it scans for with `--view control` or `--view resource`."""
_WORDS: Final = frozenset({"framework", "control", "workload", "image"})
_FORMATS: Final = {"pretty-printer": "pretty"}


class Ours(msgspec.Struct, frozen=True):
    """Words for a command of ours, and what there is to say about flags without effect."""

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


def scan_flags(words: Sequence[str]) -> tuple[Flag, ...]:
    """The flags of the scan that `words` ask for."""
    return WORKLOAD if "workload" in words else SCAN


def scan(alone: Sequence[str], given: Sequence[Given], frameworks: Sequence[str]) -> Ours:
    """`kubescape scan`, for our `scan`. `frameworks` are the names that `framework all` stands for.

    Raises FlagError for what is not here.
    """
    options, notes = translated(given)
    task, rest = (alone[0], list(alone[1:])) if alone and alone[0] in _WORDS else ("", list(alone))
    if task == "image":
        raise FlagError("images are not scanned")
    head = _head(task, rest, given, frameworks)
    if not rest:
        raise FlagError("name a file or a folder: running clusters are not scanned yet")
    return Ours(("--no-config", *options, *head, "--", *rest), notes)


def _head(task: str, rest: list[str], given: Sequence[Given], frameworks: Sequence[str]) -> tuple[str, ...]:
    """What stands before the paths; takes its own words out of `rest`."""
    included = _value(given, "include-controls")
    match task:
        case "framework" | "control":
            if not rest:
                raise FlagError(f"scan {task}: name at least one {task}")
            names = rest.pop(0)
            if task == "framework" and names.lower() == "all":
                names = ",".join(frameworks)
            return (task, names) if not included else ("control", included)
        case "workload":
            if not rest:
                raise FlagError("scan workload: name it as [namespace/]kind/name")
            name = _workload(rest.pop(0), given)
            rest.extend(filter(None, [_value(given, "chart-path") or _value(given, "file-path")]))
            return "workload", name
        case _ if included:
            return "control", included
        case _:
            return _VIEW if _value(given, "view") in {"control", "resource"} else UNNAMED


def _workload(name: str, given: Sequence[Given]) -> str:
    """The workload as ours takes it: `namespace/kind.version.group/name`."""
    parts = name.split("/")
    version = _value(given, "api-version")
    if version and len(parts) >= 2:
        group, _, number = version.rpartition("/")
        parts[-2] = ".".join(filter(None, (parts[-2], number, group)))
    namespace = _value(given, "namespace")
    return "/".join([*([namespace] if namespace and len(parts) == 2 else []), *parts])


def _value(given: Sequence[Given], name: str) -> str:
    """The last value of a flag; empty if it is not given."""
    return next((value for flag, value in reversed(given) if flag.name == name), "")


def translated(given: Sequence[Given]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Our options for flags that have one, and notes about those that have no effect. Raises FlagError."""
    options: list[str] = []
    notes: list[str] = []
    for flag, value in given:
        match flag.fate:
            case Fate.REFUSED if not (flag.takes is Takes.SWITCH and value == "false"):
                raise FlagError(f"{flag} is not here: {flag.why}")
            case Fate.TOLD:
                notes.append(f"{flag} has no effect: {flag.why}")
            case Fate.SAME:
                options += _options(flag, value)
            case _:
                pass
    return tuple(options), tuple(notes)


def _options(flag: Flag, value: str) -> list[str]:
    if flag.takes is Takes.SWITCH:
        name = flag.becomes if value == "true" else flag.no
        return [f"--{name}"] if name else []
    if flag.name == "format-version" and value not in {"", "v2"}:
        raise FlagError(f"{flag} {value} is not here: reports in JSON have the layout of v2")
    words = _values(flag, value)
    return [word for item in words for word in (f"--{flag.becomes}", item)]


def _values(flag: Flag, value: str) -> list[str]:
    """What our option gets, once for each value; Kubescape's defaults are empty, so scripts pass empty variables."""
    match flag.name:
        case "include-controls" | "namespace" | "file-path" | "chart-path" | "api-version" | "format-version":
            return []
        case "view" if value == "security":
            return []
        case "format":
            return [",".join(_FORMATS.get(name.strip(), name.strip()) for name in value.split(","))]
        case "compliance-threshold" | "fail-coverage-below" if not value.strip("0."):
            # Zero is Kubescape's way to say that there is no limit.
            return []
        case "values" | "use-from":
            return [item for item in value.split(",") if item]
        case _:
            return [value] if value else []
