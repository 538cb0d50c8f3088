"""The language check of Markdown pages: question words in prose, outside code blocks and tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "language.py"
PLAIN = "Set the limit of the container. " * 20
NO_PROSE = """
```sh
echo what which whether how
```

    ```rego
    # where who when why
    ```

| what | which |
| --- | --- |
| how | `why` |

See [the guide](how/what/why.md) and `which`, or https://example.com/what?how=why.
"""


def check(*pages: Path) -> subprocess.CompletedProcess[str]:
    """Run the check on the pages."""
    return subprocess.run([sys.executable, SCRIPT, *pages], capture_output=True, text=True, check=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_question_words_fail_with_their_lines(tmp_path: Path) -> None:
    page = write(tmp_path / "page.md", f"{PLAIN}\n\nIt depends on what runs, and on Who asks.\n")
    result = check(page)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"{page}:3: question word: what", f"{page}:3: question word: Who"]


def test_code_tables_and_addresses_are_not_prose(tmp_path: Path) -> None:
    result = check(write(tmp_path / "page.md", PLAIN + NO_PROSE))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("125 words of prose, 0.0 question words per 1,000")


def test_limit_is_for_all_pages_together(tmp_path: Path) -> None:
    questions = write(tmp_path / "questions.md", "What runs?\n")
    assert check(questions).returncode == 1
    assert check(questions, write(tmp_path / "plain.md", PLAIN)).returncode == 0
