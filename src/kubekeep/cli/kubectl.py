"""Completion of `kubectl kubekeep`. Prints candidates in the protocol of kubectl; completes nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click.shell_completion import ShellComplete

_NO_FILES = 4
"""Directive of Cobra, kubectl's library: offer no files in addition."""
_FOLDERS_ONLY = 16


def complete(group: click.Group, words: Sequence[str]) -> None:
    """Print the candidates for the last of the words, one per line with its help, then the directive.

    kubectl runs the program `kubectl_complete-kubekeep` with the words that follow `kubectl kubekeep`.
    """
    *complete_words, incomplete = words or ("",)
    shell = ShellComplete(group, {}, "kubectl kubekeep", "")
    candidates = shell.get_completions(complete_words, incomplete)
    kinds = {candidate.type for candidate in candidates}
    for candidate in candidates:
        if candidate.type == "plain":
            click.echo(f"{candidate.value}\t{candidate.help}" if candidate.help else candidate.value)
    click.echo(f":{0 if 'file' in kinds else _FOLDERS_ONLY if 'dir' in kinds else _NO_FILES}")
