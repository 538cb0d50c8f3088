"""Help texts fit one screen, and words that are no command get a suggestion."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from kubekeep.cli.main import kubekeep

LINES, COLUMNS = 60, 80


def list_commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            yield (*words, name), command
            if isinstance(command, click.Group):
                yield from list_commands(command, (*words, name))


def run(*words: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": str(COLUMNS)}).invoke(kubekeep, words, prog_name="kubekeep")
    assert result.exit_code == code, result.output
    return result.output


COMMANDS = dict(list_commands(kubekeep))


@pytest.mark.parametrize("words", [(), *(words for words in COMMANDS if words != ("kubescape",))], ids=" ".join)
def test_help_fits_one_screen(words: tuple[str, ...]) -> None:
    text = run(*words, "--help")
    assert len(text.splitlines()) <= LINES
    everything = run(*words, "--help-all")
    if text == everything:
        return
    assert f"kubekeep {' '.join(words)} --help-all shows all " in text
    command = COMMANDS[words]
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    assert all(option.opts[0] in everything for option in options)
    assert any(option.opts[0] not in text for option in options)


def test_main_help_has_groups_and_examples() -> None:
    text = run("--help")
    assert text.count("  kubekeep ") == 3
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert len(headings) == 6
    assert all(f"  {name} " in text for name in kubekeep.list_commands(click.Context(kubekeep)))


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("sacn",), "kubekeep scan"),
        (("images",), "kubekeep image scan"),
        (("help",), "kubekeep --help"),
        (("help", "scan"), "kubekeep --help"),
        ((__file__,), f"kubekeep scan {__file__}"),
        (("nginx:1.29",), "kubekeep image scan nginx:1.29"),
        (("registry.example/team/app@sha256:" + "0" * 64,), "kubekeep image scan registry.example/team/app@"),
        (("controls",), "kubekeep list controls"),
        (("explian", "C-0057"), "kubekeep explain"),
        (("image", "scna", "nginx"), "kubekeep image scan"),
        (("db", "updat"), "kubekeep db update"),
        (("scan", "image", "nginx:1.29"), "kubekeep image scan nginx:1.29"),
        (("scan", "sbom", "a.cdx.json"), "kubekeep sbom scan a.cdx.json"),
        (("xyzzy",), "kubekeep --help"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_unknown_command_gets_a_suggestion(words: tuple[str, ...], suggestion: str) -> None:
    assert suggestion in run(*words, code=2)
