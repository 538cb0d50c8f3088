"""Generator of the reference pages: controls, frameworks, formats, commands, configuration, Python API, changelog.

Writes below docs/reference/, or below the folder that is the first argument. The pages are not edited by hand and not
committed.
"""

from __future__ import annotations

import difflib
import inspect
import itertools
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

import kubekeep
from kubekeep import reports
from kubekeep.cli.console.config_keys import list_keys
from kubekeep.cli.console.lazy_group import SHOWS_ALL
from kubekeep.cli.kubescape import list_flags, list_unsupported_commands
from kubekeep.cli.kubescape.flags import FlagEffect, KubescapeFlag
from kubekeep.cli.main import kubekeep as command_group
from kubekeep.cli.scan import command as scan
from kubekeep.library.cases import Case, list_cases
from kubekeep.library.load import builtin
from kubekeep.library.requirements import count_by_required_data, list_requirements
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework
from kubekeep.posture.node_agents import load_node_agents

REFERENCE: Final = Path(__file__).parent.parent / "docs" / "reference"
LONGEST_EXAMPLE: Final = 60
"""Lines of an example. Longer cases test combinations; they explain little."""


def main(folder: Path = REFERENCE) -> None:
    """Write every page below `folder`."""
    pages = {"controls": render_controls(), "frameworks": render_frameworks(), "formats": render_formats()}
    pages |= {"node-agents": render_node_agents()}
    pages |= {"cli": render_command_line(), "python": render_python_api()}
    pages |= {"configuration": render_configuration(), "kubescape": render_kubescape(), "changelog": render_changelog()}
    pages |= {f"controls/{control.slug}": render_control(control) for control in builtin().controls.values()}
    pages |= {
        f"frameworks/{framework.slug}": render_framework(framework) for framework in builtin().frameworks.values()
    }
    for name in ("controls", "frameworks"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def render_python_api() -> str:
    """Return the page of the Python API: each public name with its signature and docstring."""
    lines = ["# Python API", "", "All names are attributes of the package `kubekeep`."]
    for name in kubekeep.__all__:
        value = getattr(kubekeep, name)
        lines += ["", f"## {name}", "", "```python", _signature(name, value), "```", "", inspect.getdoc(value) or ""]
        if isinstance(value, type):
            lines += ["", *_attributes(value)]
    return "\n".join([*lines, ""])


def _signature(name: str, value: Callable[..., object]) -> str:
    if isinstance(value, type):
        return f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
    signature = inspect.signature(value)
    parameters = "".join(f"\n    {parameter}," for parameter in signature.parameters.values())
    return f"def {name}({parameters}\n) -> {signature.return_annotation}"


def _attributes(value: type) -> list[str]:
    """Return the fields and properties of a class as list items."""
    fields = [f"- `{field}`" for field in getattr(value, "__struct_fields__", ())]
    properties = [
        f"- `{name}`: {inspect.getdoc(attribute)}"
        for name, attribute in vars(value).items()
        if isinstance(attribute, property) and not name.startswith("_")
    ]
    return [*fields, *properties]


def render_changelog() -> str:
    """Return the changelog of the repository, with links that are relative to the reference pages."""
    return (REFERENCE.parent.parent / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](../")


def render_controls() -> str:
    """Return the page of all controls, in the order of their numbers."""
    controls = sorted(builtin().controls.values(), key=lambda control: control.id)
    rows = [
        f"| {control.id} | [{control.title}](controls/{control.slug}.md) | {control.level.label} | {control.required_data.value} |"
        for control in controls
    ]
    absences = [
        f"| [{control.id}](controls/{control.slug}.md) | `{part}` | {reason} |"
        for control in controls
        for part, reason in control.secure_without.items()
    ]
    return "\n".join(
        [
            *("# Controls", "", "| id | control | severity | required data |", "| --- | --- | --- | --- |", *rows, ""),
            *("## Secure absences", ""),
            *(
                "A control does not pass because a part of the input is missing. The exceptions are these resources and",
            ),
            *("fields: their absence is the secure state.", ""),
            *("| control | resource or field | reason |", "| --- | --- | --- |", *absences, ""),
        ]
    )


def render_control(control: Control) -> str:
    """Return the page of one control."""
    heading_line = (
        f"{', '.join(control.ids) or 'no number'} · `{control.slug}` · {control.level.label} ({control.severity:g})"
    )
    lines = [
        f"# {control.title}",
        "",
        f"{heading_line} · {control.required_data.value} · [all controls](../controls.md)",
    ]
    for heading, text in control.chapters:
        lines += ["", f"## {heading}", "", text]
    lines += render_examples(control)
    if control.params:
        lines += ["", "## Parameters", "", "| parameter | meaning | default |", "| --- | --- | --- |"]
        lines += [
            f"| `{name}` | {parameter.description} | {', '.join(map(_code, parameter.default)) or 'none'} |"
            for name, parameter in control.params.items()
        ]
    if control.targets:
        lines += ["", "## Resources", "", ", ".join(control.targets)]
    frameworks = [framework for framework in builtin().frameworks.values() if framework.slug in control.satisfies]
    if frameworks:
        lines += ["", "## Frameworks", ""]
        lines += [
            f"- [{framework.title}](../frameworks/{framework.slug}.md) {', '.join(control.satisfies[framework.slug])}".rstrip()
            for framework in frameworks
        ]
    if control.references:
        lines += ["", "## References", "", *(f"- <{link}>" for link in control.references)]
    return "\n".join([*lines, ""])


def render_examples(control: Control) -> list[str]:
    """Return the lines of a failing and a passing example: the two test cases of the rule that differ least."""
    cases = list_cases(builtin(), [builtin().controls.get(control.rule_name, control)])
    examples = [(case, text) for case in cases if (text := _read_example(case)).count("\n") < LONGEST_EXAMPLE]
    failing = [(case, text) for case, text in examples if case.expected == "fail"]
    passing = [text for case, text in examples if case.expected == "pass"]
    if not failing or not passing:
        return []
    (case, bad), good = min(itertools.product(failing, passing), key=lambda pair: _distance(pair[0][1], pair[1]))
    lines = _list_failing_lines(control, case)
    marks = f' hl_lines="{" ".join(map(str, lines))}"' if lines else ""
    return [
        *("", "## Examples", "", "This input fails:", "", f"```yaml{marks}", bad, "```", ""),
        *("This input passes:", "", "```yaml", good, "```"),
    ]


def _read_example(case: Case) -> str:
    """Return the manifests of a case without the settings at its top."""
    return re.sub(r"\A(#.*\n)+", "", case.file.read_text(encoding="utf-8")).strip()


def _distance(bad: str, good: str) -> int:
    """Return the number of lines that differ, weighted, plus the length of both texts."""
    before, after = bad.splitlines(), good.splitlines()
    changed = sum(line[0] in "+-" for line in difflib.ndiff(before, after))
    return 10 * changed + len(before) + len(after)


def _list_failing_lines(control: Control, case: Case) -> Sequence[int]:
    """Return the lines of the findings in the example, from 1."""
    assessment = kubekeep.scan(case.file, controls=(control.slug,), params=case.options.params, snapshot=True)
    settings = case.file.read_text(encoding="utf-8").split("\n").index(_read_example(case).split("\n", 1)[0])
    lines = {
        evidence.location.region.start.line - settings
        for finding in assessment.findings
        for evidence in finding.evidence
        if evidence.location and evidence.location.region
    }
    return sorted(line for line in lines if line > 0)


def _code(value: str) -> str:
    escaped = value.replace("|", "\\|")
    return f"`{escaped}`"


def render_frameworks() -> str:
    """Return the page of all frameworks with the input they need."""
    parts = ["# Frameworks", "", "| framework | | controls | requirements |", "| --- | --- | --- | --- |"]
    for framework in builtin().frameworks.values():
        counts = ", ".join(
            f"{count} {answer}"
            for answer, count in count_by_required_data(list_requirements(builtin(), framework)).items()
        )
        parts.append(
            f"| `{framework.slug}` | [{framework.title}](frameworks/{framework.slug}.md) | {len(builtin().select_members(framework))} | {counts} |"
        )
    return "\n".join([*parts, ""])


def render_framework(framework: Framework) -> str:
    """Return the page of one framework with its requirements."""
    entries = list_requirements(builtin(), framework)
    counts = ", ".join(f"{count} {answer}" for answer, count in count_by_required_data(entries).items())
    lines = [
        f"# {framework.title}",
        "",
        f"`{framework.slug}` · {counts or 'no requirements'}",
        "",
        framework.description.strip(),
    ]
    if framework.url:
        lines += ["", f"<{framework.url}>"]
    if entries:
        lines += ["", "| requirement | | controls | required data |", "| --- | --- | --- | --- |"]
    for requirement in entries:
        links = ", ".join(f"[{control.id}](../controls/{control.slug}.md)" for control in requirement.controls)
        titles = requirement.title or ", ".join(control.title for control in requirement.controls)
        lines.append(
            f"| {requirement.id} | {titles} | {links} | {requirement.required_data.value if requirement.required_data else 'not covered'} |"
        )
    return "\n".join([*lines, ""])


def render_formats() -> str:
    """Return the page of all report formats."""
    rows = [
        f"| `{report_format.name}` | {report_format.extension} | {report_format.description} |"
        for report_format in reports.formats().values()
    ]
    return "\n".join(["# Report formats", "", "| format | file | |", "| --- | --- | --- |", *rows, ""])


def render_node_agents() -> str:
    """Return the page of the node agents with the controls that fail because of the access that they need."""
    lines = [
        "# Node agents",
        "",
        "These programs need access to their node. Findings about this access have a low priority, see",
        "[Priority](../scores.md#priority-what-to-fix-first). Mirrors of these images keep their priority.",
        "Except where stated, the agent runs in a DaemonSet. *Yes* in the last column: the access may give control of the node.",
        "",
        "| image | | controls | control of the node |",
        "| --- | --- | --- | --- |",
    ]
    for agent in load_node_agents():
        images = ", ".join(f"`{image}`" for image in agent.images)
        numbers = [(builtin().controls[slug].id, slug) for slug in agent.controls]
        links = ", ".join(f"[{number}](controls/{slug}.md)" for number, slug in sorted(numbers))
        kinds = "" if agent.kinds == ("DaemonSet",) else f"; {', '.join(agent.kinds)}"
        lines.append(f"| {images} | {agent.purpose}{kinds} | {links} | {'yes' if agent.controls_node else ''} |")
    return "\n".join([*lines, ""])


def render_command_line() -> str:
    """Return the page with the help of every command."""
    parts = ["# Command line", ""]
    with click.Context(command_group, info_name="kubekeep") as root:
        for context in [root, *_commands(command_group, root)]:
            context.meta[SHOWS_ALL] = True
            parts += [f"## {context.command_path}", "", "```text", context.command.get_help(context), "```", ""]
    return "\n".join(parts)


def render_configuration() -> str:
    """Return the page of the keys of the configuration file."""
    rows = [
        f"| `{key.name}` | {key.kind.description}{', or a list' if key.option.multiple else ''} | {key.option.help} |"
        for key in list_keys(scan).values()
    ]
    charts = "| `charts` | a mapping | Values for single charts, see the [guide](../guides/configuration.md). |"
    return "\n".join(["# Configuration file", "", "| key | value | |", "| --- | --- | --- |", *rows, charts, ""])


def render_kubescape() -> str:
    """Return the page about the support of Kubescape's flags and commands."""
    parts = ["# Kubescape's command line", "", "Support of each flag and command of Kubescape in `kubekeep kubescape`."]
    for name, flags in list_flags().items():
        rows = [f"| {_names(flag)} | {_describe_effect(flag)} |" for flag in flags]
        parts += ["", f"## {name}", "", "| flag | in Kubekeep |", "| --- | --- |", *rows]
    rows = [f"| `{name}` | {why} |" for name, why in list_unsupported_commands().items()]
    return "\n".join(
        [*parts, "", "## Commands that are not supported", "", "| command | |", "| --- | --- |", *rows, ""]
    )


def _names(flag: KubescapeFlag) -> str:
    return f"`-{flag.short}`, `{flag}`" if flag.short else f"`{flag}`"


def _describe_effect(flag: KubescapeFlag) -> str:
    replacement = (
        "" if flag.option in {"", flag.name} else f"`{flag.option}`" if flag.option.isupper() else f"`--{flag.option}`"
    )
    text = "the same" if flag.effect is FlagEffect.SAME and not replacement else replacement or flag.effect.value
    return f"{text}: {flag.why}" if flag.why else text


def _commands(group: click.Group, parent: click.Context) -> list[click.Context]:
    contexts = []
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is not None:
            context = click.Context(command, info_name=name, parent=parent)
            contexts.append(context)
            if isinstance(command, click.Group):
                contexts += _commands(command, context)
    return contexts


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
