"""`kubekeep kubescape`: takes Kubescape's command line and runs the command of ours that does the same.

Also the `kubescape` program that a package of its own installs. Judges nothing and writes no report itself.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from kubekeep._native import VERSION
from kubekeep.cli.kubescape import flags
from kubekeep.cli.kubescape.flags import Flag, Takes
from kubekeep.cli.kubescape.parse import FlagError, Given, parse, value_of
from kubekeep.cli.kubescape.translate import Ours, scan, translated
from kubekeep.cli.standard_output import standard_output
from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment

_ELSEWHERE: Final = {
    "download": "the library comes with the package, nothing is downloaded",
    "update": "install a newer package; nothing asks for one",
    "config": "there is no account to configure; `kubekeep config` is about kubekeep.yaml",
    "patch": "images are not patched",
    "vap": "`kubekeep scan --policies` evaluates admission policies; none are deployed",
    "operator": "there is no operator yet",
    "prerequisites": "there is no operator yet",
    "mcpserver": "there is no MCP server yet",
    "submit": "there is no service: nothing is sent anywhere",
    "delete": "there is no service: nothing is kept anywhere",
}
"""Commands of Kubescape that are not here, and why or what to use."""


_LAYOUTS: Final = {"pretty-print": "pretty", "csv": "csv", "json": "json", "yaml": "json"}
"""The formats of lists, and which of ours each is."""


class _Tells:
    """Prints the line about the score that scripts look for, beside a report for machines."""

    def __init__(self, given: Sequence[Given]) -> None:
        self._silent = "pretty-printer" in (value_of(given, "format") or "pretty-printer")

    def __call__(self, assessment: Assessment) -> None:
        if not self._silent:
            score = whole(assessment.compliance or 0.0)
            click.echo(f"Overall compliance-score (100- Excellent, 0- All failed): {score}", err=True)


def whole(score: float) -> int:
    """The score as a whole number, which is 100 only for what is perfect."""
    return min(round(score), 99) if score < 100 else 100


def _scan(alone: list[str], given: list[Given]) -> int:
    return _run("scan", scan(alone, given), _Tells(given))


def _fix(alone: list[str], given: list[Given]) -> int:
    options, notes = translated(given)
    if len(alone) != 1:
        raise FlagError("fix: name one report in JSON")
    if not options and not sys.stdin.isatty():
        raise FlagError("fix: there is no terminal to ask on: add --no-confirm or --dry-run")
    return _run("fix", Ours((*options, "--report", alone[0]), notes))


def _as_it_stands(name: str, alone: list[str], given: list[Given]) -> int:
    """Run our command of the same name with the same words."""
    options, notes = translated(given)
    return _run(name, Ours((*options, "--", *alone), notes))


def _list(alone: list[str], given: list[Given]) -> int:
    """The names as Kubescape lists them; for people, our own list."""
    translated(given)
    layout = value_of(given, "format") or "pretty-print"
    if alone not in (["frameworks"], ["controls"], ["exceptions"]):
        raise FlagError("list: frameworks, controls or exceptions")
    # JSON is YAML too.
    if layout in {"json", "yaml"} and alone != ["exceptions"]:
        rows = _frameworks() if alone == ["frameworks"] else _controls()
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2 if layout == "yaml" else None))
        return 0
    if layout == "csv" and alone == ["controls"]:
        _write_csv(_controls())
        return 0
    if layout not in _LAYOUTS:
        raise FlagError(f"list: unknown format {layout}")
    return _run("list", Ours((alone[0], "--format", _LAYOUTS[layout])))


def _frameworks() -> list[str]:
    return [framework.name for framework in builtin().frameworks.values()]


def _controls() -> list[dict[str, Any]]:
    frameworks = builtin().frameworks.values()
    controls = sorted((item for item in builtin().controls.values() if item.ids), key=lambda item: item.id)
    return [
        {"id": item.id, "name": item.title, "frameworks": [each.name for each in frameworks if each.has(item)]}
        for item in controls
    ]


def _write_csv(rows: Sequence[dict[str, Any]]) -> None:
    import csv  # noqa: PLC0415 - for one layout of one command

    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("id", "name", "frameworks"))
    out.writerows((row["id"], row["name"], ";".join(row["frameworks"])) for row in rows)


def _version(alone: list[str], given: list[Given]) -> int:
    if alone:
        raise FlagError(f"version: unexpected {alone[0]}")
    if value_of(given, "format") == "json":
        click.echo(json.dumps({"version": f"v{VERSION}", "commit": "", "date": ""}))
    else:
        click.echo(f"Your current version is: v{VERSION} (kubekeep)")
    return 0


def _run(name: str, ours: Ours, told: Callable[[Assessment], None] | None = None) -> int:
    """Run a command of ours. Kubescape has one exit code for all that goes wrong."""
    for note in ours.notes:
        click.echo(note, err=True)
    command: click.Command = importlib.import_module(f"kubekeep.cli.{name}").command
    try:
        # An error is told without the usage line, which would be that of another program.
        code = command.main(args=list(ours.words), prog_name=f"kubekeep {name}", obj=told, standalone_mode=False)
    except click.ClickException as error:
        raise FlagError(error.format_message()) from error
    except click.Abort:
        return 1
    except SystemExit as end:
        code = end.code
    return 0 if code in {0, None} else 1


_TASKS: Final[dict[str, tuple[tuple[Flag, ...], Callable[[list[str], list[Given]], int]]]] = {
    "scan": (flags.EVERY_SCAN, _scan),
    "list": (flags.LIST, _list),
    "fix": (flags.FIX, _fix),
    "diff": (flags.DIFF, functools.partial(_as_it_stands, "diff")),
    "decrypt": ((), functools.partial(_as_it_stands, "decrypt")),
    "completion": ((), functools.partial(_as_it_stands, "completion")),
    "version": (flags.VERSION, _version),
}


def table() -> dict[str, tuple[Flag, ...]]:
    """The flags by command, for the documentation."""
    known = {"every command": flags.ROOT} | {f"kubescape {name}": found for name, (found, _) in _TASKS.items() if found}
    own = {f"kubescape scan {name}": found for name, found in flags.SUBCOMMANDS.items()}
    return known | {"kubescape scan": flags.SCAN} | own


def elsewhere() -> dict[str, str]:
    """The commands that are not here, with the reason, for the documentation."""
    return dict(_ELSEWHERE)


@click.command(
    short_help="Take Kubescape's command line.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    """Run WORDS, a command line of Kubescape, with what Kubekeep has for it."""
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """Run a command line of Kubescape without its first word; the exit code, 0 or 1."""
    place = _place(words)
    try:
        if place is None:
            parse(words, (*flags.ROOT, flags.HELP))
        if place is None or words[place] == "help":
            click.echo(_help())
            return 0
        return _task(words[place], [*words[:place], *words[place + 1 :]])
    except FlagError as error:
        click.echo(f"Error: {error}", err=True)
        return 1


def _task(name: str, rest: Sequence[str]) -> int:
    """Run the command `name`. Raises FlagError."""
    if name in _ELSEWHERE:
        raise FlagError(f"kubescape {name} is not here: {_ELSEWHERE[name]}")
    if name not in _TASKS:
        raise FlagError(f"unknown command {name!r} for kubescape")
    known, task = _TASKS[name]
    alone, given = parse(rest, (*flags.ROOT, flags.HELP, *known))
    if name != "scan":
        given = [(flag, value) for flag, value in given if flag != flags.CONTEXT]
    if value_of(given, flags.HELP.name) == "true":
        click.echo(_help())
        return 0
    return task(alone, given)


def _place(words: Sequence[str]) -> int | None:
    """Where the command stands: the first word that is no flag and no flag's value."""
    values = {
        word
        for flag in (*flags.ROOT, *flags.SCAN)
        if flag.takes is not Takes.SWITCH
        for word in (f"--{flag.name}", flag.short and f"-{flag.short}")
    }
    skip = False
    for place, word in enumerate(words):
        if not skip and not word.startswith("-"):
            return place
        skip = not skip and word in values
    return None


def _help() -> str:
    lines = ["Takes Kubescape's command line for:", ""]
    lines += [f"  {name}" for name in _TASKS]
    lines += ["", "Not here:", ""]
    lines += [f"  {name:14} {why}" for name, why in _ELSEWHERE.items()]
    return "\n".join([*lines, "", "Flags: https://kubekeep.io/docs/reference/kubescape/"])


def main() -> None:
    """The `kubescape` program."""
    with standard_output():
        sys.exit(run(sys.argv[1:]))
