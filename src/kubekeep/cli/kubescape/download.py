"""`kubescape download`: the names of the library's frameworks and controls in files, for scripts that download them.

The library is part of the package. Files that this module wrote stand for it in `--use-from` and `--use-artifacts-from`;
they contain no rules. Never connects to a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from kubekeep._native import VERSION
from kubekeep.cli.console import atomic_files
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.kubescape.parse import FlagError
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework
from kubekeep.usecases.catalog import find, list_controls, list_frameworks, select_controls

_MARK: Final = "kubekeepVersion"
"""Key of the files that this module writes."""
_INPUTS: Final = "controls-inputs"
_FOLDER: Final = ".kubescape"
_LARGEST_FILE: Final = 4 << 20


def download(positional: Sequence[str], output: str) -> None:
    """Write the files of `download artifacts`, `framework NAME`, `control NAME` or `controls-inputs`. Raises FlagError."""
    documents = _create_documents(positional)
    is_file = output.endswith(".json")
    if is_file and len(documents) > 1:
        raise FlagError(f"--output {output}: {len(documents)} files need a folder")
    folder = Path(output) if output else Path.home() / _FOLDER
    files = [folder if is_file else folder / f"{name}.json" for name in documents]
    for file, document in zip(files, documents.values(), strict=True):
        _write(document, file)
    click.echo("\n".join(map(str, files)))
    click.echo("the library is part of the package: scans need no downloaded file", err=True)


def _create_documents(positional: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the documents by name of the file, without its suffix. Raises FlagError."""
    match positional:
        case ["artifacts"]:
            return _create_documents(["framework"]) | {_INPUTS: _inputs()}
        case ["framework"]:
            return {_file_name(framework.name): _framework(framework) for framework in list_frameworks()}
        case ["framework" | "control", name]:
            return {_file_name(name): _find(positional[0], name)}
        case ["controls-inputs"]:
            return {_INPUTS: _inputs()}
        case _:
            raise FlagError("download: name artifacts, framework NAME, control NAME or controls-inputs")


def is_download(path: Path) -> bool:
    """Return True for a file that `download` wrote, and for a folder whose files are such files and parameters only."""
    if path.is_dir():
        files = [file for file in path.glob("*.json") if file.stem != _INPUTS]
        return bool(files) and all(map(is_download, files))
    try:
        document = json.loads(read_small_file(path, _LARGEST_FILE))
    except (OSError, ValueError, RecursionError):
        # The scan reports it.
        return False
    return isinstance(document, dict) and _MARK in document


def _find(noun: str, name: str) -> dict[str, Any]:
    try:
        match = find(name)
    except KubekeepError as error:
        raise FlagError(str(error)) from error
    if noun == "framework" and isinstance(match, Framework):
        return _framework(match)
    if noun == "control" and isinstance(match, Control):
        return {_MARK: VERSION, **_control(match)}
    raise FlagError(f"unknown {noun} {name!r}; `kubekeep list {noun}s` lists them")


def _file_name(name: str) -> str:
    return name.lower().replace("/", "-")


def _framework(framework: Framework) -> dict[str, Any]:
    members: Iterable[Control] = select_controls((framework.slug,), None, "")
    return {
        _MARK: VERSION,
        "name": framework.name,
        "description": framework.description,
        "controls": [_control(control) for control in members],
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "controlID": control.id,
        "name": control.title,
        "description": control.asks,
        "remediation": control.fix,
        "baseScore": control.severity,
    }


def _inputs() -> dict[str, Any]:
    """Return the default of each parameter, the format of `--controls-config`."""
    return {
        name: list(parameter.default)
        for control in list_controls()
        for name, parameter in sorted(control.params.items())
    }


def _write(document: Mapping[str, Any], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlagError(f"{path.parent}: {error.strerror}") from error
    atomic_files.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", path)
