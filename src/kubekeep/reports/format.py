"""Definition of a report format: name, file extension, and a function that writes a report.

Knows no concrete format and does no I/O.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from kubekeep.model.assessment import Assessment


class Extra(enum.StrEnum):
    """Optional parts of an assessment that are costly to compute and only collected if a format requests them."""

    EXCERPTS = "excerpts"
    """Source text around each location: `Evidence.excerpt`."""
    EDITS = "edits"
    """Exact edits of files: `Evidence.edits`."""
    REPOSITORY = "repository"
    """Version control state of the input: `Assessment.repository`."""
    SOURCE = "source"
    """Identity of the scanned cluster, repository or registry, and the packages of images: `Assessment.source`."""
    ATTACK_PATHS = "attack paths"
    """Attack paths to workloads: `Assessment.attacks`."""
    PRIORITIES = "priorities"
    """Resources on attack tracks by priority: `Attacks.prioritised` only."""


class View(enum.StrEnum):
    """Arrangement of the terminal report."""

    OVERVIEW = "overview"
    """One screen: the most urgent resources, and totals."""
    CONTROL = "control"
    RESOURCE = "resource"
    FILE = "file"
    PACKAGE = "package"
    """By version of a package, with the images and workloads that have it."""
    IMAGE = "image"
    """By image, with the workloads that run it."""
    BASE = "base"
    """By base image of several images."""
    ALL = "all"
    """By control, every finding and every passed control."""


class ReportOptions(msgspec.Struct, frozen=True):
    """Presentation options of a report; machine-readable formats only use `audit`."""

    colour: bool = False
    width: int = 100
    """Columns of the terminal; only single words and paths may exceed it."""
    verbose: bool = False
    """Show every failed resource and every passed control."""
    view: View = View.OVERVIEW
    """Arrangement of the terminal report."""
    full: bool = False
    """Print every finding with its text in documents; otherwise a line for each failed control."""
    audit: bool = False
    """Report the use of every exception, also in machine-readable formats."""
    repeatable: bool = True
    """True if frameworks and paths determine the scan, so that suggested commands can repeat it."""
    kubescape_metrics: bool = False
    """Add the metrics with Kubescape's names to those of Prometheus."""
    links: bool = False
    """True if the terminal supports hyperlinks (OSC 8)."""


class ReportFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A report format. `render(assessment, stream, options)` writes a whole report to a stream.

    The stream is a TextIO, or a BinaryIO for a `binary` format. The caller owns it: a format neither closes nor seeks
    it. Written text is valid Unicode, so that any UTF-8 stream accepts it. OSError of the stream passes through.
    """

    name: str
    """Value of `--format`: the name of the module with dashes for underscores."""
    extension: str
    """File extension with its dot: `.json`."""
    owns_extension: bool = True
    """False if the extension is that of another format, so that file names include the name of the format."""
    media_type: str
    description: str
    render: Callable[[Assessment, Any, ReportOptions], None]
    aliases: tuple[str, ...] = ()
    extras: frozenset[Extra] = frozenset()
    short_extras: frozenset[Extra] | None = None
    """Extras of the short form (`full` and `verbose` are false) of a format that has one; None if they are the same."""
    file_extras: frozenset[Extra] = frozenset()
    """Further extras of the view by file."""
    to_file_by_default: bool = False
    """Write to `report<extension>` unless a file name is given, because the output is useless on a terminal."""
    binary: bool = False
    """True if `render` writes bytes; such output is never printed on a terminal."""
    library: str = ""
    """Module of an optional dependency; the extra with the name of the format installs it."""

    def select_extras(self, options: ReportOptions) -> frozenset[Extra]:
        """Return the extras that a report with these options needs."""
        is_short = not (options.full or options.verbose)
        extras = self.extras if self.short_extras is None or not is_short else self.short_extras
        return extras | self.file_extras if options.view is View.FILE else extras
