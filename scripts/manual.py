"""Generator of the manual pages and completion files of packages, from the definitions of the commands.

Writes below the folder that is the first argument: `man/man1`, `bash-completion/completions`, `zsh/site-functions` and
`fish/vendor_completions.d`, as below /usr/share. Pages have the date of SOURCE_DATE_EPOCH, or of today. Runs no command.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from kubekeep._native import VERSION
from kubekeep.cli.main import kubekeep as command_group

COMPLETIONS: Final = {
    "bash": "bash-completion/completions/kubekeep",
    "zsh": "zsh/site-functions/_kubekeep",
    "fish": "fish/vendor_completions.d/kubekeep.fish",
}
FILES: Final = (
    ("kubekeep.yaml", "Configuration of the project, in the working folder or a folder above it."),
    (".kubekeepignore", "Patterns of files that scans leave out, in the syntax of .gitignore."),
)
_PREFORMATTED: Final = "\b"
"""Line before a paragraph that click does not wrap."""
_EXAMPLE: Final = re.compile(r"(?m)^(?:kubekeep|kubectl) ")


def main(folder: Path) -> None:
    """Write all pages and completion files below the folder."""
    pages = folder / "man" / "man1"
    pages.mkdir(parents=True, exist_ok=True)
    with click.Context(command_group, info_name="kubekeep", **command_group.context_settings) as root:
        for name in command_group.list_commands(root):
            command = command_group.get_command(root, name)
            if command is not None:
                context = click.Context(command, info_name=name, parent=root)
                (pages / f"kubekeep-{name}.1").write_text(render_page(context), encoding="utf-8")
        (pages / "kubekeep.1").write_text(render_page(root), encoding="utf-8")
    for shell, name in COMPLETIONS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_completion(shell), encoding="utf-8")


def render_completion(shell: str) -> str:
    """Return the completion file of a shell, as `kubekeep completion` prints it."""
    completion = get_completion_class(shell)
    if completion is None:
        raise LookupError(f"click has no completion for {shell}")
    return completion(command_group, {}, "kubekeep", "_KUBEKEEP_COMPLETE").source().strip() + "\n"


def render_page(context: click.Context) -> str:
    """Return the page of a command. A page of a group contains its commands; that of the program names their pages."""
    name = context.command_path.replace(" ", "-")
    is_program = context.parent is None
    short = "find and fix security problems in Kubernetes" if is_program else _summarize(context.command)
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    lines = [f'.TH {name.upper()} 1 {date} "kubekeep {VERSION}" "Kubekeep"', ".SH NAME", rf"{escape(name)} \- {short}"]
    lines += [".SH SYNOPSIS", *_render_usage(context), ".SH DESCRIPTION", *_render_text(context.command.help or "")]
    lines += _render_options(context, ".SH OPTIONS")
    if isinstance(context.command, click.Group):
        lines += [".SH COMMANDS"]
        for subcommand in _list_commands(context):
            lines += _render_link(subcommand) if is_program else _render_subcommand(subcommand)
    if is_program:
        codes = (context.command.epilog or "").partition(":\n")[2]
        lines += [".SH EXIT STATUS", *_render_text(f"{_PREFORMATTED}\n{codes}"), ".SH FILES"]
        for file, text in FILES:
            lines += [".TP", rf"\fI{escape(file)}\fR", escape(text)]
    else:
        lines += [".SH SEE ALSO", r"\fBkubekeep\fR(1)"]
    return "\n".join([*lines, ""])


def escape(text: str) -> str:
    """Escape a line of text, so that it is printed as it is."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga").replace("'", r"\(aq")
    text = text.replace("~", r"\(ti").replace("^", r"\(ha")
    return rf"\&{text}" if text.startswith(".") else text


def _wrap(text: str) -> list[str]:
    """Return escaped text in lines that mandoc does not call long."""
    lines = textwrap.wrap(escape(" ".join(text.split())), 78, break_long_words=False, break_on_hyphens=False)
    return [rf"\&{line}" if line.startswith(".") else line for line in lines]


def _summarize(command: click.Command) -> str:
    """Return the first sentence in the form of a NAME section: without capital and full stop."""
    text = escape(command.get_short_help_str(200).rstrip("."))
    return text[:1].lower() + text[1:]


def _list_commands(context: click.Context) -> Iterator[click.Context]:
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is not None and not command.hidden:
                yield click.Context(command, info_name=name, parent=context)


def _render_usage(context: click.Context) -> list[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return [rf"\fB{escape(context.command_path)}\fR {escape(pieces)}".rstrip()]


def _render_text(text: str) -> list[str]:
    """Return the paragraphs of a help text. Commands of examples are not wrapped."""
    lines: list[str] = []
    for paragraph in re.split(r"\n{2,}", text.strip("\n")):
        rows = paragraph.split("\n")
        if rows[0].strip() == _PREFORMATTED or _EXAMPLE.search(paragraph):
            rows = [escape(row.rstrip()) for row in rows if row.strip() not in ("", _PREFORMATTED)]
            lines += [".PP", ".nf", ".RS 4", *rows, ".RE", ".fi"]
        elif rows != [""]:
            lines += [".PP", *_wrap(paragraph)]
    # A paragraph right after a heading is empty.
    return lines[1:] if lines[:1] == [".PP"] else lines


def _render_options(context: click.Context, heading: str) -> list[str]:
    records = (parameter.get_help_record(context) for parameter in context.command.get_params(context))
    lines = [
        line
        for names, text in filter(None, records)
        if text  # an argument is part of the usage
        for line in (".TP", rf"\fB{escape(names)}\fR", *_wrap(text))
    ]
    return [heading, *lines] if lines else []


def _render_link(context: click.Context) -> list[str]:
    page = escape(context.command_path.replace(" ", "-"))
    return [".TP", rf"\fB{page}\fR(1)", escape(context.command.get_short_help_str(200))]


def _render_subcommand(context: click.Context) -> list[str]:
    lines = [f".SS {escape(context.command_path)}", *_render_usage(context)]
    if description := _render_text(context.command.help or ""):
        lines += [".PP", *description]
    options = _render_options(context, "")[1:]
    nested = [line for subcommand in _list_commands(context) for line in _render_subcommand(subcommand)]
    return [*lines, *options, *nested]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
