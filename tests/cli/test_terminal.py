"""The first screen in a real terminal: its width, its length and the progress line."""

from __future__ import annotations

import os
import re
import shutil
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
    return run_in(None, columns, *arguments, **variables)


def run_in(folder: Path | None, columns: int, *arguments: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    return run_in_terminal([sys.executable, "-m", "kubekeep", *arguments], columns, environment | variables, folder)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("columns", "folder"), [(80, 4), (80, 42), (80, 47), (80, 90), (100, 62), (200, 62)])
def test_screen_fits_the_terminal(tmp_path: Path, columns: int, folder: int, unbuffered: str) -> None:
    """folder: characters of the folder's name; the longest name of a file below it has 29."""
    shop = "f" * folder
    shutil.copytree(SHOP, tmp_path / shop)
    output = run_in(tmp_path, columns, "scan", shop, PYTHONUNBUFFERED=unbuffered, TERM="xterm-256color")
    lines = STYLE.sub("", PROGRESS.sub("", output)).splitlines()
    assert sum(max(1, -(-cells(line) // columns)) for line in lines) <= 45 + 10 * (columns < 100)
    # Commands and paths are printed in one piece, so that they can be copied.
    long_lines = [line for line in lines if cells(line) > columns]
    assert all(line.strip().startswith(("kubekeep ", shop)) for line in long_lines)
    assert any(line.strip().startswith(shop) for line in long_lines) == (folder > columns)
    # The path is long enough to need more than 100 columns on the line of a resource.
    assert (max(map(cells, lines)) > 100) == (columns > 100 or folder > 80)


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
        *("Vulnerabilities", "Cluster", "Server", "Other options"),
    ]


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"NO_COLOR": "1", "TERM": "xterm-256color"}])
@pytest.mark.parametrize("arguments", [("scan", str(SHOP)), ("explain", "C-0057"), ("fix", str(SHOP), "--dry-run")])
def test_terminals_without_colours_get_none(variables: dict[str, str], arguments: tuple[str, ...]) -> None:
    plain = PROGRESS.sub("", run_kubekeep(100, *arguments, **variables))
    assert not re.search(r"\x1b\[[0-9;]*m", plain)
    coloured = run_kubekeep(100, *arguments, TERM="xterm-256color")
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
