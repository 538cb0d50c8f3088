"""Create the pictures of the README from real scans in a pseudo-terminal: `python -m scripts.picture`.

Runs on POSIX systems only.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from scripts.terminal import run_in_terminal

ROOT = Path(__file__).parent.parent
WIDTH = 100
COMMAND = ("scan", "examples/online-shop")
JOINED = (*COMMAND, "sbom:examples/sboms/storefront.cdx.json", "--advisories", "examples/advisories")
PICTURES = {"terminal.svg": COMMAND, "images-and-workloads.svg": JOINED}


def record_output(arguments: tuple[str, ...]) -> str:
    """Return the output of `kubekeep` with `arguments` in a terminal of WIDTH columns."""
    environment = os.environ | {"COLUMNS": str(WIDTH), "LINES": "60", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
    environment.pop("NO_COLOR", None)
    command = [str(Path(sys.executable).with_name("kubekeep")), *arguments]
    text = run_in_terminal(command, WIDTH, environment, ROOT)
    # The progress line overwrites itself.
    return re.sub(r"(?:\r[^\n\r]*)*\r\x1b\[K", "", text)


def main() -> None:
    """Write the pictures."""
    for name, command in PICTURES.items():
        _write(ROOT / "docs" / name, command)


def _write(path: Path, command: tuple[str, ...]) -> None:
    console = Console(width=WIDTH, record=True, file=Path(os.devnull).open("w", encoding="utf-8"), force_terminal=True)  # noqa: SIM115
    console.print(
        Text.from_ansi(f"$ kubekeep {' '.join(command)}\n" + re.sub(r"\r\x1b\[K", "", record_output(command)))
    )
    picture = console.export_svg(title="kubekeep", unique_id="kubekeep")
    # No web fonts: viewing the picture must not contact other servers.
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    path.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
