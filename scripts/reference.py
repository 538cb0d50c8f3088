"""Write the reference pages that are built from the code: controls, frameworks, report formats, command line.

Writes below docs/reference/ only; what it writes is never edited by hand nor committed.
"""

from __future__ import annotations

from pathlib import Path

import click

from kubekeep import reports
from kubekeep.cli.main import kubekeep
from kubekeep.library.load import builtin
from kubekeep.model.control import Control

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def main() -> None:
    """Write every page."""
    pages = {"controls": controls(), "frameworks": frameworks(), "formats": formats(), "cli": command_line()}
    for name, text in pages.items():
        (REFERENCE / f"{name}.md").write_text(text, encoding="utf-8")


def controls() -> str:
    """All controls, in the order of their numbers."""
    ordered = sorted(builtin().controls.values(), key=lambda control: control.id)
    return "# Controls\n\n" + "\n".join(map(_control, ordered))


def _control(control: Control) -> str:
    lines = [f"## {control.id} {control.title}", "", f"`{control.slug}` · {control.level.label} ({control.severity:g})"]
    for text in (control.asks, f"**Why.** {control.why}", f"**Fix.** {control.fix}"):
        lines += ["", text.strip()]
    if control.impact:
        lines += ["", f"**What it may break.** {control.impact.strip()}"]
    if control.params:
        lines += ["", "| parameter | meaning | default |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {item.description} | {', '.join(f'`{value}`' for value in item.default) or 'none'} |"
            for name, item in control.params.items()
        ]
    lines += ["", f"Applies to: {', '.join(control.targets)}.", *("" for _ in range(bool(control.references)))]
    lines += [f"- <{link}>" for link in control.references]
    return "\n".join([*lines, ""])


def frameworks() -> str:
    """All frameworks with their controls."""
    parts = ["# Frameworks", ""]
    for item in builtin().frameworks.values():
        members = builtin().members(item)
        parts += [f"## {item.title}", "", f"`{item.slug}` · {len(members)} controls", "", item.description.strip(), ""]
        if not item.all_controls:
            parts += [f"- {control.id} {control.title}" for control in members] + [""]
    return "\n".join(parts)


def formats() -> str:
    """All report formats."""
    rows = [f"| `{item.name}` | {item.extension} | {item.description} |" for item in reports.formats().values()]
    return "\n".join(["# Report formats", "", "| format | file | |", "| --- | --- | --- |", *rows, ""])


def command_line() -> str:
    """The help of every command."""
    parts = ["# Command line", ""]
    with click.Context(kubekeep, info_name="kubekeep") as root:
        for context in [root, *_commands(kubekeep, root)]:
            parts += [f"## {context.command_path}", "", "```text", context.command.get_help(context), "```", ""]
    return "\n".join(parts)


def _commands(group: click.Group, parent: click.Context) -> list[click.Context]:
    found = []
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is not None:
            context = click.Context(command, info_name=name, parent=parent)
            found.append(context)
            if isinstance(command, click.Group):
                found += _commands(command, context)
    return found


if __name__ == "__main__":
    main()
