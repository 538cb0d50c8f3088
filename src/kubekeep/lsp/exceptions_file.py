"""The first exceptions file of a workspace: its path, and the key of the configuration file that names it. Writes nothing."""

# Paths are real paths as text, as documents of an editor name them:
# ruff: noqa: PTH118, PTH120

from __future__ import annotations

import os
from typing import Final

import msgspec

from kubekeep.config.file import NAMES, list_configuration_folders
from kubekeep.exceptions.load import ExceptionsError
from kubekeep.fixes.edits.change import Change
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.text import edit
from kubekeep.kube.settings import find_home_folder
from kubekeep.lsp.client_settings import ClientSettings
from kubekeep.lsp.evaluation import locate_configuration

_NAME: Final = "kubekeep-exceptions.yaml"
_KEY: Final = "exceptions"


class NewExceptionsFile(msgspec.Struct, frozen=True):
    """Real paths of an exceptions file and of the configuration file that shall name it; both may exist or not."""

    path: str
    configuration: str


def plan_exceptions_file(document: str, folder: str, settings: ClientSettings) -> NewExceptionsFile | None:
    """Return the files for a document of a workspace folder; None if no configuration file would take effect.

    They are beside the present configuration file. Without one, they are in the uppermost folder of the workspace that a
    scan of the document searches for a configuration file.
    """
    configuration = locate_configuration(document, settings)
    if not configuration:
        searched = map(os.path.realpath, list_configuration_folders(document, find_home_folder()))
        inside = [each for each in searched if each == folder or each.startswith(os.path.join(folder, ""))]
        if not folder or not inside:
            return None
        configuration = os.path.join(inside[-1], NAMES[0])
    configuration = os.path.realpath(configuration)
    return NewExceptionsFile(os.path.join(os.path.dirname(configuration), _NAME), configuration)


def name_exceptions_file(text: str) -> str:
    """Return the text of a configuration file with the key for the exceptions file. Raises ExceptionsError."""
    parsed = ParsedText(text, is_json=False)
    documents = [(number, value) for number, value in enumerate(parsed.values) if value is not None]
    if not documents:
        end = "\n" if text.strip() and not text.endswith("\n") else ""
        return f"{text}{end}{_KEY}: {_NAME}\n"
    edited = edit(parsed, [Change(documents[0][0], (_KEY,), _NAME)])
    if edited.refused:
        raise ExceptionsError(f"the configuration file cannot be changed: {edited.refused[0]}")
    return edited.text
