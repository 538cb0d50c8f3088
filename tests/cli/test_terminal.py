"""The first screen in a real terminal: its width, its length and the progress line."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from scripts.terminal import run_in_terminal

from kubekeep.reports.shared.terminal import cells

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
PROGRESS = re.compile(r"(?:\r[^\n\r]*)*\r\x1b\[K")
STYLE = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;;.*?\x1b\\")


def run_kubekeep(columns: int, *arguments: str, **variables: str) -> str:
    """Return the output of `kubekeep` in a pseudo-terminal with so many columns."""
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    return run_in_terminal([sys.executable, "-m", "kubekeep", *arguments], columns, environment | variables)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("columns", [80, 100, 200])
def test_screen_fits_the_terminal(columns: int, unbuffered: str) -> None:
    output = run_kubekeep(columns, "scan", str(SHOP), PYTHONUNBUFFERED=unbuffered, TERM="xterm-256color")
    lines = STYLE.sub("", PROGRESS.sub("", output)).splitlines()
    # Commands are printed in one piece, so that they can be copied.
    lines = [line for line in lines if "kubekeep scan" not in line]
    assert max(map(cells, lines)) <= columns
    assert len(lines) <= 45 + 10 * (columns < 100)
    # The path of the shop is long enough to need more than 100 columns on the line of a resource.
    assert (max(map(cells, lines)) > 100) == (columns > 100)


def test_explanation_fits_a_narrow_terminal() -> None:
    lines = STYLE.sub("", run_kubekeep(80, "explain", "C-0057")).splitlines()
    assert max(map(cells, lines)) <= 80


def test_progress_is_shown_from_the_start() -> None:
    assert run_kubekeep(100, "scan", str(SHOP)).startswith("\rreading ...")


def test_options_of_scan_have_sections() -> None:
    output = run_kubekeep(100, "scan", "--help-all")
    headings = re.findall(r"^(\S.*):$", output, re.MULTILINE)
    assert headings == [
        *("Report", "Rules", "Limits", "Resources and files", "Exceptions", "Charts and overlays", "Images"),
        *("Vulnerabilities", "Cluster", "Other options"),
    ]


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm-256color"}])
@pytest.mark.parametrize("arguments", [("scan", str(SHOP)), ("explain", "C-0057"), ("fix", str(SHOP), "--dry-run")])
def test_terminals_without_colours_get_none(variables: dict[str, str], arguments: tuple[str, ...]) -> None:
    plain = PROGRESS.sub("", run_kubekeep(100, *arguments, **variables))
    assert not re.search(r"\x1b\[[0-9;]*m", plain)
    coloured = run_kubekeep(100, *arguments, TERM="xterm-256color")
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
