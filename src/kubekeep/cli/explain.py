"""`kubekeep explain NAME`: the documentation of one control or framework, as text."""

from __future__ import annotations

import re
import sys

import click

from kubekeep.cli.console.completed_names import complete_names
from kubekeep.cli.settings import get_width
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework
from kubekeep.usecases.catalog import find, list_frameworks, read_content

_WIDTH = 96


@click.command(short_help="Explain a control or a framework.")
@click.argument("name", shell_complete=complete_names)
def command(name: str) -> None:
    """Explain a control (number, slug or title), or show the requirements of a framework."""
    try:
        entry = find(name)
    except KubekeepError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error
    click.echo("\n".join(_control(entry) if isinstance(entry, Control) else _framework(entry)))


def _control(control: Control) -> list[str]:
    numbers = f"{', '.join(control.ids)} · " if control.ids else ""
    level = click.style(f"{control.level.label} ({control.severity:g})", fg=control.level.colour)
    lines = [
        click.style(control.title, bold=True),
        f"{numbers}{control.slug} · {level} · {control.required_data.value}",
    ]
    for heading, text in control.chapters:
        lines += [*_heading(heading), *map(_wrap, _join_lines(text))]
    if control.targets:
        lines += [*_heading("Applies to"), _wrap(", ".join(control.targets))]
    lists = (
        (
            "Parameters",
            [
                f"{name}: {parameter.description} {list(parameter.default)}"
                for name, parameter in control.params.items()
            ],
        ),
        ("Frameworks", _list_frameworks(control)),
        ("References", control.references),
    )
    for heading, entries in lists:
        if entries:
            lines += [*_heading(heading), *(f"  {entry}" for entry in entries)]
    return lines


def _list_frameworks(control: Control) -> list[str]:
    return [
        f"{framework.title} {', '.join(control.satisfies[framework.slug])}".rstrip()
        for framework in list_frameworks()
        if framework.slug in control.satisfies
    ]


def _framework(framework: Framework) -> list[str]:
    content = read_content(framework)
    counts = ", ".join(f"{count} {answer}" for answer, count in content.counts.items())
    lines = [click.style(framework.title, bold=True), f"{framework.slug} · {counts or 'no requirements'}"]
    lines += ["", _wrap(framework.description.strip())]
    if framework.url:
        lines.append(f"  {framework.url}")
    titles = {section.id: section.title for section in framework.sections}
    current = ""
    for requirement in content.requirements:
        section = framework.find_section(requirement.id)
        if section not in {current, requirement.id}:
            lines += _heading(f"{section} {titles[section]}")
            current = section
        lines += _requirement(requirement.id, requirement.title, requirement.controls)
    return lines


def _requirement(number: str, title: str, controls: tuple[Control, ...]) -> list[str]:
    if title and title not in {control.title for control in controls}:
        head = ["", click.style(f"{number} {title}", bold=True)]
        return [*head, *(_line(control.id, control) for control in controls), *([] if controls else [_NONE])]
    return [_line(number, control) for control in controls]


_NONE = click.style("  not covered", dim=True)


def _line(name: str, control: Control) -> str:
    number = "" if name == control.id else f" ({control.id})"
    return f"  {name:10} {control.title}{number} {click.style(control.required_data.value, dim=True)}"


def _heading(text: str) -> list[str]:
    return ["", click.style(text, bold=True)]


def _join_lines(text: str) -> list[str]:
    """Return the lines of a text; indented lines continue the previous one."""
    return re.sub(r"\n[ \t]+", " ", text).splitlines()


def _wrap(text: str) -> str:
    hanging = "     " if re.match(r"\d\. ", text) else "  "
    return click.wrap_text(text, min(get_width(sys.stdout), _WIDTH), "  ", hanging)
