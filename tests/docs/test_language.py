"""The language check: question words in the prose of Markdown pages, banned words in code and in texts of controls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


def check(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Run the check on pages or folders."""
    return subprocess.run([sys.executable, SCRIPT, *paths], capture_output=True, text=True, check=False)


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


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("rule.rego", "allowed if {\n\tsome found in input.values\n}\n", ["2: the name found"]),
        ("rule.rego", 'setting := {"said": value} if {\n\tvalue := input.said\n}\n', ["1: the name said"]),
        ("rule.rego", 'reasons contains "the rule declined it"\n', ["1: wording: declined"]),
        (
            "rule.rego",
            "# Whether a pod runs.\nruns if input.pod # Judges the pod.\n",
            ["1: opens with", "2: wording: Judges"],
        ),
        ("panel.ts", "const place = search();\nconst entry = panel.item;\n", ["1: the name place"]),
        (
            "panel.ts",
            "// Mended findings.\nshow({ told: `is told ${text}` });\n",
            ["1: wording: Mended", "2: the name told", "2: wording: is told"],
        ),
        ("panel.ts", "/** What a panel shows. */\nassert.match(text, /was not found/);\n", ["1: opens with"]),
        ("control.yaml", "title: Images have tags\nwhy: Whoever changes the tag is root.\n", ["2: wording: Whoever"]),
        (
            "code.py",
            "class Place:\n    def accepted(self, what): ...\n",
            ["1: the name Place", "2: the name accepted", "2: the name what"],
        ),
        ("code.py", '"""Evaluate the likewise."""\n', ["1: wording: likewise"]),
    ],
)
def test_banned_words_fail_with_their_lines(tmp_path: Path, name: str, text: str, problems: list[str]) -> None:
    file = write(tmp_path / name, text)
    result = check(tmp_path)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == len(problems), lines
    assert all(line.startswith(f"{file}:{problem}") for line, problem in zip(sorted(lines), problems, strict=True)), (
        lines
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rule.rego", "# A rule without banned words.\nis_found if regex.match(`found|said`, input.found)\n"),
        ("panel.ts", "/* Fields of others keep their names. */\nconst tree = panel.item.place;\n"),
        ("settings.yaml", "title: Whoever\n"),
        ("code.py", '"""Return the value in place."""\n\nplacement = error.found\n'),
    ],
)
def test_other_words_pass(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    result = check(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
