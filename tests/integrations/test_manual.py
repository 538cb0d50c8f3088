"""Manual pages and completion files: complete, accepted by the tools that print them, and loaded by real shells."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from scripts import manual

from kubekeep.cli.main import kubekeep as command_group
from tests.integrations.samples import ROOT, SCRIPTS, find_program


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    manual.main(folder)
    return folder


def read_plain(page: Path) -> str:
    """Return the text of a page without escapes."""
    text = page.read_text(encoding="utf-8")
    for escape, character in ((r"\-", "-"), (r"\&", ""), (r"\(aq", "'"), (r"\(ga", "`"), (r"\(ti", "~"), (r"\e", "\\")):
        text = text.replace(escape, character)
    return re.sub(r"\\f[BIR]", "", text)


def list_contexts(group: click.Group, parent: click.Context) -> list[click.Context]:
    """Return the contexts of all visible commands below a group."""
    contexts = []
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is not None and not command.hidden:
            context = click.Context(command, info_name=name, parent=parent)
            contexts += [context, *(list_contexts(command, context) if isinstance(command, click.Group) else ())]
    return contexts


def test_every_command_and_option_has_an_entry(share: Path) -> None:
    with click.Context(command_group, info_name="kubekeep", **command_group.context_settings) as root:
        contexts = [root, *list_contexts(command_group, root)]
        assert len(contexts) > 30
        for context in contexts:
            words = context.command_path.split()
            text = read_plain(share / "man" / "man1" / f"{'-'.join(words[:2])}.1")
            assert context.command_path in text
            for parameter in context.command.get_params(context):
                record = parameter.get_help_record(context)
                if isinstance(parameter, click.Option) and record is not None:
                    assert f"\n{record[0]}\n" in text, (context.command_path, record[0])


def test_pages_of_equal_sources_are_equal(share: Path, tmp_path: Path) -> None:
    outputs = []
    for seed in ("1", "2"):
        environment = {
            "SOURCE_DATE_EPOCH": "1700000000",
            "PYTHONHASHSEED": seed,
            "COLUMNS": seed * 2,
            "PATH": os.defpath,
        }
        command = [sys.executable, str(ROOT / "scripts" / "manual.py"), str(tmp_path / seed)]
        subprocess.run(command, check=True, timeout=60, env=environment)
        outputs.append({path.name: path.read_text() for path in (tmp_path / seed).rglob("*") if path.is_file()})
    assert outputs[0] == outputs[1]
    assert ".TH KUBEKEEP 1 2023-11-14 " in outputs[0]["kubekeep.1"]
    assert set(outputs[0]) == {path.name for path in share.rglob("*") if path.is_file()}


def test_text_is_printed_as_it_is() -> None:
    assert manual.escape(".so /etc/passwd") == r"\&.so /etc/passwd"
    assert manual.escape(r"--a \n 'x'") == r"\-\-a \en \(aqx\(aq"


def test_completion_files_are_those_of_the_command(share: Path) -> None:
    for shell, name in manual.COMPLETIONS.items():
        command = [str(SCRIPTS / "kubekeep"), "completion", shell]
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert (share / name).read_text().strip() == result.stdout.strip()


@pytest.mark.integration
@pytest.mark.parametrize("command", ["mandoc -T lint -W style", "groff -man -Tutf8 -ww -z"])
def test_linter_accepts_the_pages(share: Path, command: str, tmp_path: Path) -> None:
    program, *options = command.split()
    for page in sorted((share / "man" / "man1").iterdir()):
        result = subprocess.run(
            [find_program(program), *options, page], capture_output=True, text=True, check=False, timeout=60
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), page.name
    broken = tmp_path / "broken.1"
    broken.write_text(".TH X\n.NOTHING\n\\fBunclosed \\q\n")
    output = subprocess.run([find_program(program), *options, broken], capture_output=True, check=False, timeout=60)
    assert output.stdout or output.stderr


@pytest.mark.integration
def test_man_prints_the_page(share: Path) -> None:
    command = [str(find_program("mandoc")), "-T", "ascii", str(share / "man" / "man1" / "kubekeep-scan.1")]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    text = re.sub(".\b", "", result.stdout)
    for part in (
        "kubekeep-scan - scan manifests or a cluster",
        "--fail-on",
        "kubekeep scan framework nsa,pss-restricted",
    ):
        assert part in text


QUERIES = [
    ("scan framework nsa-ci", "nsa-cisa-1.2"),
    ("scan control C-005", "C-0057"),
    ("explain C-005", "C-0057"),
    ("scan --format sar", "sarif"),
    ("compl", "completion"),
]


@pytest.mark.integration
@pytest.mark.parametrize(("line", "expected"), QUERIES)
def test_bash_completes(share: Path, line: str, expected: str) -> None:
    words = ["kubekeep", *line.split()]
    script = f"""source {share / manual.COMPLETIONS["bash"]}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
complete -p kubekeep >/dev/null && _kubekeep_completion kubekeep; printf '%s\\n' "${{COMPREPLY[@]}}" """
    assert expected in complete_by("bash", "--norc", "-c", script).split()


@pytest.mark.integration
@pytest.mark.parametrize(("line", "expected"), QUERIES)
def test_fish_completes(share: Path, line: str, expected: str) -> None:
    script = f"source {share / manual.COMPLETIONS['fish']}; complete -C 'kubekeep {line}'"
    assert expected in complete_by("fish", "--no-config", "-c", script).split()


def complete_by(shell: str, *arguments: str) -> str:
    """Return the output of a shell that can run kubekeep."""
    environment = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    command = [str(find_program(shell)), *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert not result.stderr
    return result.stdout


@pytest.mark.integration
@pytest.mark.parametrize(("line", "expected"), QUERIES)
def test_zsh_completes(share: Path, tmp_path: Path, line: str, expected: str) -> None:
    controller, terminal = pty.openpty()
    environment = os.environ | {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
        "ZDOTDIR": str(tmp_path),
    }
    process = subprocess.Popen(
        [str(find_program("zsh")), "-f", "-i"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        folder = (share / manual.COMPLETIONS["zsh"]).parent
        os.write(
            controller, f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; print rea''dy\n".encode()
        )
        read_until(controller, "ready")
        os.write(controller, f"kubekeep {line}\t\t".encode())
        read_until(controller, expected)
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def read_until(terminal: int, expected: str) -> None:
    """Read the output of a terminal until the text is in it."""
    text, deadline = "", time.monotonic() + 60
    while expected not in text:
        remaining = deadline - time.monotonic()
        assert remaining > 0, text
        poll = select.poll()
        poll.register(terminal, select.POLLIN)
        if poll.poll(remaining * 1000):
            text += os.read(terminal, 4096).decode("utf-8", "replace")
