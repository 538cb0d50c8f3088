"""The terminal of the commands for findings of a server."""

from __future__ import annotations

import sys

from kubekeep.cli.settings import get_width, settings
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.terminal import Terminal


def open_terminal() -> Terminal:
    """Return the writer for standard output."""
    preferences = settings()
    is_terminal = sys.stdout.isatty()
    return Terminal(
        sys.stdout,
        ReportOptions(
            colour=is_terminal and preferences.colour,
            links=is_terminal and preferences.links,
            width=get_width(sys.stdout),
        ),
    )
